"""The EMV kernel's own time: a whole sale with a card whose answers are known, so that neither card nor host is timed.

The golden card is asked once for real; the sale is then gone through again and again with the answers it gave. Contact:
15 commands, the chain of certificates, and two signed cryptograms (CDA). Tapped: one decision, seven records, fDDA.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from iso8583.emv_crypto import arpc, card_key, session_key
from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import CA_KEYS_FILE, Card, Personalisation, TappedCard, load_card
from terminal.emv import (
    Answer,
    AskPin,
    ContactKernel,
    ContactlessKernel,
    Finished,
    GoOnline,
    OnlineAnswer,
    PinResult,
    SaleFacts,
    Step,
    TerminalParameters,
    Transmit,
)
from terminal.emv.ca_keys import parse_ca_keys

PARAMETERS = TerminalParameters(
    merchant_name="TEST MERCHANT", merchant_id="123456789012345", terminal_id="12345678", ifd_serial="SN000001",
    ca_keys=parse_ca_keys(CA_KEYS_FILE.read_text("utf-8")),
)  # fmt: skip
FACTS = SaleFacts(
    amount=1234, date="260115", time="103045", sequence=3, unpredictable_number=bytes.fromhex("1A2B3C4D"),
    random_percent=50,
)  # fmt: skip
Kernel = Callable[[], ContactKernel | ContactlessKernel]


@dataclass(frozen=True, slots=True)
class Script:
    """A sale that is known: the kernel it is for, and the answers to its steps in their order."""

    kernel: Kernel
    answers: tuple[Answer, ...]

    def run(self) -> str:
        """Go through the sale; return how it ended."""
        kernel = self.kernel()
        step = kernel.start()
        for answer in self.answers:
            step = kernel.resume(answer)
        assert isinstance(step, Finished), "the answers lead to the end"
        return step.outcome.reason

    def times_s(self, rounds: int) -> list[float]:
        """How long each of so many sales took, in seconds."""
        taken: list[float] = []
        for _ in range(rounds):
            began = time.perf_counter()
            self.run()
            taken.append(time.perf_counter() - began)
        return taken


def contact_sale_with_cda() -> Script:
    """The golden card in the slot, online PIN, approved by its issuer."""
    return _recorded(lambda: ContactKernel(PARAMETERS, FACTS), Card(load_card("golden")))


def tapped_sale_with_fdda() -> Script:
    """The golden card in the field, approving by itself."""
    return _recorded(lambda: ContactlessKernel(PARAMETERS, FACTS), TappedCard(load_card("golden")))


def _recorded(kernel: Kernel, card: Card | TappedCard) -> Script:
    running, answers = kernel(), list[Answer]()
    step = running.start()
    while not isinstance(step, Finished):
        answers.append(_answer(step, card))
        step = running.resume(answers[-1])
    return Script(kernel, tuple(answers))


def _answer(step: Step, card: Card | TappedCard) -> Answer:
    match step:
        case Transmit(apdu):
            return card.process(apdu)
        case AskPin():
            return PinResult("entered", bytes(8))
        case GoOnline(data):
            return _approval(data.f55, card.personalisation)
    raise AssertionError(step)


def _approval(f55: bytes, card: Personalisation) -> OnlineAnswer:
    sent = parse_tlv(f55)
    key = session_key(card_key(card.issuer_key, card.pan, card.sequence), sent[0x9F36])
    return OnlineAnswer("00", True, build_tlv({0x91: arpc(key, sent[0x9F26], b"00") + b"00"}))
