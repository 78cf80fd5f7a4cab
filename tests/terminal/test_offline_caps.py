"""How much may be sold while no host can be reached: each cap by a row, and what it does at the counter."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from firmware_config.profile import Offline, SchemeCaps, Schemes
from simulators.memory_journal import MemoryJournal
from terminal import offline_caps
from terminal.book import Book, Payment
from terminal.card_counts import CardCounts
from terminal.effects import Print, Send
from terminal.events import (
    CardCounted,
    CardPresented,
    DownloadsLoaded,
    LinkLost,
    MeansFailed,
    RoomMeasured,
    SaleRequested,
)
from terminal.journal import Journal
from terminal.offline_caps import OfflineCard, in_force, lists_are_too_old, scheme_of
from terminal.records import ApprovedOffline, Key, from_entry, to_entry
from terminal.sums import HOUR_S, SLICE_S
from terminal.transitions import State
from tests.terminal.rig import OFFLINE_CARD, Till, answer, from_host
from tests.terminal.test_offline import back_online, charge, cut_off, newest, sell
from tests.terminal.test_parked import OFFLINE, SMALL, Host
from tests.terminal.test_parked import back_online as back_to_the_bank

NOW = 1_700_000_000.0
CAPS = Offline(
    sale_amount_max=5_000, total_amount_max=20_000, count_max=6, age_max_s=86_400, card_amount_max=8_000,
    card_count_max=3, operator_amount_max=12_000, hour_amount_max=10_000,
    schemes=Schemes(visa=SchemeCaps(sale_amount_max=2_000, total_amount_max=3_000, count_max=2)),
)  # fmt: skip
MINE, OTHER = OfflineCard("a" * 32, "unionpay"), OfflineCard("b" * 32, "unionpay")
VISA = OfflineCard("c" * 32, "visa")
DAY_S = 86_400


def owed(*sales: tuple[int, float], operator: str = "01", card: OfflineCard = MINE) -> list[Payment]:
    """Sales that the bank has not answered: amounts, and how many seconds ago."""
    return [
        Payment(
            Key("12345678", "000007", f"{number:06d}"), "offline_sale", amount, "156", operator, NOW - ago, f"{number}",
            state=State.ADVICE_DUE, card_token=card.token, scheme=card.scheme, owed_since=NOW - ago,
        )
        for number, (amount, ago) in enumerate(sales)
    ]  # fmt: skip


def refusal(amount: int, operator: str, sales: list[Payment], caps: Offline = CAPS) -> str:
    """What is said of an amount at a counter that has sold this."""
    book = Book()
    book.payments = {replace(sale.key, trace=f"{number:06d}"): sale for number, sale in enumerate(sales)}
    return offline_caps.refusal_of_sale(amount, operator, book, caps, NOW)


# --- before the card is read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "sales", "reason"),
    [
        (0, (), "amount_zero"),
        (5_000, (), ""),
        (5_001, (), "offline_amount"),
        (1, ((100, 9_999),) * 5, ""),
        (1, ((100, 9_999),) * 6, "offline_count"),
        (1, ((100, DAY_S - 1),), ""),
        (1, ((100, DAY_S),), "offline_age"),
        (2_000, ((4_000, 9_000), (4_000, 4_000)), ""),
        (5_000, ((5_000, 3_599),), ""),
        (5_000, ((5_000, 3_599), (1, 10)), "offline_hour"),
        (5_000, ((5_000, 3_600), (5_000, 10)), "offline_operator"),
        (2_001, ((5_000, 9_000), (5_000, 9_000)), "offline_operator"),
        (2_000, ((5_000, 9_000), (5_000, 9_000)), ""),
    ],
)
def test_each_cap_that_is_known_before_the_card_is_read(amount, sales, reason):
    assert refusal(amount, "01", owed(*sales)) == reason


def test_the_total_counts_for_all_operators_and_an_operators_cap_for_one():
    sold = owed((5_000, 9_000), (5_000, 9_000)) + owed((5_000, 9_000), operator="02")
    assert refusal(2_001, "01", sold) == "offline_operator"
    assert refusal(5_000, "02", sold) == ""
    assert refusal(5_000, "02", [*sold, *owed((1, 9_000))]) == "offline_total"


def test_what_no_card_may_take_is_refused_before_one_is_read():
    caps = CAPS.model_copy(update={"card_amount_max": 3_000})
    assert refusal(3_001, "01", [], caps) == "offline_amount"


def test_without_a_cap_of_its_own_an_operator_or_an_hour_is_bounded_by_the_total():
    caps = CAPS.model_copy(update={"operator_amount_max": None, "hour_amount_max": None})
    assert refusal(5_000, "01", owed(*((5_000, 1.0),) * 3), caps) == ""
    assert refusal(5_000, "01", owed(*((5_000, 1.0),) * 3, (1, 1.0)), caps) == "offline_total"


# --- when the chip has been read --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "card", "sales", "reason"),
    [
        (5_000, MINE, owed((3_000, 1)), ""),
        (5_000, MINE, owed((3_001, 1)), "offline_card_used_1_3001"),
        (5_000, OTHER, owed((3_001, 1)), ""),
        (1, MINE, owed((100, 1), (200, 1)), ""),
        (1, MINE, owed((100, 1), (200, 1), (300, 1)), "offline_card_used_3_600"),
        (2_000, VISA, [], ""),
        (2_001, VISA, [], "offline_scheme_amount"),
        (1, VISA, owed((1, 1), card=VISA) + owed((1, 1), card=replace(VISA, token="d")), "offline_scheme_spent"),
        (1_001, VISA, owed((2_000, 1), card=replace(VISA, token="d")), "offline_scheme_spent"),
        (1_000, VISA, owed((2_000, 1), card=replace(VISA, token="d")), ""),
        (2_001, replace(VISA, scheme="other"), owed((2_000, 1), card=VISA), ""),
    ],
)
def test_each_cap_of_a_card_and_of_its_scheme(amount, card, sales, reason):
    assert offline_caps.refusal_of_card(amount, card, sales, CAPS) == reason


def test_a_scheme_with_a_cap_of_zero_is_not_taken_at_all():
    caps = CAPS.model_copy(update={"schemes": Schemes(other=SchemeCaps(sale_amount_max=0))})
    assert offline_caps.refusal_of_card(1, OfflineCard("a", "other"), [], caps) == "offline_scheme_amount"


@pytest.mark.parametrize(
    ("aid", "scheme"),
    [
        ("A000000333010102", "unionpay"), ("a0000000031010", "visa"), ("A0000000041010", "mastercard"),
        ("A00000002501", "amex"), ("A0000000651010", "jcb"), ("A0000001523010", "discover"), ("D276000025", "other"),
    ],
)  # fmt: skip
def test_a_chip_is_of_the_scheme_that_has_registered_its_application(aid, scheme):
    assert scheme_of(aid) == scheme and scheme in Schemes.model_fields


def test_a_refusal_tells_what_the_card_has_taken():
    assert offline_caps.card_used("offline_card_used_3_4500") == (3, 4500)
    assert offline_caps.card_used("offline_scheme_spent") is offline_caps.card_used("offline_card_used") is None


# --- the age of the lists ---------------------------------------------------------------------------------------------

LISTED = CAPS.model_copy(update={"lists_age_max_s": DAY_S})


@pytest.mark.parametrize(
    ("age_s", "sale_max", "too_old"),
    [(0, 5_000, False), (DAY_S - 1, 5_000, False), (DAY_S, 2_500, False), (2 * DAY_S - 1, 2_500, False),
     (2 * DAY_S, 2_500, True), (-DAY_S, 5_000, False), (None, 2_500, True)],
)  # fmt: skip
def test_old_lists_halve_the_caps_and_at_twice_their_age_nothing_is_sold(age_s, sale_max, too_old):
    lists_at = None if age_s is None else NOW - age_s
    assert in_force(LISTED, lists_at, NOW).sale_amount_max == sale_max
    assert lists_are_too_old(LISTED, lists_at, NOW) is too_old


def test_half_is_half_of_every_amount_and_count_and_of_no_time():
    half = in_force(LISTED, NOW - DAY_S, NOW)
    assert half.model_dump(exclude={"schemes"}) == {
        "sale_amount_max": 2_500, "total_amount_max": 10_000, "count_max": 3, "age_max_s": DAY_S,
        "card_amount_max": 4_000, "card_count_max": 2, "operator_amount_max": 6_000, "hour_amount_max": 5_000,
        "lists_age_max_s": DAY_S,
    }  # fmt: skip
    assert half.schemes.visa == SchemeCaps(sale_amount_max=1_000, total_amount_max=1_500, count_max=1)
    assert half.schemes.unionpay == SchemeCaps()


def test_without_a_limit_to_their_age_lists_may_be_of_any_age():
    assert in_force(CAPS, None, NOW) is CAPS and not lists_are_too_old(CAPS, None, NOW)


# --- at the counter ---------------------------------------------------------------------------------------------------

ANOTHER_CARD = replace(OFFLINE_CARD, token="b" * 32)
ONCE = CAPS.model_copy(update={"card_count_max": 1})


def offered(till: Till, card: CardPresented = OFFLINE_CARD) -> str:
    """Charge, and say why the card that comes may not pay; the shell asks that before the chip approves."""
    charge(till, 100)
    return till.counter.refusal_of_offline_card(OfflineCard(card.token, card.scheme))


def test_a_card_that_was_sold_to_is_refused_until_the_bank_has_answered():
    till = cut_off(ONCE)
    sell(till, 100)
    assert offered(till) == "offline_card_used_1_100"
    till.on(MeansFailed("offline_card_used_1_100"))
    assert (newest(till).state, newest(till).reason) == (State.CANCELLED, "offline_card_used_1_100")
    assert not offered(till, ANOTHER_CARD)


def test_what_a_card_has_taken_is_remembered_over_a_restart():
    till = cut_off(ONCE)
    sell(till, 100)
    assert offered(till.restart()) == "offline_card_used_1_100"


def test_what_the_bank_has_answered_no_longer_counts_for_the_card():
    till = cut_off(ONCE)
    sell(till, 100)
    (advice,) = back_online(till)
    till.on(from_host(answer(advice)))
    charge(till)
    assert newest(till).type == "sale", "and the line is back"
    assert offline_caps.refusal_of_card(1, MINE, till.counter.book.owed_at_hand(), ONCE) == ""


def test_what_a_chip_approved_beyond_its_caps_is_not_sold_all_the_same():
    till = cut_off(ONCE)
    sell(till, 100)
    charge(till, 100)
    effects = till.on(OFFLINE_CARD)
    assert newest(till).state is State.CANCELLED and newest(till).reason == "offline_card_used_1_100"
    assert not [effect for effect in effects if isinstance(effect, Print | Send)]


def test_nobody_is_let_pay_when_nothing_is_being_sold_offline():
    till = cut_off()
    assert till.counter.refusal_of_offline_card(MINE) == "cancelled"


def test_the_record_names_the_card_by_its_token_and_is_read_from_journals_without_one():
    till = cut_off()
    charge(till)
    till.on(OFFLINE_CARD)
    (record,) = (record for record in till.persisted() if isinstance(record, ApprovedOffline))
    assert (record.card_token, record.scheme) == (OFFLINE_CARD.token, "unionpay")
    name, entry = to_entry(record)
    del entry["card_token"], entry["scheme"]
    assert from_entry(name, entry) == replace(record, card_token="", scheme="")


def test_an_operators_cap_binds_the_operator_who_is_logged_on():
    till = cut_off(CAPS.model_copy(update={"operator_amount_max": 3_000}))
    sell(till, 2_500)
    charge(till, 501)
    assert till.said() == "offline_operator" and not till.counter.busy
    till.on(SaleRequested("another", 501, "02", offline=True))
    assert till.counter.busy


def test_lists_that_are_too_old_stop_sales_before_the_card_is_read():
    till = cut_off(LISTED)
    charge(till, 100)
    assert till.said() == "offline_lists" and not till.counter.busy
    till.on(DownloadsLoaded(at={"black_list": till.now, "ca_keys": till.now}))
    sell(till, 3_000)
    till.wait(DAY_S)
    charge(till, 3_000)
    assert till.said() == "offline_amount", "half"


# --- what lies in batches that are parked and not loaded --------------------------------------------------------------


def parked_under(**caps: object) -> Till:
    """Five sales to one card over 100 to 104, two in a batch: the first batch is loaded, the second is in no memory."""
    offline = OFFLINE.model_copy(update=caps)
    till = Till(profile=SMALL.model_copy(update={"offline": offline})).sign_on()
    till.on(LinkLost())
    for number in range(5):
        till.on(SaleRequested(f"parked-{number}", 100 + number, "01", offline=True))
        till.on(OFFLINE_CARD)
        till.print_slips()
    assert till.counter.book.draining is not None and len(till.counter.book.owed_at_hand()) == 3
    return till


@pytest.mark.parametrize(
    ("caps", "reason"), [({"operator_amount_max": 510}, "offline_operator"), ({"hour_amount_max": 510}, "offline_hour")]
)
def test_caps_of_operator_and_hour_hold_over_all_batches_and_a_restart(caps, reason):
    till = parked_under(**caps)
    for each in (till, till.restart()):
        each.on(RoomMeasured(free_bytes=10**9, writable=True))
        each.on(SaleRequested("one more", 1, "01", offline=True))
        assert each.said() == reason and not each.counter.busy


def test_what_was_sold_more_than_an_hour_ago_no_longer_counts_for_the_hour_wherever_it_lies():
    till = parked_under(hour_amount_max=510)
    till.wait(HOUR_S + SLICE_S)
    till.on(SaleRequested("one more", 1, "01", offline=True))
    assert till.counter.busy


@pytest.mark.parametrize("caps", [SchemeCaps(count_max=5), SchemeCaps(total_amount_max=510)])
def test_caps_of_a_scheme_hold_over_all_batches(caps):
    till = parked_under(schemes=Schemes(unionpay=caps))
    assert offered(till, ANOTHER_CARD) == "offline_scheme_spent"


@pytest.mark.parametrize("caps", [{"card_count_max": 5}, {"card_amount_max": 510}])
def test_what_one_card_may_take_holds_over_all_batches_and_a_restart(caps):
    till = parked_under(**caps)
    for each in (till, till.restart()):
        charge(each, 1)
        mine, other = (OfflineCard(card.token, card.scheme) for card in (OFFLINE_CARD, ANOTHER_CARD))
        assert each.counts.refusal_of(mine, each.counter) == "offline_card_used_5_510"
        assert each.counts.refusal_of(other, each.counter) == ""
        each.on(OFFLINE_CARD)
        assert newest(each).reason == "offline_card_used_5_510", "nor is it sold what a chip approved all the same"


def test_what_the_bank_has_answered_of_parked_batches_no_longer_counts_for_a_card():
    till = parked_under(card_count_max=5)
    back_to_the_bank(till, Host())
    till.on(LinkLost())
    charge(till, 100)
    till.on(OFFLINE_CARD)
    assert newest(till).state is State.ADVICE_DUE


def test_a_journal_finds_what_a_card_has_taken_by_an_index_newest_first(tmp_path):
    till, asked = parked_under(), list[str]()
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.append(*till.records)
        journal._db.set_trace_callback(asked.append)
        found = list(journal.sold_offline_to(OFFLINE_CARD.token))
        journal._db.set_trace_callback(None)
        plans = [row[3] for sql in asked for row in journal._db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert [payment.amount for payment in found] == [104, 103, 102, 101, 100]
    assert found == list(MemoryJournal(till.records).sold_offline_to(OFFLINE_CARD.token))
    assert plans and not [step for step in plans if "SCAN" in step]


def test_what_was_counted_of_a_card_is_not_read_again():
    till, read = parked_under(card_count_max=100), list[int]()
    journal = MemoryJournal(till.records)

    class Counting:
        def sold_offline_to(self, token: str) -> Iterator[Payment]:
            for payment in journal.sold_offline_to(token):
                read.append(payment.amount)
                yield payment

    counts, charged = CardCounts(Counting()), OfflineCard(OFFLINE_CARD.token, OFFLINE_CARD.scheme)
    charge(till, 1)
    for _ in range(2):
        assert counts.refusal_of(charged, till.counter) == ""
        assert till.counter.refusals.counted == CardCounted(OFFLINE_CARD.token, 2, 205)
    assert read == [104, 103, 102, 101, 100, 104, 103]
