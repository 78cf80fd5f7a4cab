"""A sale by the magnetic stripe in the cores: worded as the golden one, final with the answer, reversed chipless."""

from dataclasses import replace

import pytest

from iso8583.security import encrypt_track2
from iso8583.transactions import missing_fields, type_of
from iso8583.unionpay import Block60
from terminal.effects import CompleteCard, Persist, Print, ReleaseMeans
from terminal.events import BalanceRequested, CardPresented, SaleRequested, SwipeRefused, VoidRequested
from terminal.records import Sent
from terminal.transitions import State
from tests.iso8583.vectors import GOLDEN, KEYS
from tests.terminal.rig import PROFILE, STRIPE, Till, answer, from_host, ready_till

TRACK3 = "996299990000000009D156156000"
NO_PIN = replace(STRIPE, entry_mode="022", pin_block=None, signature=True)


def with_devices(**devices: object) -> Till:
    return Till(profile=PROFILE.model_copy(update={"devices": PROFILE.devices.model_copy(update=devices)})).sign_on()


def approved(till: Till, means: CardPresented = STRIPE) -> None:
    till.on(from_host(answer(till.sell(1234, means), f38="A1B2C3")))


def test_it_is_worded_as_the_golden_one() -> None:
    golden = GOLDEN["sale"]
    request = ready_till().sell(1234, STRIPE)
    ours = {11, 35, 53, 60, 64}  # our trace and batch; tracks and MAC are for the vault
    assert {n: v for n, v in request.items() if n not in ours} == {
        n: v for n, v in golden.fields.items() if n not in ours
    }
    assert encrypt_track2(KEYS["TDK"], request.text(35)) == golden.fields[35]
    assert request[53] == "2600000000000000"
    kind = type_of(request)
    assert kind is not None and not missing_fields(request.with_({64: bytes(8)}), kind)


@pytest.mark.parametrize(
    ("means", "there", "away"),
    [
        (STRIPE, {26, 35, 52, 53}, {23, 36, 55}),
        (NO_PIN, {35, 53}, {23, 26, 36, 52, 55}),
        (replace(STRIPE, track3=TRACK3), {26, 35, 36, 52, 53}, {23, 55}),
    ],
)
def test_its_fields(means: CardPresented, there: set[int], away: set[int]) -> None:
    present = set(ready_till().sell(1234, means).fields)
    assert there <= present and not away & present


@pytest.mark.parametrize(("chip_failed", "condition"), [(False, "0"), (True, "2")])
def test_a_stripe_that_stands_in_for_a_chip_is_told_by_field_60(chip_failed: bool, condition: str) -> None:
    till = ready_till()
    request = till.sell(1234, replace(STRIPE, chip_failed=chip_failed))
    block = Block60.parse(request.text(60))
    assert (block.reader_capability, block.chip_condition) == ("5", condition)
    till.wait(31)
    assert till.sent().text(60) == request.text(60)


def test_a_terminal_that_reads_no_chips_says_so() -> None:
    till = with_devices(stripe_reader_path="/dev/ttyUSB0")
    assert Block60.parse(till.sell(1234, STRIPE).text(60)).reader_capability == "2"
    both = with_devices(stripe_reader_path="/dev/ttyUSB0", card_reader_port=35963)
    assert Block60.parse(both.sell(1234, STRIPE).text(60)).reader_capability == "5"
    taps = with_devices(stripe_reader_path="/dev/ttyUSB0", card_reader_port=35963, contactless_reader_port=35964)
    assert Block60.parse(taps.sell(1234, STRIPE).text(60)).reader_capability == "6"


def test_it_is_approved_with_the_answer_for_there_is_no_chip_to_agree() -> None:
    till = ready_till()
    effects = till.on(from_host(answer(till.sell(1234, STRIPE))))
    assert [type(effect) for effect in effects] == [Persist, ReleaseMeans, Print]
    assert the_state(till) is State.APPROVED


def test_a_refusal_ends_it() -> None:
    till = ready_till()
    effects = till.on(from_host(answer(till.sell(1234, STRIPE), "55")))
    assert [type(effect) for effect in effects] == [Persist, CompleteCard, ReleaseMeans]
    assert the_state(till) is State.DECLINED


def test_its_reversal_knows_neither_card_nor_chip() -> None:
    till = ready_till()
    request = till.sell(1234, replace(STRIPE, track3=TRACK3))
    till.wait(31)
    reversal, golden = till.sent(), GOLDEN["reversal"].fields
    assert set(reversal.fields) == set(golden) - {14, 64}  # an expiry is not kept, the vault adds the MAC
    assert all(reversal[number] == request[number] for number in (3, 4, 11, 22, 25, 41, 42, 49, 60))
    assert reversal[39] == "98"


def test_nothing_of_it_is_written_down() -> None:
    till = ready_till()
    till.sell(1234, replace(STRIPE, track3=TRACK3))
    (sent,) = till.persisted()
    assert isinstance(sent, Sent) and sent.entry_mode == "021"
    written = str(till.records)
    assert not any(secret in written for secret in (STRIPE.pan, STRIPE.track2[16:], TRACK3[18:], "3012201"))
    assert STRIPE.pin_block is not None and STRIPE.pin_block.hex() not in written.lower()
    assert STRIPE.track2 not in repr(STRIPE) and TRACK3 not in repr(replace(STRIPE, track3=TRACK3))


def test_it_is_voided_without_the_card_as_any_other() -> None:
    till = ready_till()
    approved(till)
    sale = list(till.counter.book.payments.values())[-1]
    till.on(VoidRequested("v", sale.key, "01", "00"))
    void = till.sent()
    assert (void[22], void[60][12]) == ("012", "0")
    assert not {35, 36, 52, 55} & set(void.fields)


def test_it_must_sign_who_had_no_pin() -> None:
    till = ready_till()
    approved(till, NO_PIN)
    assert list(till.counter.book.payments.values())[-1].signature


def test_a_balance_is_asked_for_with_a_stripe_too() -> None:
    till = ready_till()
    till.on(BalanceRequested("b", "01"))
    till.on(STRIPE)
    assert (till.sent()[3], till.sent()[22]) == ("310000", "021")
    till.on(from_host(answer(till.sent())))
    assert the_state(till) is State.APPROVED


def test_a_swipe_that_is_not_taken_is_said_and_the_payment_goes_on() -> None:
    till = ready_till()
    assert till.on(SwipeRefused("swipe_unreadable")) == []
    assert till.counter.notice is None
    till.on(SaleRequested("a", 1234, "01"))
    assert till.on(SwipeRefused("swipe_unreadable")) == []
    assert till.said() == "swipe_unreadable" and till.counter.busy
    till.on(STRIPE)
    assert till.counter.notice is None


def the_state(till: Till) -> State:
    return list(till.counter.book.payments.values())[-1].state
