"""Settlement and batch upload: the terminal's sums beside ours, its lines beside ours, then the next batch begins.

None of it moves money: the ledger was written with each transaction. What differs becomes an event for a person. Every
message may come again, and gets an answer that says the same.
"""

from collections.abc import Iterable
from dataclasses import replace

from host_switch.answers import SIGN_ON, clock_fields, refuse, send_plain
from host_switch.events import Change, Effect, FrameReceived, Persist, PutDetails
from host_switch.facts import BatchRow, Facts, batch_number
from host_switch.records import Batch, Detail, Event, Key, Outcome, Terminal
from iso8583 import Iso8583Error
from iso8583.transactions import TYPES, missing_fields
from iso8583.unionpay import Details48, Totals, Totals48

BALANCED, UNBALANCED = "1", "2"
SETTLEMENT = "000000"  # the trace number under which events about a whole batch are kept
_UPLOAD_DETAILS, _END_UNBALANCED = "201", "202"


def settlement(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide a settlement request or a message of the batch upload."""
    assert event.rules is not None
    if missing_fields(event.message, event.rules) or len(event.message.text(60)) < 11:
        return refuse(event, "30", kind="fields missing or too many")
    known = facts.batch is not None or batch_number(event.message) == terminal.batch
    if not known:
        return refuse(event, "77", SIGN_ON, "unknown batch")
    try:
        if event.rules.name == "settle":
            return _settle(event, terminal, facts, now)
        return _upload(event, terminal, facts, now)
    except Iso8583Error:
        return refuse(event, "30", kind="field 48 broken")


def _settle(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    claimed = Totals48.parse(event.message.text(48))
    ours = our_totals(facts.batch_rows)
    domestic = _same(claimed.domestic, ours)
    foreign = _same(claimed.foreign, Totals())
    answer = Totals48(_judged(claimed.domestic, domestic), _judged(claimed.foreign, foreign)).to_text()
    reply = send_plain(event, clock_fields(facts.policy, now) | {48: answer}, terminal.command)
    if facts.batch is not None and facts.batch.closed_at is not None:
        return (reply,)
    batch = Batch(terminal.id, batch_number(event.message), event.message.text(48), domestic and foreign, now)
    return Persist((batch, *_unbalanced_event(batch, now))), reply


def our_totals(rows: Iterable[BatchRow]) -> Totals:
    """Our sums of a batch: approved sales as debits, approved voids and refunds as credits."""
    amounts = {"debit": 0, "credit": 0, "none": 0}
    counts = dict(amounts)
    for row in rows:
        if row.outcome is Outcome.APPROVED:
            amounts[TYPES[row.kind].direction] += row.amount
            counts[TYPES[row.kind].direction] += 1
    return Totals(amounts["debit"], counts["debit"], amounts["credit"], counts["credit"])


def _same(claimed: Totals, ours: Totals) -> bool:
    return replace(claimed, result="0") == replace(ours, result="0")


def _judged(claimed: Totals, same: bool) -> Totals:
    return replace(claimed, result=BALANCED if same else UNBALANCED)


def _unbalanced_event(batch: Batch, now: float) -> tuple[Event, ...]:
    key = Key(batch.terminal, batch.number, SETTLEMENT)
    return () if batch.balanced else (Event("attention", "batch unbalanced", key, now, batch.claimed),)


def _upload(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    changes = _lines(event, terminal, facts, now)
    if event.message.text(60)[8:11] != _UPLOAD_DETAILS:
        changes = _close(event, terminal, facts, now)
    reply = send_plain(event, clock_fields(facts.policy, now) | {39: "00"}, terminal.command)
    return (Persist(changes), reply) if changes else (reply,)


def _lines(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Change, ...]:
    if event.message.text(60)[8:11] != _UPLOAD_DETAILS:
        return ()
    number = batch_number(event.message)
    sent = Details48.parse(event.message.text(48)).records
    fresh = tuple(Detail(line.trace, line.amount) for line in sent if line.trace not in facts.details)
    ours = {row.trace: row.amount for row in facts.batch_rows if row.outcome is Outcome.APPROVED}
    wrong = [line for line in fresh if ours.get(line.trace) != line.amount]
    events = (Event("attention", "uploaded but not ours", Key(terminal.id, number, line.trace), now) for line in wrong)
    return (PutDetails(terminal.id, number, fresh), *events) if fresh else ()


def _close(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Change, ...]:
    """The end of the upload: the batch is closed, and the terminal's next one begins. Again: nothing changes."""
    number = batch_number(event.message)
    if number != terminal.batch:
        return ()
    balanced = event.message.text(60)[8:11] != _END_UNBALANCED
    settled = facts.batch or Batch(terminal.id, number, "", balanced, now)
    key = Key(terminal.id, number, SETTLEMENT)
    reasons = {"approved but not uploaded": _not_uploaded(facts), "batch changed after the sums": _moved(facts)}
    events = (Event("attention", reason, key, now, text) for reason, text in reasons.items() if text)
    return replace(settled, closed_at=now), replace(terminal, batch=next_batch(number)), *events


def _moved(facts: Facts) -> str:
    """What the terminal claimed, if we found it equal and our sums are others now; else ""."""
    if facts.batch is None or not facts.batch.balanced or not facts.batch.claimed:
        return ""
    same = _same(Totals48.parse(facts.batch.claimed).domestic, our_totals(facts.batch_rows))
    return "" if same else facts.batch.claimed


def _not_uploaded(facts: Facts) -> str:
    """How many approved transactions no line of the upload named, as text; "" if none.

    A batch whose sums we have found equal is closed without any line.
    """
    if facts.batch is not None and facts.batch.balanced:
        return ""
    approved = {row.trace for row in facts.batch_rows if row.outcome is Outcome.APPROVED and _counts(row)}
    missing = approved - facts.details.keys()
    return str(len(missing)) if missing else ""


def _counts(row: BatchRow) -> bool:
    return TYPES[row.kind].direction != "none"


def next_batch(number: str) -> str:
    """The batch number after `number`; 999999 is followed by 000001."""
    return f"{int(number) % 999_999 + 1:06d}"
