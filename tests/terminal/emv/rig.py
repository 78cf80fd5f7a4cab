"""A counter around the kernel: a virtual card, an issuer that knows its key, and a customer, all in plain calls."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from iso8583.emv_crypto import arpc, card_key, session_key
from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import (
    CA_KEYS_FILE,
    Card,
    Personalisation,
    PulledOutError,
    SilentError,
    TappedCard,
    load_card,
    till,
)
from terminal.emv import (
    Answer,
    AskPin,
    CardChecked,
    CardRemoved,
    CheckCard,
    CheckDocument,
    ChooseApplication,
    ContactKernel,
    ContactlessKernel,
    DocumentChecked,
    Finished,
    GoOnline,
    NoAnswer,
    OfflinePinResult,
    OnlineAnswer,
    Outcome,
    PinResult,
    SaleFacts,
    Step,
    TerminalParameters,
    Transmit,
    VerifyOfflinePin,
)
from terminal.emv.ca_keys import parse_ca_keys
from terminal.emv.flags import Tvr
from terminal.emv.offline_pin import padding_bytes, verify_command

CA_KEYS = parse_ca_keys(CA_KEYS_FILE.read_text("utf-8"))
PARAMETERS = TerminalParameters(
    merchant_name="TEST MERCHANT", merchant_id="123456789012345", terminal_id="12345678", ifd_serial="SN000001",
    ca_keys=CA_KEYS,
)  # fmt: skip
FACTS = till.FACTS
_VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "emv_golden_card.json").read_text("utf-8"))
VECTORS, QPBOC = _VECTORS["EMV"], _VECTORS["QPBOC"]
GOOD = load_card("good")
GOLDEN = load_card("golden")
PIN_BLOCK = bytes.fromhex("02635C2F1B247C28")
ENTERED = PinResult("entered", PIN_BLOCK)

BACKGROUND = Tvr.ODA_NOT_PERFORMED | Tvr.FLOOR_LIMIT_EXCEEDED
"""What is always found of the good card: it has nothing to authenticate, and the floor limit is zero."""

Reply = str | Callable[[bytes], bytes] | None
"""What a card answers instead: hexadecimal, a function of the command, or None for having gone."""


def patched(card: Personalisation, changes: Mapping[int, bytes | None]) -> Personalisation:
    """The same card with data objects of its records changed, added (to record 2.1) or, with None, left out."""
    records = {key: parse_tlv(parse_tlv(record)[0x70]) for key, record in card.records.items()}
    homes = {tag: key for key, objects in records.items() for tag in objects}
    for tag, value in changes.items():
        objects = records[homes.get(tag, (2, 1))]
        objects.pop(tag, None)
        objects |= {} if value is None else {tag: value}
    return replace(card, certificates={key: build_tlv({0x70: build_tlv(objects)}) for key, objects in records.items()})


def issuer_answer(card: Card | TappedCard, code: str = "00", more: bytes = b"") -> OnlineAnswer:
    """The issuer's good word on the card's last cryptogram."""
    if isinstance(card, TappedCard):  # which is gone, and hears nothing of it
        return OnlineAnswer(code, code == "00", more or None)
    p = card.personalisation
    key = session_key(card_key(p.issuer_key, p.pan, p.sequence), card.counter.to_bytes(2, "big"))
    authentication = arpc(key, card._cryptogram, code.encode()) + code.encode()
    return OnlineAnswer(code, code == "00", build_tlv({0x91: authentication}) + more)


@dataclass
class Counter:
    """Runs one sale. `replies` gives answers in place of the card's, by the first hexadecimal digits of the command."""

    card: Card | TappedCard
    parameters: TerminalParameters = PARAMETERS
    facts: SaleFacts = FACTS
    replies: Mapping[str, Reply] = field(default_factory=dict)
    pin: PinResult = ENTERED
    choice: int | None = 0
    host: Callable[[Card | TappedCard], OnlineAnswer | NoAnswer] = issuer_answer
    offline_pins: list[str | OfflinePinResult] = field(default_factory=list)
    document: bool = True
    permits: bool = True
    by_radio: bool = False
    steps: list[Step] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def run(self) -> Outcome:
        kind = ContactlessKernel if isinstance(self.card, TappedCard) or self.by_radio else ContactKernel
        kernel = kind(self.parameters, self.facts)
        step = kernel.start()
        while not isinstance(step, Finished):
            self.steps.append(step)
            step = kernel.resume(self.answer(step))
        return step.outcome

    def answer(self, step: Step) -> Answer:
        match step:
            case Transmit(apdu):
                answered = self.transmit(apdu)
                self.answers.append(answered.hex().upper() if isinstance(answered, bytes) else "")
                return answered
            case ChooseApplication():
                return self.choice
            case AskPin():
                return self.pin
            case VerifyOfflinePin():
                return self.verify(step)
            case CheckDocument():
                return DocumentChecked(self.document)
            case CheckCard():
                return CardChecked(self.permits)
            case GoOnline():
                return self.host(self.card)
        raise AssertionError(step)

    def verify(self, step: VerifyOfflinePin) -> OfflinePinResult | CardRemoved:
        """Enter the next PIN: what the shell does with the PIN pad's block."""
        pin = self.offline_pins.pop(0)
        if isinstance(pin, OfflinePinResult):
            return pin
        block = bytearray.fromhex(f"2{len(pin):X}{pin}".ljust(16, "F"))
        answer = self.transmit(bytes(verify_command(step, block, b"\x5a" * padding_bytes(step))))
        if isinstance(answer, CardRemoved):
            return answer
        return OfflinePinResult("presented", int.from_bytes(answer[-2:], "big"))

    def transmit(self, apdu: bytes) -> bytes | CardRemoved:
        command = apdu.hex().upper()
        for start, reply in self.replies.items():
            if command.startswith(start):
                if reply is None:
                    return CardRemoved()
                return bytes.fromhex(reply) if isinstance(reply, str) else reply(apdu)
        try:
            return self.card.process(apdu)
        except (PulledOutError, SilentError):  # for both of which the reader says that the card is gone
            return CardRemoved()

    @property
    def commands(self) -> list[str]:
        return [step.apdu.hex().upper() for step in self.steps if isinstance(step, Transmit)]

    def sent(self) -> dict[int, bytes]:
        """Run the sale; return the data objects of field 55 as they were sent."""
        self.run()
        return parse_tlv(self.online.card.f55)

    def findings(self) -> tuple[Tvr, str]:
        """Run the sale; return the terminal's findings and CVM results as they were sent."""
        sent = self.sent()
        return Tvr.parse(sent[0x95]) & ~BACKGROUND, sent[0x9F34].hex().upper()

    @property
    def online(self) -> GoOnline:
        return next(step for step in self.steps if isinstance(step, GoOnline))
