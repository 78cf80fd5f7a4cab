"""From payments and settlements to slips, and from slips to the printer: one job at a time, in order.

Which slip is next, and whether it says DUPLICATE, is decided in `terminal/slip_queue.py`. A printer that fails changes
nothing about the money: the payment stays, its receipt stays due.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from firmware_config.printer_models import MODELS
from firmware_config.profile import TerminalProfile
from terminal.book import Payment
from terminal.devices import Printer, PrinterTrouble
from terminal.devices.escpos import build
from terminal.effects import Print
from terminal.events import DrawerStuck, Event, SlipFailed, SlipPrinted, SlipReady
from terminal.host_parameters import in_force
from terminal.journal import Journal
from terminal.payment_codes import SHIPPED, CodeTable
from terminal.receipts import settlement_lines, slip_lines
from terminal.records import SETTLEMENT_TRACE, BatchClosed, Key, SettleStarted
from terminal.slip_layout import DrawerKick, Line, plain_text
from terminal.slip_queue import NO_PRINTER, NO_SLIP
from terminal.slips import Copy, Entry, SettlementSlip, Shop, Slip, Total
from terminal.transitions import State

JOBS_MAX = 50
NOTED_S = 5.0
"""How long the counter may take to note that a slip begins. It takes one write to the journal."""

TYPE_NAMES = {
    "sale": ("消费", "SALE"),
    "qr_sale": ("消费", "SALE"),
    "offline_sale": ("离线消费", "OFFLINE SALE"),
    "offline_code_sale": ("离线码消费", "OFFLINE CODE SALE"),
    "sale_void": ("消费撤销", "VOID"),
    "qr_void": ("消费撤销", "VOID"),
    "refund": ("退货", "REFUND"),
    "qr_refund": ("退货", "REFUND"),
}
_COPIES: tuple[Copy, ...] = ("merchant", "cardholder")
_ENTRY_LETTERS: dict[str, Entry] = {"01": "M", "02": "S", "03": "Q", "05": "I", "07": "C"}


class Printing:
    """The way of a slip from the counter to the printer, and of what the printer says back to the counter."""

    def __init__(
        self, profile: TerminalProfile, journal: Journal, printer: Printer | None, report: Callable[[Event], None],
        codes: CodeTable = SHIPPED,
    ) -> None:  # fmt: skip
        self._profile = profile
        self._journal = journal
        self._printer = printer
        self._report = report
        self._codes = codes
        self._jobs: asyncio.Queue[Print] = asyncio.Queue(JOBS_MAX)
        self._in_hand: Print | None = None
        self._noted: asyncio.Future[None] | None = None

    def enqueue(self, job: Print) -> None:
        """Take a job; with a full queue it fails at once, and the receipt stays due.

        The slip that is being printed is not taken a second time: a counter that has started over asks for it again.
        """
        if self._in_hand and self._in_hand.key == job.key:
            return
        if self._jobs.full():
            self._report(SlipFailed(job.key, "queue_full"))
        else:
            self._jobs.put_nowait(job)

    def begin(self, key: Key) -> None:
        """That this slip begins is durable now: its bytes may go to the printer."""
        if self._noted and self._in_hand and self._in_hand.key == key and not self._noted.done():
            self._noted.set_result(None)

    async def run(self) -> None:
        """Print what is enqueued, until cancelled."""
        while True:
            self._in_hand = await self._jobs.get()
            said = await self._print(self._in_hand)
            self._in_hand = None
            self._report(said)

    def lines(self, job: Print) -> list[Line]:
        """The lines of all copies of a slip, under the name in force now; empty for a payment that has none."""
        profile = in_force(self._profile, self._journal.parameters())
        if job.key.trace == SETTLEMENT_TRACE:
            settled = self._journal.settlement_of(job.key.batch)
            return settlement_lines(settlement_slip(profile, *settled, job.duplicate)) if settled else []
        payment = self._with_slip(job.key)
        if payment is None:
            return []
        original = self._original_of(payment)
        return [
            line
            for copy in _COPIES
            for line in slip_lines(slip_of(profile, payment, original, copy, job.duplicate, self._codes))
        ]

    def facts(self, key: Key) -> Slip | None:
        """What the cardholder's copy of a payment's slip states; None for a payment that has no slip."""
        payment = self._with_slip(key)
        if payment is None:
            return None
        profile = in_force(self._profile, self._journal.parameters())
        return slip_of(profile, payment, self._original_of(payment), "cardholder", duplicate=False, codes=self._codes)

    def _with_slip(self, key: Key) -> Payment | None:
        payment = self._journal.payment(key)
        has_one = payment is not None and payment.type in TYPE_NAMES and payment.has_slip
        return payment if has_one else None

    def _original_of(self, payment: Payment) -> Payment | None:
        return self._journal.payment(payment.original) if payment.original else None

    def text(self, job: Print) -> str:
        """The slip as plain text, for the page."""
        return plain_text(self.lines(job), self._profile.devices.paper_columns)

    async def _print(self, job: Print) -> Event:
        if self._printer is None:
            return SlipFailed(job.key, NO_PRINTER)
        lines = self.lines(job)
        if not lines:
            return SlipFailed(job.key, NO_SLIP)
        try:
            await self._printer.print(self._job(lines), self._until_noted)
        except PrinterTrouble as trouble:
            return SlipFailed(job.key, trouble.reason)
        return SlipPrinted(job.key, job.duplicate)

    async def open_drawer(self) -> None:
        """Open the cash drawer that hangs on the printer, after the slip that is being printed; report DrawerStuck."""
        try:
            if self._printer is None:
                raise PrinterTrouble(NO_PRINTER)
            await self._printer.print(self._job([DrawerKick()]))
        except PrinterTrouble:
            self._report(DrawerStuck())

    def _job(self, lines: list[Line]) -> bytes:
        where = self._profile.devices
        return build(lines, where.paper_columns, MODELS[where.printer_model])

    async def _until_noted(self) -> None:
        """The printer is ready: let the counter note that the slip begins, and wait until it has."""
        assert self._in_hand, "asked by the printer that has the job"
        self._noted = asyncio.get_running_loop().create_future()
        self._report(SlipReady(self._in_hand.key))
        try:
            async with asyncio.timeout(NOTED_S):
                await self._noted
        except TimeoutError:
            raise PrinterTrouble("not_noted") from None
        finally:
            self._noted = None


def slip_of(
    profile: TerminalProfile, payment: Payment, original: Payment | None, copy: Copy, duplicate: bool,
    codes: CodeTable = SHIPPED,
) -> Slip:  # fmt: skip
    """State the facts of a payment on one copy of its slip."""
    zh, en = TYPE_NAMES[payment.type]
    back = original if payment.rules.direction == "credit" else None
    return Slip(
        copy=copy, shop=_shop(profile), operator_no=payment.operator, type_zh=zh, type_en=en,
        amount=-payment.amount if payment.rules.direction == "credit" else payment.amount, currency=payment.currency,
        local_time=_time_of(profile, payment), batch=payment.key.batch, voucher=payment.key.trace,
        entry=_ENTRY_LETTERS.get(payment.entry_mode[:2], "M"), card=payment.means, issuer=_payer(payment, codes),
        acquirer=payment.issuer[11:].strip(), auth_no=payment.authorisation, reference_no=payment.reference,
        pay_voucher=payment.reference if payment.rules.scan else "",
        original_voucher=back.key.trace if back else "", original_reference_no=back.reference if back else "",
        original_date=back.host_date if back else "",
        response_texts=_offline(payment) + _by_statement(payment), ic_lines=tuple(payment.chip.items()),
        signature_needed=payment.signature, small_amount=payment.verified_by == "not_needed",
        device_verified=payment.verified_by == "device", duplicate=duplicate,
    )  # fmt: skip


def _offline(payment: Payment) -> tuple[str, ...]:
    """What was sold on the chip's word says so for good; until the bank has booked it there is no reference."""
    if not payment.rules.is_offline:
        return ()
    waits = ("银行尚未确认", "NOT YET CONFIRMED BY THE BANK") if payment.state is State.ADVICE_DUE else ()
    return ("离线交易/OFFLINE", *waits)


def _by_statement(payment: Payment) -> tuple[str, ...]:
    """Where the acquirer's statement said that it was booked, the slip says so: there was no answer of the bank."""
    closed = payment.closed_by_people
    return ("凭收单对账单入账", "BOOKED BY STATEMENT", closed.statement) if closed else ()


def _payer(payment: Payment, codes: CodeTable) -> str:
    """The card's issuer (first half of field 44), or the wallet that showed the code."""
    wallet = codes.wallet_of_masked(payment.means) if payment.rules.scan else None
    return f"{wallet.name_zh} {wallet.name_en}" if wallet else payment.issuer[:11].strip()


def settlement_slip(
    profile: TerminalProfile, totals: SettleStarted, closed: BatchClosed, duplicate: bool
) -> SettlementSlip:
    """State the facts of a settlement."""
    return SettlementSlip(
        shop=_shop(profile), operator_no=totals.operator, batch=totals.batch, local_time=_local(profile, closed.at),
        currency=profile.currency, result="balanced" if closed.balanced else "unbalanced",
        domestic=(
            Total("消费", "SALE", totals.debit_count, totals.debit_amount),
            Total("撤销和退货", "VOID, REFUND", totals.credit_count, -totals.credit_amount),
        ),
        duplicate=duplicate,
    )  # fmt: skip


def _shop(profile: TerminalProfile) -> Shop:
    return Shop(profile.merchant_name_zh, profile.merchant_name_en, profile.merchant_id, profile.terminal_id)


def _local(profile: TerminalProfile, at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC) + timedelta(minutes=profile.utc_offset_minutes)


def _time_of(profile: TerminalProfile, payment: Payment) -> datetime:
    """The host's clock is the one that slips show. It sends no year: the nearest one to ours is meant.

    But an offline sale was made when it was made, not when the host heard of it.
    """
    local = _local(profile, payment.at)
    if payment.rules.is_offline:
        return local
    try:
        clock = datetime.strptime(f"2000{payment.host_date}{payment.host_time}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        candidates = [clock.replace(year=local.year + shift) for shift in (-1, 0, 1)]
    except ValueError:
        return local
    return min(candidates, key=lambda candidate: abs(candidate - local))
