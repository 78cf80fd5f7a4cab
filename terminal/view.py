"""What the page shows: the counter's state as plain, JSON-able values. Nothing here is secret, nothing decides.

Amounts are integer minor units; `at` is UTC seconds; reasons and stages are keys of the page's catalogue.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from terminal import host_parameters, offline_caps, risk
from terminal.book import Payment
from terminal.counter import Counter
from terminal.devices import DeviceHealth, Trouble
from terminal.payment_codes import SHIPPED, CodeTable
from terminal.records import SETTLEMENT_TRACE, Key
from terminal.transitions import State

_NO_TROUBLES: Mapping[str, Trouble] = MappingProxyType({})


def view_of(
    counter: Counter, devices: dict[str, DeviceHealth], troubles: Mapping[str, Trouble] = _NO_TROUBLES
) -> dict[str, Any]:
    """Describe the counter: profile, session, payment in hand, last result, list, totals, settlement, devices."""
    book = counter.book
    profile = host_parameters.in_force(counter.profile, book.parameters)
    payments = [
        payment_view(payment, counter.codes) | {"slip_failed": payment.key in counter.slips.failed}
        for payment in reversed(book.payments.values())
    ]
    draining = [] if book.draining is None else [
        payment_view(payment, counter.codes) | {"voidable": False, "slip_failed": payment.key in counter.slips.failed}
        for payment in reversed(book.draining.payments.values())
        if payment.attention or payment.receipt_due or not (payment.is_final or payment.state is State.ADVICE_DUE)
    ]  # fmt: skip
    return {
        "terminal": {
            "id": profile.terminal_id, "merchant_id": profile.merchant_id, "merchant_zh": profile.merchant_name_zh,
            "merchant_en": profile.merchant_name_en, "currency": profile.currency, "language": profile.language,
            "utc_offset_minutes": profile.utc_offset_minutes, "sale_amount_max": profile.limits.sale_amount_max,
            "means_timeout_s": profile.limits.means_timeout_s, "reply_timeout_s": profile.host.reply_timeout_s,
            "scanner_gap_ms": profile.devices.scanner_keyboard_gap_ms, "cash_drawer": profile.devices.cash_drawer,
        },
        "session": {
            "state": counter.session.state.value, "refusal": counter.session.refusal,
            "orders": list(counter.errands.orders), "trouble": counter.session.trouble,
            "down_since": counter.session.down_since,
        },
        "clock": {"trouble": counter.clock.trouble},
        "batch": book.batch,
        "current": _current(counter),
        "notice": _notice(counter),
        "payments": payments,
        "open": [*(p for p in payments if not p["final"] or p["attention"] or p["receipt_due"]), *draining],
        "totals": _totals(counter),
        "settlement": _settlement(counter),
        "refusal": risk.refusal_of_payment(
            book, profile.limits, counter.refusals.room, counter.session.ready, counter.busy, is_sale=True
        ),
        "offline": _offline(counter),
        "parked": _parked(counter),
        "forwarding": _forwarding(counter),
        "devices": {name: _device(health, troubles.get(name)) for name, health in devices.items()},
    }  # fmt: skip


def _offline(counter: Counter) -> dict[str, Any]:
    """What may still be sold without the bank, and what was sold so and is not there yet."""
    book = counter.book
    owed, caps = book.offline(), counter.refusals.caps(counter.now)
    return {
        "refusal": counter.refusals.of_offline(counter.now), "line_down_since": counter.session.down_since,
        "sale_amount_max": min(caps.sale_amount_max, caps.card_amount_max), "age_max_s": caps.age_max_s,
        "left_amount": max(0, caps.total_amount_max - owed.amount), "left_count": max(0, caps.count_max - owed.count),
        "left_in_hour": offline_caps.left_in_hour(book, caps, counter.now),
        "operator_amount_max": caps.operator_amount_max, "owed_by_operator": offline_caps.by_operator(book),
        "owed_amount": owed.amount, "owed_count": owed.count, "since": owed.since,
        "halved": caps is not counter.profile.offline,
        "lists_until": offline_caps.lists_until(counter.profile.offline, counter.refusals.lists_at),
        "codes": counter.offline_codes.are_taken,
    }  # fmt: skip


def _parked(counter: Counter) -> dict[str, Any]:
    """Which full batches wait to be settled, the oldest first, and what those have lost that were settled since."""
    book = counter.book
    return {
        "batches": len(book.parked), "oldest": next(iter(book.parked), ""),
        "lost_count": book.lost.count, "lost_amount": book.lost.amount, "unbalanced": book.unbalanced,
    }  # fmt: skip


def _forwarding(counter: Counter) -> dict[str, Any]:
    """How much of what is owed to the host waits for its turn, and which lines it can take now.

    `courier`: whether there is one, or should be.
    """
    forwarding = counter.payments.forwarding
    courier = "" if not counter.profile.courier.address else "up" if counter.courier_connected else "down"
    waiting = forwarding.waiting + counter.parked.waiting
    return {"waiting": waiting, "lines": sorted(forwarding.lines), "courier": courier}


def _device(health: DeviceHealth, last: Trouble | None) -> dict[str, Any]:
    """How a device is; of one that works, also what was last wrong with it, and when."""
    told = {"state": health.state, "reason": health.reason}
    return told | {"last_reason": last.reason, "last_at": last.at} if last and health.state == "ready" else told


def _current(counter: Counter) -> dict[str, Any] | None:
    key = counter.payments.current
    if key is None:
        return None
    payment = counter.book.payments[key]
    stage = "chip" if payment.state is State.COMPLETING else counter.stage
    return payment_view(payment, counter.codes) | {
        "stage": stage, "choices": list(counter.choices) if stage == "choose" else [],
        "cancellable": payment.state is State.STARTED,
    }  # fmt: skip


def _notice(counter: Counter) -> dict[str, str] | None:
    notice = counter.notice
    return None if notice is None else {"reason": notice.reason, "key": str(notice.key or "")}


def payment_view(payment: Payment, codes: CodeTable = SHIPPED) -> dict[str, Any]:
    """Describe one payment; card number or code masked."""
    wallet = codes.wallet_of_masked(payment.means) if payment.rules.scan else None
    return {
        "key": str(payment.key), "batch": payment.key.batch, "trace": payment.key.trace, "type": payment.type,
        "amount": payment.amount, "scan": payment.rules.scan, "signature": payment.signature,
        "tapped": payment.entry_mode.startswith("07"),
        "currency": payment.currency, "direction": payment.rules.direction, "state": payment.state.value,
        "means": payment.means, "wallet": {"zh": wallet.name_zh, "en": wallet.name_en} if wallet else None,
        "operator": payment.operator, "at": payment.at, "response_code": payment.response_code,
        "reference": payment.reference, "authorisation": payment.authorisation, "reason": payment.reason,
        "balance": payment.balance, "attention": payment.attention, "receipt_due": payment.receipt_due,
        "voided": payment.voided_by is not None, "refunded": payment.refunded, "final": payment.is_final,
        "needs_people": payment.needs_people, "closed_by_people": _closed_by_people(payment),
        "original": str(payment.original or ""), "recovery": payment.rules.recovery,
        "voidable": not risk.refusal_of_void(payment),
        "offline": payment.rules.is_offline, "has_slip": payment.has_slip,
        "refundable": payment.is_booked_sale and payment.voided_by is None and payment.refunded < payment.amount,
    }  # fmt: skip


def _closed_by_people(payment: Payment) -> dict[str, Any] | None:
    closed = payment.closed_by_people
    return None if closed is None else {
        "booked": closed.booked, "statement": closed.statement, "operator": closed.operator,
        "supervisor": closed.supervisor, "at": closed.at,
    }  # fmt: skip


def _totals(counter: Counter) -> dict[str, int]:
    totals = counter.book.totals()
    return {
        "debit_amount": totals.debit_amount, "debit_count": totals.debit_count,
        "credit_amount": totals.credit_amount, "credit_count": totals.credit_count,
    }  # fmt: skip


def _settlement(counter: Counter) -> dict[str, Any]:
    book = counter.book
    closed, totals = book.last_closed, book.last_settled
    last = None if closed is None or totals is None else {
        "key": str(Key(counter.profile.terminal_id, closed.batch, SETTLEMENT_TRACE)), "batch": closed.batch,
        "balanced": closed.balanced, "at": closed.at, "net": totals.debit_amount - totals.credit_amount,
    }  # fmt: skip
    return {"step": counter.settlement.step.value, "last": last}
