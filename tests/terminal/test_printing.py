"""From the journal to the slip, and what a printer's trouble means: nothing for the money."""

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from terminal.book import Payment
from terminal.counter import Notice
from terminal.devices import BeforeFirstByte, DeviceHealth, PrinterStatus, PrinterTrouble
from terminal.effects import Print
from terminal.events import CodePresented, Event, ReprintRequested, SettleRequested, SlipFailed, SlipPrinted, SlipReady
from terminal.journal import Journal
from terminal.printing import JOBS_MAX, Printing, slip_of
from terminal.receipts import slip_lines
from terminal.records import SETTLEMENT_TRACE, ParametersTaken
from terminal.slip_layout import plain_text
from terminal.slips import Copy
from tests.terminal.rig import CARD, CODE, PROFILE, Till, answer, from_host, ready_till, settle_answer
from tests.terminal.test_payment import approved_sale, refund_of, void_of
from tests.terminal.test_settlement import upload_answer

SHOP_TIME = timezone(timedelta(minutes=PROFILE.utc_offset_minutes))


class PaperAndTrouble:
    """A printer that prints into a list, or has the trouble it is told to have."""

    def __init__(self, trouble: str = "") -> None:
        self.jobs: list[bytes] = []
        self.trouble = trouble

    async def print(self, job: bytes, begin: BeforeFirstByte | None = None) -> None:
        if self.trouble:
            raise PrinterTrouble(self.trouble)
        if begin:
            await begin()
        self.jobs.append(job)

    async def status(self) -> PrinterStatus:
        return PrinterStatus("ready")

    def health(self) -> DeviceHealth:
        return DeviceHealth("ready")

    async def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "journal.db")) as journal:
        yield journal


def written(journal: Journal, till: Till) -> Journal:
    for record in till.records:
        journal.append(record)
    return journal


def printed(journal: Journal, printer: PaperAndTrouble | None, *jobs: Print) -> list[Event]:
    """Let the queue print these jobs; return what it reports."""

    async def scene():
        reports: asyncio.Queue[Event] = asyncio.Queue()
        printing = Printing(PROFILE, journal, printer, reports.put_nowait)
        for job in jobs:
            printing.enqueue(job)
        task = asyncio.create_task(printing.run())
        found: list[Event] = []
        while len(found) < len(jobs):
            report = await asyncio.wait_for(reports.get(), 5)
            if isinstance(report, SlipReady):
                printing.begin(report.key)
            else:
                found.append(report)
        task.cancel()
        await asyncio.wait([task])
        return found

    return asyncio.run(scene())


def test_slip_of_a_card_sale_has_both_copies_and_no_full_number(journal):
    till = ready_till()
    sale = approved_sale(till, means=CARD)
    text = Printing(PROFILE, written(journal, till), None, print).text(Print(sale.key))
    assert "商户存根" in text and "持卡人存根" in text and "RMB 25.00" in text
    assert "6299990000000009" not in text.replace(" ", "") and "DUPLICATED" not in text


def test_slips_bear_the_name_that_the_host_has_set(journal):
    till = ready_till()
    sale = approved_sale(till)
    written(journal, till).append(ParametersTaken(1.0, None, "新光便利店"))
    text = Printing(PROFILE, journal, None, print).text(Print(sale.key))
    assert text.count("新光便利店") == 2 and PROFILE.merchant_name_zh not in text


def test_the_facts_of_a_slip_are_those_of_its_cardholders_copy(journal):
    till = ready_till()
    sale = approved_sale(till)
    written(journal, till).append(ParametersTaken(1.0, None, "新光便利店"))
    facts = Printing(PROFILE, journal, None, print).facts(sale.key)
    assert facts is not None
    assert (facts.copy, facts.amount, facts.voucher, facts.duplicate) == ("cardholder", 2500, sale.key.trace, False)
    assert facts.shop.name_zh == "新光便利店"


def test_a_payment_without_a_slip_has_no_facts_for_one(journal):
    till = ready_till()
    till.on(from_host(answer(till.sell(2500), "51")))
    (declined,) = till.counter.book.payments
    assert Printing(PROFILE, written(journal, till), None, print).facts(declined) is None


def test_reprint_says_duplicate_on_every_copy(journal):
    till = ready_till()
    sale = approved_sale(till)
    till.print_slips()
    (job,) = till.on(ReprintRequested(sale.key))
    assert isinstance(job, Print)
    text = Printing(PROFILE, written(journal, till), None, print).text(job)
    assert text.count("DUPLICATED") == 4


def test_slip_of_a_code_sale_names_the_wallet(journal):
    till = ready_till()
    sale = approved_sale(till, means=CodePresented(CODE))
    text = Printing(PROFILE, written(journal, till), None, print).text(Print(sale.key))
    assert "银联云闪付" in text and CODE not in text


@pytest.mark.parametrize("back", ["void", "refund"])
def test_slip_of_money_back_is_negative_and_names_its_sale(journal, back):
    till = ready_till()
    sale = approved_sale(till)
    till.on(void_of(sale) if back == "void" else refund_of(sale, 1000))
    till.on(from_host(answer(till.sent())))
    payment = list(till.counter.book.payments.values())[-1]
    slip = slip_of(PROFILE, payment, sale, "merchant", duplicate=False)
    assert slip.amount < 0 and slip.original_voucher == sale.key.trace and slip.original_date == "0115"


def test_settlement_slip_states_totals_and_verdict(journal):
    till = ready_till()
    approved_sale(till)
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "1"), mac="absent"))
    till.on(upload_answer(till.sent()))
    job = till.print_slips()[-1]
    text = Printing(PROFILE, written(journal, till), None, print).text(job)
    assert "对账平" in text and "25.00" in text


def test_jobs_are_printed_in_order_and_reported(journal):
    till = ready_till()
    sales = [approved_sale(till), approved_sale(till)]
    printer = PaperAndTrouble()
    reports = printed(written(journal, till), printer, *(Print(sale.key) for sale in sales))
    assert reports == [SlipPrinted(sale.key, duplicate=False) for sale in sales] and len(printer.jobs) == 2


def test_paper_out_leaves_the_sale_and_makes_the_receipt_due(journal):
    till = ready_till()
    sale = approved_sale(till)
    (report,) = printed(written(journal, till), PaperAndTrouble("paper_out"), Print(sale.key))
    till.on(report)
    assert till.counter.book.payments[sale.key].receipt_due
    assert till.counter.notice == Notice("printer_paper_out", sale.key)
    till.on(SlipPrinted(sale.key, duplicate=False))
    assert not till.counter.book.payments[sale.key].receipt_due and till.counter.notice is None


def test_counter_without_a_printer_says_so(journal):
    till = ready_till()
    sale = approved_sale(till)
    assert printed(written(journal, till), None, Print(sale.key)) == [SlipFailed(sale.key, "no_printer")]


def test_slip_of_a_closed_batch_and_of_its_settlement_are_printed_again(journal):
    till = ready_till()
    sale = approved_sale(till)
    till.on(SettleRequested("01"))
    till.on(from_host(settle_answer(till.sent(), "1"), mac="absent"))
    till.on(upload_answer(till.sent()))
    settlement = replace(sale.key, trace=SETTLEMENT_TRACE)
    till.print_slips()
    for key in (sale.key, settlement):
        till.on(ReprintRequested(key))
    jobs = till.print_slips()
    reports = printed(written(journal, till), PaperAndTrouble(), *jobs)
    assert reports == [SlipPrinted(key, duplicate=True) for key in (sale.key, settlement)]


@pytest.mark.parametrize("trace", ["000099", SETTLEMENT_TRACE])
def test_slip_that_there_never_was_is_told_so(journal, trace):
    till = ready_till()
    key = replace(approved_sale(till).key, trace=trace)
    assert printed(written(journal, till), PaperAndTrouble(), Print(key)) == [SlipFailed(key, "no_slip")]


def test_declined_payment_has_no_slip_even_if_asked_for(journal):
    till = ready_till()
    till.on(from_host(answer(till.sell(), "51")))
    key = next(iter(till.counter.book.payments))
    assert till.on(ReprintRequested(key)) == [] and till.said() == "nothing_to_print"
    assert Printing(PROFILE, written(journal, till), None, print).lines(Print(key)) == []


def test_full_queue_refuses_at_once_and_the_receipt_stays_due(journal):
    reports: list[Event] = []
    printing = Printing(PROFILE, journal, PaperAndTrouble(), reports.append)
    key = approved_sale(ready_till()).key
    for _ in range(JOBS_MAX + 1):
        printing.enqueue(Print(key))
    assert reports == [SlipFailed(key, "queue_full")]


@pytest.mark.parametrize(
    ("ours", "date", "clock", "shown"),
    [
        (datetime(2026, 12, 31, 23, 59, tzinfo=SHOP_TIME), "0101", "000003", "2027-01-01 00:00:03"),
        (datetime(2027, 1, 1, 0, 1, tzinfo=SHOP_TIME), "1231", "235959", "2026-12-31 23:59:59"),
        (datetime(2026, 6, 1, 12, 0, tzinfo=SHOP_TIME), "", "", "2026-06-01 12:00:00"),
        (datetime(2026, 6, 1, 12, 0, tzinfo=SHOP_TIME), "9999", "999999", "2026-06-01 12:00:00"),
    ],
)
def test_hosts_clock_is_shown_with_the_nearest_year(ours, date, clock, shown):
    payment: Payment = replace(approved_sale(ready_till()), at=ours.timestamp(), host_date=date, host_time=clock)
    slip = slip_of(PROFILE, payment, None, "merchant", duplicate=False)
    assert slip.local_time.strftime("%Y-%m-%d %H:%M:%S") == shown


@pytest.mark.parametrize(
    ("verified_by", "said"),
    [("not_needed", "免密免签:无需密码,无需签名"), ("device", "已在持卡人设备上验证,免密免签"), ("online_pin", ""),
     ("none", ""), ("", "")],
)  # fmt: skip
@pytest.mark.parametrize("copy", ["merchant", "cardholder"])
def test_a_slip_says_why_nobody_signs_where_the_kernel_has_said_so(verified_by: str, said: str, copy: Copy) -> None:
    till = ready_till()
    till.sell(2500, replace(CARD, verified_by=verified_by))
    (payment,) = till.counter.book.payments.values()
    text = plain_text(slip_lines(slip_of(PROFILE, payment, None, copy, duplicate=False)), 32)
    assert ("免密免签" in text) == bool(said)
    assert said in text
