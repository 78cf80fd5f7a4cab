"""What the page says, from the cores' state to words: no browser, no server."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from iso8583 import Message
from terminal.book import Payment
from terminal.cashier import words
from terminal.cashier.sale import RESULT_STAYS_S, Entry, LogOn, Moment, Panel, Progress, Result, panel
from terminal.cashier.sales import sales
from terminal.cashier.strip import alerts, strip
from terminal.cashier.texts import LANGUAGES, texts_in
from terminal.devices import DeviceHealth, Trouble
from terminal.events import (
    BalanceRequested,
    CancelRequested,
    CardCompleted,
    CardErased,
    CloseByPeople,
    CodePresented,
    LinkLost,
    MeansFailed,
    Original,
    RefundRequested,
    SaleRequested,
    SettleRequested,
    SlipFailed,
    SlipPrinted,
    VoidRequested,
)  # fmt: skip
from terminal.events import (
    Progress as Stage,
)
from terminal.records import Key
from terminal.transitions import FINAL, State
from terminal.view import payment_view, view_of
from tests.terminal.rig import CARD, CODE, Till, answer, from_host, ready_till, settle_answer

EN, ZH = texts_in("en"), texts_in("zh")
READY = {name: DeviceHealth("ready") for name in ("card_reader", "pin_pad", "scanner", "printer")}
NO_PAPER = READY | {"printer": DeviceHealth("attention", "paper_out")}
SCAN = CodePresented(CODE)


def view(till: Till, devices: dict[str, DeviceHealth] = READY) -> dict[str, Any]:
    return view_of(till.counter, devices)


def moment(till: Till, seen: str = "", operator: str = "01", after_s: float = 0) -> Moment:
    return Moment(operator, seen, till.now + after_s)


def shown(till: Till, seen: str = "", operator: str = "01", after_s: float = 0) -> Panel:
    return panel(view(till), moment(till, seen, operator, after_s), EN, lambda key: f"slip of {key}")


def result(till: Till) -> Result:
    found = shown(till)
    assert isinstance(found, Result)
    return found


def progress(till: Till) -> Progress:
    found = shown(till)
    assert isinstance(found, Progress)
    return found


def entry(till: Till, seen: str = "") -> Entry:
    found = shown(till, seen)
    assert isinstance(found, Entry)
    return found


def newest(till: Till) -> Payment:
    return list(till.counter.book.payments.values())[-1]


def sold(code: str = "00", amount: int = 2500) -> Till:
    till = ready_till()
    till.on(from_host(answer(till.sell(amount, SCAN), code)))
    return till


# --- which panel ------------------------------------------------------------------------------------------------------


def test_the_amount_is_for_somebody_who_is_logged_on() -> None:
    assert isinstance(shown(ready_till()), Entry)
    assert isinstance(shown(ready_till(), operator=""), LogOn)


def test_a_sale_under_way_is_shown_to_everybody() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    assert isinstance(shown(till, operator=""), Progress)


def test_a_result_stays_until_somebody_goes_on() -> None:
    till = sold()
    assert isinstance(shown(till), Result)
    assert isinstance(shown(till, seen=str(newest(till).key)), Entry)


def test_an_old_result_does_not_come_back_after_a_restart_of_the_page() -> None:
    assert isinstance(shown(sold(), after_s=RESULT_STAYS_S + 1), Entry)


def test_a_payment_that_is_being_reversed_cannot_be_gone_on_from() -> None:
    till = ready_till()
    till.sell(means=SCAN)
    till.wait(31)
    found = shown(till, seen=str(newest(till).key), after_s=86_400)
    assert isinstance(found, Result) and found.waits


# --- what the machine waits for ---------------------------------------------------------------------------------------


def test_each_step_of_a_card_sale_is_said() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    said = [progress(till)]
    for event in (Stage("card"), Stage("pin"), CARD):
        till.on(event)
        said.append(progress(till))
    till.on(from_host(answer(till.sent())))
    said.append(progress(till))
    assert [found.headline.word for found in said] == [
        "Insert the card, or scan the customer's code", "Reading the card", "The customer enters the PIN",
        "Asking the bank", "The bank approved, the card confirms",
    ]  # fmt: skip
    assert [[step.state for step in found.steps].index("now") for found in said] == [0, 0, 1, 2, 3]
    assert [bool(found.cancel_key) for found in said] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("missing", "said"),
    [("scanner", "Insert the card"), ("card_reader", "Scan the customer's code")],
)
def test_only_what_can_be_presented_is_asked_for(missing: str, said: str) -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    devices = READY | {missing: DeviceHealth("attention", "not_configured")}
    found = panel(view(till, devices), moment(till), EN, str)
    assert isinstance(found, Progress) and found.headline.word == said


def test_an_inquiry_asks_for_a_card_only() -> None:
    till = ready_till()
    till.on(BalanceRequested("a", "01"))
    assert progress(till).headline.word == "Insert the card"


def test_a_code_has_no_pin_step() -> None:
    till = ready_till()
    till.sell(means=SCAN)
    assert [step.label for step in progress(till).steps] == ["Card or code", "Bank", "Result"]


def test_a_code_of_no_wallet_is_said_while_the_sale_goes_on() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(CodePresented("9" * 18))
    assert progress(till).message.startswith("That code belongs to no wallet known here.")


# --- results ----------------------------------------------------------------------------------------------------------


def test_approval_shows_amount_slip_and_what_to_do() -> None:
    till = sold()
    till.on(SlipPrinted(newest(till).key, duplicate=False))
    found = result(till)
    assert (found.headline.word, found.headline.icon, found.headline.tone) == ("Approved", "check", "good")
    assert str(found.amount) == "¥25.00" and found.slip == f"slip of {newest(till).key}" and found.reprintable
    assert found.story == ("The customer has paid.", "Give the customer the slip.")


def test_a_card_to_be_signed_for_is_signed_for() -> None:
    till = ready_till()
    till.on(from_host(answer(till.sell(means=replace(CARD, signature=True)))))
    till.on(CardCompleted(agreed=True))
    assert "The customer must sign the slip." in result(till).story


def test_approval_of_a_part_says_that_the_rest_is_open() -> None:
    till = ready_till()
    request = till.sell(means=SCAN)
    till.on(from_host(answer(request, "10", f4="000000001000")))
    assert str(result(till).amount) == "¥10.00"
    assert result(till).story[0].startswith("Paid in part: collect the rest another way.")


def test_decline_says_code_reason_and_that_nothing_was_charged() -> None:
    found = result(sold("51"))
    assert (found.headline.word, found.headline.tone, found.code) == ("Declined", "bad", "Code 51")
    assert found.story == ("Insufficient funds: ask for another card.", "The customer has not been charged.")
    assert found.slip == "" and not found.reprintable


@pytest.mark.parametrize(
    ("code", "todo"),
    [("41", "Keep the card"), ("55", "enters the PIN again"), ("91", "Wait a minute"), ("97", "call the acquirer")],
)
def test_decline_says_what_the_code_asks_for(code: str, todo: str) -> None:
    assert todo in result(sold(code)).story[-1]


def test_silence_says_the_sentence_of_the_unknown() -> None:
    till = ready_till()
    till.sell(means=SCAN)
    till.wait(31)
    found = result(till)
    assert (found.headline.word, found.headline.tone) == ("Result unknown", "doubt")
    assert EN.join(*found.story) == (
        "No answer from the bank. The customer has not been charged for certain; the sale is being reversed. "
        "Don't sell again until this line says done."
    )


def test_reversed_says_done() -> None:
    till = ready_till()
    till.sell(means=SCAN)
    reversal = next(effect for effect in till.wait(31) if hasattr(effect, "message"))
    till.on(from_host(answer(reversal.message)))
    assert result(till).headline.word == "Done: reversed" and not result(till).waits


def test_a_reversal_that_the_bank_refuses_calls_for_a_person() -> None:
    till = ready_till()
    till.sell(means=SCAN)
    reversal = next(effect for effect in till.wait(31) if hasattr(effect, "message"))
    till.on(from_host(answer(reversal.message, "91")))
    assert "call the acquirer with voucher 000001" in result(till).story[-1]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (CancelRequested(Key("12345678", "000007", "000001")), "Cancelled at the till."),
        (MeansFailed("card_blocked"), "The card is blocked."),
    ],
)
def test_a_sale_that_was_given_up_says_why_once(event: Any, said: str) -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(event)
    assert result(till).story[0].startswith(said)
    assert result(till).message == ""


def test_printer_trouble_is_told_with_the_result_and_clears_when_printed() -> None:
    till = sold()
    till.on(SlipFailed(newest(till).key, "paper_out"))
    assert result(till).story[-1] == (
        "The printer is out of paper. The payment stands; its receipt is due. Put in paper: it is printed then."
    )
    till.on(SlipPrinted(newest(till).key, duplicate=True))
    assert result(till).story[-1] == "Give the customer the slip."


def test_settlement_is_shown_from_totals_to_verdict() -> None:
    till = sold()
    till.on(SettleRequested("01"))
    assert progress(till).headline.word == "Comparing totals with the bank" and str(progress(till).amount) == "¥25.00"
    till.on(from_host(settle_answer(till.sent(), "1")))
    assert progress(till).headline.word == "Closing the batch"
    request = till.sent()
    till.on(from_host(request.response({number: request[number] for number in (11, 41, 42, 60)} | {39: "00"})))
    found = result(till)
    assert (found.headline.word, str(found.amount)) == ("Settled, balanced", "¥25.00")
    assert isinstance(shown(till, seen=found.key), Entry)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_says_what_holds_it_up_before_anything_is_charged() -> None:
    till = ready_till()
    till.on(LinkLost())
    assert entry(till).blocked == EN("session.down_detail")


def test_a_refused_amount_names_the_limit() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 5_000_001, "01"))
    assert "¥50,000.00" in entry(till).message


def test_a_second_request_is_refused_only_while_the_first_is_under_way() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(SaleRequested("b", 100, "01"))
    assert progress(till).message.startswith("Another payment is under way.")
    till.on(CancelRequested(list(till.counter.book.payments)[-1]))
    assert result(till).message == ""


# --- strip and alerts -------------------------------------------------------------------------------------------------


def test_strip_says_line_devices_and_operator() -> None:
    till = ready_till()
    found = strip(view(till, NO_PAPER), moment(till), EN)
    assert (found.link.word, found.operator) == ("Online", "Operator 01")
    assert [(device.name, device.trouble) for device in found.devices][-1] == ("Printer", "out of paper: put in a roll")
    assert [device.tone for device in found.devices] == ["plain", "plain", "plain", "doubt"]


def test_a_host_that_refuses_the_terminal_is_quoted() -> None:
    till = ready_till()
    till.on(from_host(answer(till.sell(means=SCAN), "97")))
    assert strip(view(till), moment(till), EN).link.word == "Refused"
    blocked = entry(till, seen=str(newest(till).key)).blocked
    assert blocked.startswith("The bank does not serve this terminal: This terminal is not registered")


def test_receipts_due_are_one_line_that_prints_them_all_oldest_first() -> None:
    till = sold()
    for _ in range(2):
        till.on(from_host(answer(till.sell(means=SCAN))))
    keys = [str(payment.key) for payment in till.counter.book.payments.values()]
    found = alerts(view(till, NO_PAPER), moment(till, seen=keys[-1]), EN)
    assert [alert.reprint_keys for alert in found] == [tuple(keys)]
    assert found[0].text.startswith("3 receipts due, the latest for voucher 000003 (¥25.00).")


def test_a_printer_that_may_still_be_at_it_alarms_nobody() -> None:
    till = sold()
    seen = str(newest(till).key)
    assert alerts(view(till), moment(till, seen), EN) == ()
    assert len(alerts(view(till), moment(till, seen, after_s=words.PRINTED_WITHIN_S + 1), EN)) == 1


def test_a_refund_that_is_sent_again_is_told_while_selling_goes_on() -> None:
    till = sold()
    sale = newest(till)
    original = refundable(sale)
    till.on(RefundRequested("r", original, 1000, "01", "00"))
    till.wait(31)
    refund = newest(till)
    assert result(till).headline.word == "Result unknown" and not result(till).waits
    found = alerts(view(till), moment(till, seen=str(refund.key)), EN)
    assert "Don't refund again." in found[0].text
    assert isinstance(shown(till, seen=str(refund.key)), Entry)


def test_a_refund_that_only_people_can_close_says_so_and_leads_there() -> None:
    till, _ = refunded_in_vain()
    key = str(newest(till).key)
    assert result(till).headline.word == "Needs two people" and "two people then close it" in result(till).story[0]
    (alert,) = alerts(view(till), moment(till, seen=key), EN)
    assert alert.closing_key == key and alert.tone == "bad"
    assert sales(view(till), moment(till), EN).rows[0].state.word == "Needs two people"


@pytest.mark.parametrize(
    ("booked", "word", "money", "total"),
    [
        (True, "Closed: booked", "The customer gets ¥10.00 back", "\N{MINUS SIGN}¥10.00"),
        (False, "Closed: not booked", "The customer does not get ¥10.00 back", "¥0.00"),
    ],
)
def test_what_people_have_closed_says_who_and_what_it_means_for_the_money(
    booked: bool, word: str, money: str, total: str
) -> None:
    till, _ = refunded_in_vain()
    key = str(newest(till).key)
    till.on(CloseByPeople(newest(till).key, booked, "ACQ-0117/3", "01", "00"))
    story = " ".join(result(till).story)
    assert result(till).headline.word == word and money.lower() in story.lower() and "01 and 00" in story
    assert "ACQ-0117/3" in story and str(sales(view(till), moment(till), EN).sums[1].amount) == total
    assert alerts(view(till), moment(till, seen=key), EN) == ()


def test_an_answer_that_contradicts_people_is_told_as_long_as_the_batch_is_open() -> None:
    till, request = refunded_in_vain()
    key = str(newest(till).key)
    till.on(CloseByPeople(newest(till).key, False, "ACQ-0117/3", "01", "00"))
    till.on(from_host(answer(request)))
    alert = alerts(view(till), moment(till, seen=key, after_s=7200), EN)[0]
    assert "contradicts them" in alert.text and alert.tone == "bad" and not alert.closing_key


def test_what_the_left_side_says_is_not_said_twice() -> None:
    till = ready_till()
    till.sell(means=SCAN)
    till.wait(31)
    assert alerts(view(till), moment(till), EN) == ()


# --- today's sales ----------------------------------------------------------------------------------------------------


def test_a_voided_sale_counts_and_says_so() -> None:
    till = sold()
    till.on(VoidRequested("v", newest(till).key, "01", "00"))
    till.on(from_host(answer(till.sent())))
    found = sales(view(till), moment(till), EN)
    assert [(row.what, str(row.amount), row.state.word, row.faded) for row in found.rows] == [
        ("Void", "\N{MINUS SIGN}¥25.00", "Approved", False), ("Sale", "¥25.00", "Voided", True),
    ]  # fmt: skip
    assert [str(total.amount) for total in found.sums] == ["¥25.00", "\N{MINUS SIGN}¥25.00", "¥0.00"]


def test_a_wallet_is_named_and_its_code_hidden() -> None:
    till = sold()
    assert sales(view(till), moment(till), ZH).rows[0].means == f"银联云闪付 62 ···· {CODE[-4:]}"


# --- every state there is ---------------------------------------------------------------------------------------------

NEVER_OFFLINE = {State.SENT, State.COMPLETING, State.REVERSAL_DUE, State.REVERSED}
OFFLINE = {"offline_sale", "offline_code_sale"}
STATES = [
    (language, kind, state, attention)
    for language, kind, state, attention in itertools.product(
        LANGUAGES, sorted(set(words.FAMILIES) - OFFLINE), sorted(set(State) - {State.ADVICE_DUE}),
        ("", "reversal_refused_91", "unforeseen"),
    )
] + [
    (language, kind, state, attention)
    for language, kind, state, attention in itertools.product(
        LANGUAGES, sorted(OFFLINE), sorted(set(State) - NEVER_OFFLINE),
        ("", "advice_refused_03", "declined_later", "unforeseen"),
    )
]  # fmt: skip


@pytest.mark.parametrize(("language", "kind", "state", "attention"), STATES)
def test_every_state_of_every_type_has_its_words(language: str, kind: str, state: State, attention: str) -> None:
    texts = texts_in(language)
    payment = payment_view(
        Payment(
            Key("12345678", "000001", "000001"), kind, 2500, "156", "01", 1.7e9, "r", state=state,
            reason="98" if state in (State.REVERSAL_DUE, State.REVERSED) else "cancelled", response_code="51",
            attention=attention,
        )
    )  # fmt: skip
    badge = words.badge(payment, None, texts)
    assert badge.word and badge.icon
    if state in FINAL or state in (State.REVERSAL_DUE, State.ADVICE_DUE, State.SENT):
        assert words.headline(payment, None, texts).word
        assert all(words.story(payment, texts, texts.money(5_000_000, "156")))


def refunded_in_vain() -> tuple[Till, Message]:
    """A refund of 10.00 without an answer, whose card number has been erased since; and its request."""
    till = sold()
    till.on(RefundRequested("r", refundable(newest(till)), 1000, "01", "00"))
    request = till.sent()
    till.wait(31)
    till.on(CardErased(newest(till).key))
    return till, request


def refundable(sale: Payment) -> Original:
    return Original(
        sale.key, sale.type, sale.amount, sale.refunded, sale.currency, sale.reference, sale.authorisation,
        sale.host_date, sale.means, sale.card,
    )  # fmt: skip


def test_a_slip_that_failed_stays_due_when_the_printer_has_paper_again() -> None:
    till = ready_till()
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    key = list(till.counter.book.payments)[-1]
    ready = {"printer": DeviceHealth("ready")}
    payment = view_of(till.counter, ready)["payments"][0]
    assert not words.is_receipt_due(view_of(till.counter, ready), payment, till.now)
    till.on(SlipFailed(key, "paper_out"))
    payment = view_of(till.counter, ready)["payments"][0]
    assert words.is_receipt_due(view_of(till.counter, ready), payment, till.now)


def test_a_device_that_works_again_says_what_was_last_wrong() -> None:
    till = ready_till()
    troubled = view_of(till.counter, READY, {"scanner": Trouble("unplugged", till.now - 300)})
    scanner = strip(troubled, moment(till), EN).devices[2]
    assert scanner.last == "Scanner works. Last trouble, 5 min ago: unplugged: check the cable"
    assert not scanner.trouble


def test_applications_are_offered_by_name_and_one_without_by_its_number() -> None:
    till = ready_till()
    till.on(SaleRequested("r", 2500, "01"))
    till.on(Stage("choose", ("PBOC DEBIT", "")))
    asked = progress(till)
    assert [(choice.number, choice.name, choice.shown) for choice in asked.choices] == [
        (1, "PBOC DEBIT", "PBOC DEBIT"),
        (2, "", "Account 2"),
    ]
    assert asked.key == asked.cancel_key != ""
    till.on(Stage("card"))
    assert progress(till).choices == ()
