"""Whatever a card answers, the sale ends, soon, in one of the known ways, and nothing is thrown."""

from dataclasses import replace
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.cards import Card, Personalisation, TappedCard
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
    Step,
    Transmit,
    VerifyOfflinePin,
)
from terminal.emv.card_session import COMMANDS_MAX
from terminal.emv.steps import OutcomeKind, Reason
from tests.terminal.emv.rig import FACTS, GOLDEN, GOOD, PARAMETERS, Counter, issuer_answer

STEPS_MAX = COMMANDS_MAX + 40
ALL_METHODS = replace(PARAMETERS, capabilities=b"\xe0\xf9\xc8", checks_cards=True)
TAPPED = replace(GOLDEN, counter=7)
STATUSES = [b"\x90\x00", b"\x61\x10", b"\x6c\x08", b"\x69\x85", b"\x6a\x82", b"\x6a\x83", b"\x62\x83", b"\x63\xc0"]
HOSTS = st.one_of(
    st.just(NoAnswer()),
    st.builds(OnlineAnswer, st.sampled_from(["00", "51"]), st.booleans(), st.none() | st.binary(max_size=60)),
)
PINS = st.sampled_from([PinResult("entered", bytes(8)), PinResult("bypassed"), PinResult("cancelled")])


OFFLINE_PINS = st.one_of(
    st.just(CardRemoved()), st.just(OfflinePinResult("bypassed")), st.just(OfflinePinResult("cancelled")),
    st.builds(OfflinePinResult, st.just("presented"), st.sampled_from([0x9000, 0x63C2, 0x63C0, 0x6983, 0x6F00])),
)  # fmt: skip


def tlv(tags: list[bytes], children: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda tag, value: tag + bytes((len(value),)) + value, st.sampled_from(tags), children)


PRIMITIVE = tlv(
    [b"\x4f", b"\x50", b"\x57", b"\x5a", b"\x82", b"\x84", b"\x87", b"\x88", b"\x8c", b"\x8d", b"\x8e", b"\x94",
     b"\x9f\x26", b"\x9f\x27", b"\x9f\x36", b"\x9f\x10", b"\x9f\x38", b"\x5f\x24", b"\x9f\x07", b"\x9f\x0e",
     b"\x8f", b"\x90", b"\x93", b"\x9f\x32", b"\x9f\x46", b"\x9f\x47", b"\x9f\x49", b"\x9f\x4b", b"\x9f\x6c"],
    st.binary(max_size=20),
)  # fmt: skip
OBJECTS = st.lists(PRIMITIVE, max_size=5).map(b"".join)
TEMPLATES = tlv([b"\x6f", b"\x70", b"\x77", b"\x80", b"\x61", b"\xa5"], OBJECTS)
ANSWERS = st.one_of(
    st.binary(max_size=40),
    st.builds(bytes.__add__, st.one_of(TEMPLATES, st.binary(max_size=20)), st.sampled_from(STATUSES)),
)


def check(outcome: Outcome) -> None:
    reasons = {value for part in get_args(Reason) for value in get_args(part)}
    assert outcome.kind in get_args(OutcomeKind)
    assert outcome.reason in reasons
    assert len(outcome.f55) <= 255
    assert outcome.card is None or len(outcome.card.f55) <= 255


def drive(data: st.DataObject, transmit: st.SearchStrategy[Answer] | Counter) -> tuple[Outcome, list[Step]]:
    tapped = isinstance(transmit, Counter) and isinstance(transmit.card, TappedCard)
    kernel = (ContactlessKernel if tapped or data.draw(st.booleans()) else ContactKernel)(ALL_METHODS, FACTS)
    step, steps = kernel.start(), list[Step]()
    while not isinstance(step, Finished):
        steps.append(step)
        assert len(steps) <= STEPS_MAX
        match step:
            case Transmit(apdu):
                answer = transmit.transmit(apdu) if isinstance(transmit, Counter) else data.draw(transmit)
            case ChooseApplication(candidates):
                answer = data.draw(st.none() | st.integers(0, len(candidates) - 1))
            case AskPin():
                answer = data.draw(PINS)
            case VerifyOfflinePin():
                answer = data.draw(OFFLINE_PINS)
            case CheckDocument():
                answer = DocumentChecked(data.draw(st.booleans()))
            case CheckCard():
                answer = CardChecked(data.draw(st.booleans()))
            case GoOnline():
                answer = data.draw(HOSTS)
        step = kernel.resume(answer)
    return step.outcome, steps


@given(st.data())
@settings(max_examples=150)
def test_random_answers(data: st.DataObject) -> None:
    outcome, _ = drive(data, st.one_of(ANSWERS, st.just(CardRemoved())))
    check(outcome)


class Spoiled(Counter):
    """A good card, of whose answers some are changed: by number, to (position, byte), or to another answer."""

    def spoil(self, changes: dict[int, tuple[int, int] | bytes]) -> "Spoiled":
        self.changes, self.count = changes, 0
        return self

    def transmit(self, apdu: bytes) -> bytes | CardRemoved:
        answer = super().transmit(apdu)
        change = self.changes.get(self.count)
        self.count += 1
        if change is None or isinstance(answer, CardRemoved):
            return answer
        if isinstance(change, bytes):
            return change
        at, value = change
        return answer[: at % len(answer)] + bytes((value,)) + answer[at % len(answer) + 1 :]


CHANGES = st.dictionaries(
    st.integers(0, 16),
    st.one_of(st.tuples(st.integers(0, 200), st.integers(0, 255)), ANSWERS),
    min_size=1,
    max_size=4,
)


@given(st.data(), CHANGES)
@settings(max_examples=150)
def test_good_tap_with_spoiled_answers(data: st.DataObject, changes: dict[int, tuple[int, int] | bytes]) -> None:
    outcome, _ = drive(data, Spoiled(TappedCard(TAPPED)).spoil(changes))
    check(outcome)
    assert outcome.kind != "use_stripe"


@given(st.data(), st.sampled_from([GOOD, GOLDEN]), CHANGES)
@settings(max_examples=300)
def test_good_card_with_spoiled_answers(
    data: st.DataObject, card: Personalisation, changes: dict[int, tuple[int, int] | bytes]
) -> None:
    outcome, _ = drive(data, Spoiled(Card(card)).spoil(changes))
    check(outcome)


@given(st.data(), st.binary(max_size=120) | OBJECTS.map(lambda objects: b"\x72" + bytes((len(objects),)) + objects))
@settings(max_examples=100)
def test_random_words_of_the_issuer_cannot_undo_the_end(data: st.DataObject, more: bytes) -> None:
    sale = Counter(Card(GOOD), host=lambda card: issuer_answer(card, more=more))
    outcome = sale.run()
    check(outcome)
    assert outcome.kind in ("approved", "reverse")
