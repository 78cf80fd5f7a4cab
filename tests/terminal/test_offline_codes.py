"""Selling by a signed code while no host can be asked: what is verified here is owed to the host until it answers."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from firmware_config.profile import Limits, Offline, SchemeCaps, Schemes
from iso8583.unionpay import Data59
from paycode.lists import CompactList, publish
from paycode.signed import Memory
from simulators.signed_phones import CodeIssuer, SignedPhone
from terminal.effects import Persist, Print
from terminal.events import (
    CancelRequested,
    CodePresented,
    CodesSeen,
    CodeTrustLoaded,
    Event,
    LinkLost,
    Original,
    RefundRequested,
    SaleRequested,
    VoidRequested,
)  # fmt: skip
from terminal.journal import Journal
from terminal.offline_codes import ELSEWHERE_MAX, fingerprint
from terminal.printing import slip_of
from terminal.receipts import slip_lines
from terminal.records import ApprovedByCode, Attention, BatchClosed, Record, SettleStarted, SpentTwice
from terminal.slip_layout import plain_text
from terminal.transitions import State
from terminal.view import view_of
from tests.terminal.rig import CODE, OFFLINE_CARD, PROFILE, Till, answer, from_host
from tests.terminal.test_offline import LIMITS, SELLS_OFFLINE, back_online, charge, newest, payments_sent, state
from tests.terminal.test_parked import OFFLINE, Host
from tests.terminal.test_parked import back_online as park_is_back
from tillgate import main

ISSUER = CodeIssuer()
TRUST = CodeTrustLoaded(ISSUER.issuers)


def cut_off(trust: CodeTrustLoaded = TRUST, offline: Offline = LIMITS, limits: Limits = PROFILE.limits) -> Till:
    """A till that trusts an issuer of codes, and whose line has died."""
    till = Till(profile=PROFILE.model_copy(update={"offline": offline, "limits": limits})).sign_on()
    till.on(trust)
    till.on(LinkLost())
    return till


def phone(till: Till, owner: str = "Li") -> SignedPhone:
    return ISSUER.phone(owner, till.now)


def shown(till: Till, code: str) -> str:
    """Show a code to a sale in hand; what the counter says to it, empty if it sells."""
    till.on(CodePresented(code))
    return till.said() if till.counter.busy else ""


def sell(till: Till, code: str, amount: int = 2500) -> str:
    charge(till, amount)
    return shown(till, code)


def sold(owner: str = "Li", amount: int = 2500) -> tuple[Till, str]:
    till = cut_off()
    code = phone(till, owner).show(till.now)
    assert sell(till, code, amount) == ""
    return till, code


def again(till: Till) -> Till:
    """The process dies and comes back; what lies in files is loaded again."""
    restarted = till.restart()
    restarted.now = till.now
    restarted.on(TRUST)
    return restarted


def in_an_outage(till: Till) -> Till:
    """Restarted, signed on, and cut off again."""
    till = again(till).sign_on()
    till.on(LinkLost())
    return till


# --- the sale ---------------------------------------------------------------------------------------------------------


def test_what_the_code_pays_is_durable_before_its_slip_and_nothing_is_sent():
    till = cut_off()
    charge(till)
    effects = till.on(CodePresented(phone(till).show(till.now)))
    assert isinstance(effects[0], Persist) and isinstance(effects[0].record, ApprovedByCode)
    assert any(isinstance(effect, Print) for effect in effects) and not payments_sent(till)
    assert (state(till), newest(till).type) == (State.ADVICE_DUE, "offline_code_sale")
    assert newest(till).receipt_due and not till.counter.busy


def test_the_record_holds_the_evidence_once_and_shows_nothing_of_it():
    till = cut_off(replace(TRUST, revoked=CompactList("revoked", 7), quota=CompactList("quota", 3)))
    li = phone(till)
    code = li.show(till.now)
    sell(till, code)
    (record,) = (record for record in till.persisted() if isinstance(record, ApprovedByCode))
    assert (record.code, record.user, record.counter) == (code, li.key.hex(), 0)
    assert (record.until, record.revoked, record.quota) == (int(till.now) + 80, 7, 3)
    assert set(record.recovery_fields) == {"3", "4", "11", "22", "25", "41", "42", "49", "60"}
    assert code not in repr(record) and code not in repr(newest(till))
    assert newest(till).means == record.means and code[4:] not in record.means and len(record.means) == 12


def test_a_code_that_names_amount_and_shop_pays_there():
    till = cut_off()
    code = phone(till).show(till.now, amount=2500, merchant=PROFILE.merchant_id)
    assert sell(till, code) == ""


def test_a_card_still_sells_and_what_comes_after_the_first_means_sells_nothing():
    till = cut_off()
    charge(till)
    till.on(OFFLINE_CARD)
    assert newest(till).type == "offline_sale"
    records = len(till.records)
    till.on(CodePresented(phone(till).show(till.now)))
    assert len(till.records) == records


def test_the_advice_carries_the_whole_code_and_no_card():
    till, code = sold()
    (advice,) = back_online(till)
    assert (advice.mti, advice.text(22), advice.text(60)[:2]) == ("0200", "032", "36")
    assert Data59.parse(advice.text(59)).signed_code == code
    assert not {2, 14, 23, 35, 52, 55} & set(advice)


def test_after_a_restart_the_same_advice_goes_out_as_a_repeat():
    till, code = sold()
    till = again(till).sign_on()
    (advice,) = payments_sent(till)
    assert advice.mti == "0201" and Data59.parse(advice.text(59)).signed_code == code


@pytest.mark.parametrize(("code", "ends"), [("00", State.APPROVED), ("94", State.APPROVED), ("B1", State.DECLINED)])
def test_only_the_hosts_word_ends_it(code, ends):
    till, _ = sold()
    (advice,) = back_online(till)
    till.wait(100_000)
    assert state(till) is State.ADVICE_DUE, "no timer ends it"
    till.on(from_host(answer(advice, code)))
    assert state(till) is ends


def test_a_code_that_had_paid_elsewhere_calls_a_person():
    till, _ = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice, "B1")))
    assert (newest(till).attention, newest(again(till)).attention) == ("declined_later", "declined_later")


def test_it_is_refunded_as_what_was_scanned_and_never_voided():
    till, _ = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice)))
    sale = newest(till)
    till.on(VoidRequested("v", sale.key, "01", "00"))
    assert till.said() == "offline_no_void"
    original = Original(
        sale.key, sale.type, sale.amount, 0, sale.currency, sale.reference, sale.authorisation, sale.host_date,
        sale.means, sale.card,
    )  # fmt: skip
    till.on(RefundRequested("r", original, 1000, "01", "00"))
    assert newest(till).type == "qr_refund"
    assert Data59.parse(till.sent().text(59)).original_voucher == sale.reference


def test_the_slip_says_offline_code_and_names_the_key_not_the_code():
    till, code = sold()
    slip = plain_text(slip_lines(slip_of(PROFILE, newest(till), None, "merchant", False)), 48)
    assert "离线码消费/OFFLINE CODE SALE" in slip and "NOT YET CONFIRMED BY THE BANK" in slip
    assert " ".join(newest(till).means[at : at + 4] for at in (0, 4, 8)) in slip
    assert code[4:24] not in slip.replace(" ", "").replace("\n", "")


def test_the_page_offers_codes_only_where_they_are_taken():
    for trust, offered in ((TRUST, True), (CodeTrustLoaded(), False)):
        assert view_of(cut_off(trust).counter, {})["offline"]["codes"] is offered


def test_the_page_shows_nothing_of_the_code():
    till, code = sold()
    assert code[4:24] not in str(view_of(till.counter, {}))


# --- refused, and the sale goes on ------------------------------------------------------------------------------------


def test_while_the_bank_can_be_asked_none_is_taken():
    till = Till(profile=SELLS_OFFLINE).sign_on()
    till.on(TRUST)
    till.on(SaleRequested("online", 2500, "01"))
    assert shown(till, phone(till).show(till.now)) == "code_for_outages"
    till.on(CodePresented(CODE))
    assert till.sent().text(60)[:2] == "22", "the ordinary code still pays"


def test_a_sale_that_began_online_does_not_take_one_when_the_line_dies():
    till = Till(profile=SELLS_OFFLINE).sign_on()
    till.on(TRUST)
    till.on(SaleRequested("online", 2500, "01"))
    till.on(LinkLost())
    assert shown(till, phone(till).show(till.now)) == "code_for_outages"


@pytest.mark.parametrize(
    ("trust", "said"),
    [(CodeTrustLoaded(), "offline_no_code"), (CodeTrustLoaded(refused=True), "offline_codes_refused")],
)
def test_without_issuers_that_can_be_trusted_none_is_taken(trust, said):
    till = cut_off(trust)
    assert sell(till, phone(till).show(till.now)) == said


def test_a_code_that_only_the_bank_can_check_is_told_from_one_that_is_checked_here():
    assert sell(cut_off(), CODE) == "offline_other_code"


def _wrong(till: Till) -> dict[str, str]:
    li, now = phone(till), till.now
    stranger = CodeIssuer("strangers", b"\x66").phone("Li", now)
    forger = CodeIssuer("forgers").phone("Li", now)
    return {
        "signed_expired": li.show(now - 81), "signed_future": li.show(now + 21),
        "signed_amount_other": li.show(now, amount=2501),
        "signed_merchant_other": li.show(now, merchant="898110053110009"),
        "signed_issuer_unknown": stranger.show(now), "signed_certificate_forged": forger.show(now),
        "signed_certificate_expired": ISSUER.phone("Li", now - 8 * 86_400).show(now),
        "signed_over_limit": CodeIssuer(amount_max=2499).phone("Li", now).show(now),
        "signed_text_broken": "TG1:0", "signed_cbor_broken": "TG1:", "signed_too_long": "TG1:" + "0" * 500,
    }  # fmt: skip


@pytest.mark.parametrize("reason", _wrong(Till()))
def test_a_code_that_is_not_good_is_refused_in_words_and_other_means_still_sell(reason):
    till = cut_off()
    assert sell(till, _wrong(till)[reason]) == reason
    assert state(till) is State.STARTED and not till.persisted()
    till.on(OFFLINE_CARD)
    assert state(till) is State.ADVICE_DUE


@pytest.mark.parametrize(("name", "said"), [("revoked", "signed_revoked"), ("quota", "signed_quota_used")])
def test_a_key_on_a_list_does_not_pay(name, said):
    till = cut_off()
    li = phone(till)
    _, listed = publish(ISSUER.key, CompactList(name), [li.key])
    lists = {"revoked": None, "quota": None} | {name: listed}
    till.on(CodeTrustLoaded(ISSUER.issuers, lists["revoked"], lists["quota"]))
    assert sell(till, li.show(till.now)) == said


@pytest.mark.parametrize(("amount", "said"), [(3001, "offline_amount"), (0, "amount_zero")])
def test_the_shops_own_limits_hold_for_codes_as_for_cards(amount, said):
    till = cut_off()
    charge(till, amount)
    assert till.said() == said and not till.counter.busy


def test_codes_and_cards_count_together():
    till = cut_off()
    li = phone(till)
    assert [sell(till, li.show(till.now), 3000), sell(till, li.show(till.now), 2000)] == ["", ""]
    charge(till, 1001)
    assert till.said() == "offline_total"


def test_what_a_customers_key_may_take_holds_over_parked_batches():
    """Two sales in a batch: of the first batch and the open one the payments are in memory, of the second not."""
    till = cut_off(offline=OFFLINE.model_copy(update={"card_count_max": 5}), limits=Limits(batch_count_max=2))
    li = phone(till)
    for _ in range(5):
        assert sell(till, li.show(till.now), 100) == ""
    assert len(till.counter.book.owed_at_hand()) == 3
    assert sell(till, li.show(till.now), 100) == "offline_code_used"


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        ({"card_count_max": 1}, "offline_code_used"), ({"card_amount_max": 4999}, "offline_code_used"),
        ({"schemes": Schemes(code=SchemeCaps(sale_amount_max=2499))}, "offline_code_amount"),
        ({"schemes": Schemes(code=SchemeCaps(sale_amount_max=0))}, "offline_code_amount"),
        ({"schemes": Schemes(code=SchemeCaps(count_max=1))}, "offline_code_spent"),
    ],
)  # fmt: skip
def test_the_customers_key_counts_as_a_card_and_codes_as_a_scheme(caps, said):
    till = cut_off(offline=LIMITS.model_copy(update=caps))
    li = phone(till)
    told = [sell(till, li.show(till.now)) for _ in range(2)]
    assert told == (["", said] if said != "offline_code_amount" else [said, said])
    if said == "offline_code_used":
        assert shown(till, phone(till, "Wang").show(till.now)) == "", "another customer still pays"


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_code_pays_once():
    till, code = sold()
    assert sell(till, code) == "signed_replayed"


def test_a_restart_remembers_what_has_paid():
    till, code = sold()
    assert sell(in_an_outage(till), code) == "signed_replayed"


def _closed(till: Till) -> list[Record]:
    """The batch is settled and closed: all its payments are forgotten, but not the codes."""
    batch, at = newest(till).key.batch, till.now
    return [SettleStarted(batch, 2500, 1, 0, 0, "01", at), BatchClosed(batch, "000008", "000001", True, at)]


def test_a_closed_batch_is_forgotten_but_not_what_has_paid_in_it():
    till, code = sold()
    (advice,) = back_online(till)
    till.on(from_host(answer(advice)))
    till.records += _closed(till)
    till = in_an_outage(till)
    assert not till.counter.book.payments
    assert sell(till, code) == "signed_replayed"


def test_of_an_older_batch_only_the_codes_are_read_again():
    """As the journal gives them back at a start: records of payments whose beginning is not read."""
    till, code = sold()
    paid = [replace(record, at=1e12) for record in till.records if isinstance(record, ApprovedByCode)]
    fresh = Till([*paid, *_closed(till)], till.counter.profile)
    assert fresh.counter.book.newest_at < 1e12, "a clock that was wrong then is not believed now"
    fresh.now = till.now
    fresh.sign_on()
    fresh.on(TRUST)
    fresh.on(LinkLost())
    assert sell(fresh, code) == "signed_replayed"


def test_a_parked_batch_keeps_its_codes_and_brings_them_to_the_host():
    limits = {"offline": OFFLINE, "limits": Limits(batch_count_max=1)}
    till = Till(profile=PROFILE.model_copy(update=limits)).sign_on()
    till.on(TRUST)
    till.on(LinkLost())
    li = phone(till)
    codes = [li.show(till.now) for _ in range(3)]
    for code in codes:
        assert sell(till, code, 100) == ""
        till.print_slips()
    assert len(till.counter.book.parked) == 2
    for parked in (till, in_an_outage(till)):
        assert [sell(parked, code, 100) for code in codes] == ["signed_replayed"] * 3
        parked.on(CancelRequested(newest(parked).key))
    bank = Host()
    park_is_back(till, bank)
    asked = [heard for heard in bank.heard if heard[0][:3] == "020"]
    assert [(batch, amount) for _, batch, amount in asked] == [("000007", 100), ("000008", 100), ("000009", 100)]


def test_a_second_code_of_the_same_counter_is_a_double_spend_and_kept_as_evidence_once():
    till = cut_off()
    li = phone(till)
    li.spends_twice = True
    first, second, third = (li.show(till.now + later) for later in (0, 1, 2))
    assert sell(till, first) == ""
    assert sell(till, second) == "signed_double_spent"
    (record,) = till.persisted()
    assert isinstance(record, SpentTwice) and record.code == second and second not in repr(record)
    assert shown(till, third) == "signed_double_spent" and not till.persisted()
    assert newest(again(till)).state is State.CANCELLED


def test_the_journal_gives_the_evidence_out_the_code_that_has_paid_first(tmp_path, capsys):
    till = cut_off()
    li = phone(till)
    li.spends_twice = True
    codes = [li.show(till.now + later) for later in (0, 1, 2)]
    for code in codes:
        sell(till, code)
        till.on(CancelRequested(newest(till).key))
    journal = Journal(tmp_path / "journal.db")
    for record in till.records:
        journal.append(record)
    journal.close()
    assert main(["terminal", "codes", "evidence", "--data", str(tmp_path), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["code"], one["paid"]) for one in told] == [(codes[0], True), (codes[1], False), (codes[2], False)]


def test_where_nothing_was_spent_twice_that_is_said(tmp_path, capsys):
    assert main(["terminal", "codes", "evidence", "--data", str(tmp_path)]) == 1
    Journal(tmp_path / "journal.db").close()
    assert main(["terminal", "codes", "evidence", "--data", str(tmp_path)]) == 0
    assert "nothing was spent twice" in capsys.readouterr().out


def test_a_code_older_than_one_that_has_paid_is_refused():
    till = cut_off()
    li = phone(till)
    older, newer = li.show(till.now), li.show(till.now)
    assert sell(till, newer) == ""
    assert sell(till, older) == "signed_counter_backwards"


def test_when_no_more_customers_can_be_remembered_only_known_ones_pay():
    till = cut_off()
    till.counter.book.codes = Memory(keys_max=1)
    li, wang = phone(till, "Li"), phone(till, "Wang")
    assert sell(till, li.show(till.now)) == ""
    assert sell(till, wang.show(till.now)) == "signed_memory_full"
    assert shown(till, li.show(till.now)) == ""


# --- at the next till -------------------------------------------------------------------------------------------------


def test_what_another_till_has_taken_does_not_pay_here():
    till = cut_off()
    li = phone(till)
    till.on(CodesSeen((fingerprint(li.key, 0),)))
    assert sell(till, li.show(till.now)) == "signed_replayed"
    assert shown(till, li.show(till.now)) == "", "the next code of this customer does"


def test_what_other_tills_say_is_bounded_and_the_newest_counts():
    till = cut_off()
    li = phone(till)
    for number in range(ELSEWHERE_MAX):
        till.on(CodesSeen((number.to_bytes(16, "big"),)))
    till.on(CodesSeen((fingerprint(li.key, 0),)))
    assert len(till.counter.offline_codes._elsewhere) == ELSEWHERE_MAX
    assert sell(till, li.show(till.now)) == "signed_replayed"


# --- death between effects --------------------------------------------------------------------------------------------


def _until_each_record(events: Iterable[Event]) -> list[list[Record]]:
    """The journals that a terminal may leave which dies after any record."""
    till = cut_off()
    for event in events:
        till.on(event)
    return [till.records[:length] for length in range(1, len(till.records) + 1)]


def test_whoever_dies_after_any_record_neither_loses_the_sale_nor_sells_twice():
    now = Till().now
    code = ISSUER.phone("Li", now).show(now)
    for left in _until_each_record([SaleRequested("a", 2500, "01", offline=True), CodePresented(code)]):
        till = Till(left, SELLS_OFFLINE)
        paid = any(isinstance(record, ApprovedByCode) for record in left)
        till.sign_on()
        assert len(payments_sent(till)) == paid
        assert not any(isinstance(record, Attention) for record in till.records)
        till.on(TRUST)
        till.on(LinkLost())
        assert sell(till, code, 100) == ("signed_replayed" if paid else "")
