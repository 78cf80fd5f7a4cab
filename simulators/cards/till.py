"""A till in plain calls: the real kernel sells to a card or to a trace, and the issuer approves with a good ARPC.

Date, time and unpredictable number are always the same, so that a sale can be replayed byte for byte.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from iso8583.emv_crypto import arpc, card_key, session_key
from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards.personalisation import Personalisation
from simulators.cards.trace import NO_ANSWER, AnsweringCard, RecordedCard, ReplayedCard, Trace
from terminal.emv import (
    Answer,
    AskPin,
    CardRemoved,
    CheckDocument,
    ChooseApplication,
    ContactKernel,
    ContactlessKernel,
    DocumentChecked,
    Finished,
    GoOnline,
    OfflinePinResult,
    OnlineAnswer,
    Outcome,
    PinResult,
    SaleFacts,
    Step,
    TerminalParameters,
    Transmit,
)
from terminal.emv.ca_keys import CaKey

FACTS = SaleFacts(
    amount=1234, date="260115", time="103045", sequence=3, unpredictable_number=bytes.fromhex("1A2B3C4D"),
    random_percent=50,
)  # fmt: skip


def sell(card: AnsweringCard, issuer: Personalisation, trace: Trace, ca_keys: Iterable[CaKey] = ()) -> Outcome:
    """Sell to a card and write it down in `trace`, whose interface it takes. `issuer`: whose key makes the ARPC."""

    def approve(f55: bytes) -> bytes:
        sent = parse_tlv(f55)
        key = session_key(card_key(issuer.issuer_key, issuer.pan, issuer.sequence), sent[0x9F36])
        trace.host_answer = build_tlv({0x91: arpc(key, sent[0x9F26], b"00") + b"00"})
        return trace.host_answer

    return _Till(RecordedCard(card, trace), approve).run(trace, ca_keys)


def replay(trace: Trace, ca_keys: Iterable[CaKey] = ()) -> Outcome:
    """Sell to a trace. Raises `trace.TraceError` when the terminal says other than it did when it was recorded."""
    return _Till(ReplayedCard(trace), lambda _f55: trace.host_answer).run(trace, ca_keys)


@dataclass(frozen=True, slots=True)
class _Till:
    """Answers the kernel's steps. `host` makes field 55 of the answer from that of the request."""

    card: AnsweringCard
    host: Callable[[bytes], bytes]

    def run(self, trace: Trace, ca_keys: Iterable[CaKey]) -> Outcome:
        parameters = TerminalParameters(
            merchant_name="TEST MERCHANT", merchant_id="123456789012345", terminal_id="12345678",
            ifd_serial="SN000001", ca_keys=tuple(ca_keys),
        )  # fmt: skip
        kernel = (ContactlessKernel if trace.interface == "contactless" else ContactKernel)(parameters, FACTS)
        step = kernel.start()
        while not isinstance(step, Finished):
            step = kernel.resume(self._answer(step))
        return step.outcome

    def _answer(self, step: Step) -> Answer:
        match step:
            case Transmit(apdu):
                try:
                    return self.card.process(apdu)
                except NO_ANSWER:
                    return CardRemoved()
            case GoOnline(data):
                return OnlineAnswer("00", True, self.host(data.f55) or None)
            case AskPin():
                return PinResult("entered", bytes(8))
            case CheckDocument():
                return DocumentChecked(True)
            case ChooseApplication():
                return 0
        return OfflinePinResult("no_pin_pad")
