"""What a chip card answers, for a fuzzer: one answer of a sale is replaced, and the sale ends soon, in a known way.

The first byte says whether the card is inserted or tapped, the second at which command it answers with the rest. Before
and after that it answers as the golden card did.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from simulators.cards import Card, TappedCard
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
    PinResult,
    Step,
    Transmit,
    VerifyOfflinePin,
)
from terminal.emv.card_session import COMMANDS_MAX
from terminal.emv.steps import OutcomeKind, Reason
from tests.terminal.emv.rig import FACTS, GOLDEN, PARAMETERS, Counter

STEPS_MAX = COMMANDS_MAX + 40
EVERY_METHOD = replace(PARAMETERS, capabilities=b"\xe0\xf9\xc8")
KINDS = frozenset(get_args(OutcomeKind))
REASONS = frozenset(reason for part in get_args(Reason) for reason in get_args(part))


@dataclass(frozen=True, slots=True)
class Genuine:
    """A sale as it went with the golden card: commands with their answers, and what the host said."""

    kernel: Callable[[], ContactKernel | ContactlessKernel]
    exchanges: tuple[tuple[str, bytes], ...]
    host: OnlineAnswer


def _genuine(card: Card | TappedCard) -> Genuine:
    sale = Counter(card, EVERY_METHOD)
    sale.run()
    exchanges = zip(sale.commands, map(bytes.fromhex, sale.answers), strict=True)
    made = ContactlessKernel if isinstance(card, TappedCard) else ContactKernel
    return Genuine(
        lambda: made(EVERY_METHOD, FACTS), tuple(exchanges), OnlineAnswer("00", True, bytes.fromhex("910AFF"))
    )


SALES = (_genuine(Card(GOLDEN)), _genuine(TappedCard(GOLDEN)))
SEEDS = [
    bytes((kind, at)) + answer for kind, sale in enumerate(SALES) for at, (_, answer) in enumerate(sale.exchanges)
]  # fmt: skip


def run(data: bytes) -> None:
    """Return if all is well with some bytes, raise if not."""
    if len(data) < 2:
        return
    sale = SALES[data[0] % len(SALES)]
    known = defaultdict[str, list[bytes]](list)
    for command, answer in sale.exchanges:
        known[command].append(answer)
    replaced, sent, steps = data[1] % len(sale.exchanges), 0, 0
    kernel = sale.kernel()
    step = kernel.start()
    while not isinstance(step, Finished):
        steps += 1
        assert steps <= STEPS_MAX, "the sale does not end"
        if isinstance(step, Transmit) and sent == replaced:
            reply: Answer = data[2:]
        else:
            reply = _answer(step, sale, known)
        sent += isinstance(step, Transmit)
        step = kernel.resume(reply)
    outcome = step.outcome
    assert outcome.kind in KINDS
    assert outcome.reason in REASONS
    assert len(outcome.f55) <= 255


def swollen(size: int) -> list[bytes]:
    """Inputs of about so many bytes that take it long."""
    fillers = (b"\0", b"\x70", b"\x70\x02\x5a\0", b"\x9f")
    return [bytes((0, at)) + filler * (size // len(filler)) for at in (0, 1, 5) for filler in fillers]


def _answer(step: Step, sale: Genuine, known: dict[str, list[bytes]]) -> Answer:
    match step:
        case Transmit(apdu):
            answers = known.get(apdu.hex().upper(), [b"\x6a\x82"])
            return answers.pop(0) if len(answers) > 1 else answers[0]
        case ChooseApplication():
            return 0
        case AskPin():
            return PinResult("entered", bytes(8))
        case VerifyOfflinePin():
            return OfflinePinResult("presented", 0x63C2)
        case CheckDocument():
            return DocumentChecked(False)
        case GoOnline():
            return sale.host
    return CardRemoved()
