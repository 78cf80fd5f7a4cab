"""From payments and settlements to slips, and from slips to the printer: one job at a time, in order.

The first print of a payment is the receipt; every later one says DUPLICATE, because nobody can know whether the first
was torn off. A printer that fails changes nothing about the money: the payment stays, its receipt stays due.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from firmware_config.profile import TerminalProfile
from terminal.book import Payment
from terminal.devices import Printer, PrinterTrouble
from terminal.devices.escpos import build
from terminal.events import Event, Print, SlipFailed, SlipPrinted
from terminal.host_parameters import in_force
from terminal.journal import Journal
from terminal.payment_codes import SHIPPED, CodeTable
from terminal.receipts import settlement_lines, slip_lines
from terminal.records import BatchClosed, SettleStarted
from terminal.settlement import SETTLEMENT_TRACE
from terminal.slip_layout import Line, plain_text
from terminal.slips import Copy, Entry, SettlementSlip, Shop, Slip, Total
from terminal.transitions import State

JOBS_MAX = 50

TYPE_NAMES = {
    "sale": ("消费", "SALE"),
    "qr_sale": ("消费", "SALE"),
    "sale_void": ("消费撤销", "VOID"),
    "qr_void": ("消费撤销", "VOID"),
    "refund": ("退货", "REFUND"),
    "qr_refund": ("退货", "REFUND"),
}
_COPIES: tuple[Copy, ...] = ("merchant", "cardholder")
_ENTRY_LETTERS: dict[str, Entry] = {"01": "M", "02": "S", "03": "Q", "05": "I", "07": "C"}


class Printing:
    """The queue of slips before the printer."""

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

    def enqueue(self, job: Print) -> None:
        """Take a job; with a full queue it fails at once, and the receipt stays due."""
        if self._jobs.full():
            self._report(SlipFailed(job.key, "queue_full"))
        else:
            self._jobs.put_nowait(job)

    async def run(self) -> None:
        """Print what is enqueued, until cancelled."""
        while True:
            await self._print(await self._jobs.get())

    def lines(self, job: Print) -> list[Line]:
        """The lines of all copies of a slip, under the name in force now; empty for a payment that has none."""
        profile = in_force(self._profile, self._journal.parameters())
        if job.key.trace == SETTLEMENT_TRACE:
            settled = self._journal.settlement_of(job.key.batch)
            return settlement_lines(settlement_slip(profile, *settled, job.duplicate)) if settled else []
        payment = self._journal.payment(job.key)
        if payment is None or payment.type not in TYPE_NAMES or payment.state is not State.APPROVED:
            return []
        original = self._journal.payment(payment.original) if payment.original else None
        return [
            line
            for copy in _COPIES
            for line in slip_lines(slip_of(profile, payment, original, copy, job.duplicate, self._codes))
        ]

    def text(self, job: Print) -> str:
        """The slip as plain text, for the page."""
        return plain_text(self.lines(job), self._profile.devices.paper_columns)

    async def _print(self, job: Print) -> None:
        if self._printer is None:
            self._report(SlipFailed(job.key, "no_printer"))
            return
        lines = self.lines(job)
        if not lines:
            self._report(SlipFailed(job.key, "no_slip"))
            return
        try:
            await self._printer.print(build(lines, self._profile.devices.paper_columns))
        except PrinterTrouble as trouble:
            self._report(SlipFailed(job.key, trouble.reason))
        else:
            self._report(SlipPrinted(job.key, job.duplicate))


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
        local_time=_host_time(profile, payment), batch=payment.key.batch, voucher=payment.key.trace,
        entry=_ENTRY_LETTERS.get(payment.entry_mode[:2], "M"), card=payment.means, issuer=_payer(payment, codes),
        acquirer=payment.issuer[11:].strip(), auth_no=payment.authorisation, reference_no=payment.reference,
        pay_voucher=payment.reference if payment.rules.scan else "",
        original_voucher=back.key.trace if back else "", original_reference_no=back.reference if back else "",
        original_date=back.host_date if back else "",
        ic_lines=tuple(payment.chip.items()), signature_needed=payment.signature, duplicate=duplicate,
    )  # fmt: skip


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


def _host_time(profile: TerminalProfile, payment: Payment) -> datetime:
    """The host's clock is the one that slips show. It sends no year: the nearest one to ours is meant."""
    local = _local(profile, payment.at)
    try:
        clock = datetime.strptime(f"2000{payment.host_date}{payment.host_time}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        candidates = [clock.replace(year=local.year + shift) for shift in (-1, 0, 1)]
    except ValueError:
        return local
    return min(candidates, key=lambda candidate: abs(candidate - local))
