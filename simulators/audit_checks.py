"""What the auditor checks: one function for each rule, from what was seen to what is wrong with it.

The first half is asked at once, with what is about to happen; the second when the world is quiet. To add one: a
function, and its call in `auditor.py` or its line in `CHECKS_AT_THE_END`.
"""

from collections.abc import Callable, Iterable, Mapping

from firmware_config.profile import Limits, Offline
from host_switch.channels import ChannelCall
from host_switch.events import Decision, Persist
from host_switch.invariants import breaches
from host_switch.ledger import CLEARING
from host_switch.records import Entry, Leg, Outcome, Transaction
from iso8583 import Message
from iso8583.response_codes import REVERSAL_DONE
from iso8583.transactions import TYPES, type_of
from paycode import digits
from simulators.observed import Finding, Findings, Name, Observed, Quiet, Stands, name_in, name_of, text_of
from terminal.book import Book
from terminal.downloads import KINDS
from terminal.effects import CompleteCard
from terminal.records import SETTLEMENT_TRACE, ApprovedOffline, BatchClosed, ClosedByPeople, Key
from terminal.slips import Slip
from terminal.transitions import State

_ERRANDS = frozenset(
    {"parameter_download", "status_upload"}.union(*({rules.list_type, rules.item_type} for rules in KINDS.values()))
)
UNBALANCED = "the batch does not balance"

_STANDS: Mapping[State, Stands] = {
    State.STARTED: "open", State.SENT: "open", State.COMPLETING: "open", State.REVERSAL_DUE: "open",
    State.ADVICE_DUE: "open",
    State.APPROVED: "approved", State.DECLINED: "nothing", State.REVERSED: "nothing", State.CANCELLED: "nothing",
}  # fmt: skip


# --- checks as it happens ---------------------------------------------------------------------------------------------


def book_is_what_records_say(observed: Observed, terminal: str, book: Book) -> Findings:
    """I9: after every event and every restart the book stands where the durable records stand, no further, no less."""
    in_memory = {**(book.draining.payments if book.draining else {}), **book.payments}
    for key, payment in in_memory.items():
        seen = observed.payments.get(name_of(key))
        if seen is None or seen.stands != _STANDS[payment.state]:
            durable = "unknown" if seen is None else seen.stands
            yield Finding("I9", str(key), f"the book says {payment.state.value}, the records {durable}")
        elif seen.is_lost and not (payment.attention or payment.closed_by_people):
            yield Finding("I1", str(key), "the goods are gone, nobody pays for them, and nobody is told")
    for name in observed.open:
        if name[0] == terminal and Key(*name) not in in_memory and name[1] not in book.parked:
            yield Finding("I9", text_of(name), "open, and forgotten by the book")
    yield from _parked_is_what_records_say(observed, terminal, book)
    if book.parameters != observed.parameters.get(terminal):
        yield Finding("I9", terminal, "the parameters in the book are not those that were persisted last")


def _parked_is_what_records_say(observed: Observed, terminal: str, book: Book) -> Findings:
    """Which batches are parked, and the money at risk in all of them.

    Until the oldest one is loaded, what has been answered of it since it was parked is still counted.
    """
    if [*book.parked] != observed.parked.get(terminal, []):
        yield Finding("I9", terminal, f"the book says that {', '.join(book.parked) or 'nothing'} is parked")
    owed = [seen.amount for name, seen in observed.open.items() if name[0] == terminal and seen.given_away]
    told = book.offline()
    exact = book.draining is not None or not book.parked
    if (told.count, told.amount) < (len(owed), sum(owed)) or (exact and told.amount != sum(owed)):
        yield Finding("I9", terminal, f"{sum(owed)} is at risk offline, the book says {told.amount}")
    if (book.lost.count, book.lost.amount) != observed.lost.get(terminal, (0, 0)):
        yield Finding("I1", terminal, f"goods over {book.lost.amount} are gone, says the book")


def queues_are_bounded(book: Book, limits: Limits, offline: Offline) -> Findings:
    """I10: no more open payments, payments in a batch, parked batches, money at risk than the profile allows."""
    owed = book.offline()
    if owed.count > offline.count_max or owed.amount > offline.total_amount_max:
        yield Finding("I10", book.batch, f"{owed.count} offline sales over {owed.amount} wait")
    if len(book.payments) > limits.batch_count_max:
        yield Finding("I10", book.batch, f"{len(book.payments)} payments are in the batch")
    if len(book.parked) > limits.parked_batches_max:
        yield Finding("I10", book.batch, f"{len(book.parked)} batches are parked")
    asked, _ = book.asked()
    if asked > limits.open_payments_max:
        yield Finding("I10", book.batch, f"{asked} payments are open")


def card_has_not_taken_too_much(observed: Observed, record: ApprovedOffline, offline: Offline) -> Findings:
    """I10: no card has taken more offline, that the bank has not answered, than one card may."""
    terminal = record.key.terminal
    taken = [
        seen.amount for name, seen in observed.open.items()
        if name[0] == terminal and seen.given_away and seen.card_token == record.card_token
    ]  # fmt: skip
    if len(taken) > offline.card_count_max or sum(taken) > offline.card_amount_max:
        yield Finding("I10", str(record.key), f"one card has taken {len(taken)} offline sales over {sum(taken)}")


def sent_is_durable(observed: Observed, terminal: str, message: Message) -> Findings:
    """I7: a request, a reversal, a settlement leaves only when its record is durable."""
    batch, trace = message.text(60, "")[2:8], message.text(11, "")
    if message.mti in {"0500", "0320"}:
        if (terminal, batch) not in observed.settling:
            yield Finding("I7", f"{terminal}-{batch}", "settles before it is durable")
    elif message.mti.startswith(("02", "04")):
        seen = observed.payments.get((terminal, batch, trace))
        reverses = message.mti.startswith("04")
        if seen is None or not (seen.reversal_due if reverses else seen.sent):
            yield Finding("I7", f"{terminal}-{batch}-{trace}", f"{message.mti} leaves before it is durable")


def courier_carries_what_is_owed(observed: Observed, message: Message) -> Findings:
    """I13: over the courier goes what is owed, and asked for until it ends: nobody waits for it at the counter."""
    name = name_in(message)
    seen = observed.payments.get(name)
    reversal = message.mti.startswith("04") and seen is not None and seen.reversal_due
    repeats = message.mti.startswith("02") and seen is not None and TYPES[seen.type].recovery == "repeat"
    if not (reversal or (repeats and seen is not None and (seen.given_away or message.mti.endswith("1")))):
        yield Finding("I13", text_of(name), f"{message.mti} over the courier, though it is not owed")


def repeats_say_so(observed: Observed, message: Message) -> Findings:
    """I2: what has left before leaves again only with the repeat digit."""
    name = name_in(message)
    if message.mti.startswith(("02", "04")) and message.mti.endswith("0") and (name, message.mti[:2]) in observed.left:
        yield Finding("I2", text_of(name), f"{message.mti} leaves a second time as if it were the first")


def offline_sales_go_in_order(observed: Observed, message: Message) -> Findings:
    """I14: offline sales go for the first time in the order in which they were sold.

    But for one of a younger batch, when people were called about what waits in an older one.
    """
    name = name_in(message)
    seen = observed.payments.get(name)
    if not message.mti.startswith("02") or seen is None or not seen.given_away or (name, "02") in observed.left:
        return
    for other, older in observed.open.items():
        if other == name:
            return
        waits = other[0] == name[0] and older.given_away and (other, "02") not in observed.left
        if waits and not (other[1] != name[1] and _people_were_called(observed, name)):
            yield Finding("I14", text_of(name), f"goes before {text_of(other)}, which was sold before")


def _people_were_called(observed: Observed, name: Name) -> bool:
    """About something that is open in another batch of this terminal."""
    others = (seen for other, seen in observed.open.items() if other[0] == name[0] and other[1] != name[1])
    return any(seen.called for seen in others)


def errand_waits_for_the_payment(observed: Observed, terminal: str, message: Message) -> Findings:
    """I12: no errand in the middle of a payment: one that is open, and not merely owed a reversal or a repeat."""
    kind = type_of(message)
    if kind is None or kind.name not in _ERRANDS:
        return
    for name, seen in observed.open.items():
        owed = seen.reversal_due or (seen.sent and TYPES[seen.type].recovery == "repeat")
        if name[0] == terminal and not owed:
            yield Finding("I12", text_of(name), f"{kind.name} while this payment is in hand")


def parameters_are_durable(observed: Observed, terminal: str, message: Message) -> Findings:
    """I12: a terminal says that it has its parameters (361) only when some that the host has served are durable."""
    if message.mti != "0800" or message.text(60, "")[8:11] != "361":
        return
    own, served = observed.parameters.get(terminal), observed.served.get(terminal, ())
    if own is None or not any(
        own.merchant_name == given.merchant_name and given.reply_timeout_s in {None, own.reply_timeout_s}
        for given in served
    ):
        yield Finding("I12", terminal, "says that it has its parameters before they are durable")


def download_is_durable(observed: Observed, terminal: str, message: Message) -> Findings:
    """I12: a terminal says that it has a set (371, 381, 391) only when it has kept one since it asked for it."""
    code = message.text(60, "")[8:11] if message.mti in {"0800", "0820"} else ""
    for kind, rules in KINDS.items():
        if code == rules.end_code and (terminal, kind) not in observed.kept:
            yield Finding("I12", terminal, f"says that it has its {kind} before they are durable")
        elif code and code in {rules.list_code, rules.item_code}:
            observed.kept.discard((terminal, kind))


def printed_is_durable(observed: Observed, key: Key) -> Findings:
    """I7: a slip is printed only for an approval that is durable, be it the host's or the chip's."""
    seen = observed.payments.get(name_of(key))
    if key.trace != SETTLEMENT_TRACE and (seen is None or not (seen.stands == "approved" or seen.given_away)):
        yield Finding("I7", str(key), "printed before the approval is durable")


def chip_hears_what_is_durable(observed: Observed, key: Key | None, word: CompleteCard) -> Findings:
    """I7: the chip is asked to confirm only an approval that is durable."""
    seen = observed.payments.get(name_of(key)) if key else None
    if word.approved and (seen is None or not seen.chip_asked):
        yield Finding("I7", str(key), "the chip hears of an approval before it is durable")


def slips_agree(slips: Iterable[Slip], fresh: Slip) -> Findings:
    """I6: one original of each slip, and every later one says the same and DUPLICATE."""
    name = (fresh.shop.terminal_no, fresh.batch, fresh.voucher)
    before = [s for s in slips if (s.shop.terminal_no, s.batch, s.voucher) == name]
    if before and not fresh.duplicate:
        yield Finding("I6", text_of(name), "a second slip is not marked as a duplicate")
    references = {s.reference_no for s in (*before, fresh)} - {""}  # an offline sale has none before the bank has it
    if len(references) > 1 or any((s.amount, s.type_en) != (fresh.amount, fresh.type_en) for s in before):
        yield Finding("I6", text_of(name), "two slips contradict each other")


def row_keeps_its_word(before: Transaction, row: Transaction) -> Findings:
    """I2: a key has one row, and an answer that was given stays as it was."""
    if row.number != before.number:
        yield Finding("I2", str(row.key), "the host keeps a second transaction under this key")
    if before.reply and row.reply != before.reply:
        yield Finding("I2", str(row.key), "the stored answer was changed")


def no_more_is_given_back_than_paid(observed: Observed, row: Transaction) -> Findings:
    """I2: voids and refunds of a sale, also those under way, come to no more than the sale."""
    if not row.original:
        return
    sale = observed.rows[observed.names[row.original]]
    standing = (Outcome.PENDING, Outcome.APPROVED)
    given = sum(r.amount for r in observed.rows.values() if r.original == sale.number and r.outcome in standing)
    if given > sale.amount:
        yield Finding("I2", str(sale.key), f"{given} given back, {sale.amount} paid")


def entry_is_balanced(entry: Entry) -> Findings:
    """I5: an entry sums to zero."""
    if sum(posting.amount for posting in entry.postings):
        yield Finding("I5", str(entry.key), "an entry does not sum to zero")


def answer_is_stored(observed: Observed, message: Message, body: bytes) -> Findings:
    """I7 and I2: an answer leaves only when it is stored, and the second answer is the first, byte for byte."""
    if message.mti not in {"0210", "0230", "0410"} or 64 not in message or message.get(39) == "94":
        return
    name = name_in(message)
    row = observed.rows.get(name)
    if message.mti == "0410":
        yield from _reversal_answer_is_stored(observed, name, row, message)
    elif row is None or row.reply != body:
        yield Finding("I7", text_of(name), "an answer leaves that is not the stored one")
    elif observed.answers.setdefault(name, body) != body:
        yield Finding("I2", text_of(name), "a repeated request gets another answer")
    elif message.get(39) == "00":
        observed.approvals.add(name)


def _reversal_answer_is_stored(observed: Observed, name: Name, row: Transaction | None, message: Message) -> Findings:
    if message.get(39) not in REVERSAL_DONE:
        return
    observed.reversals_answered.add(name)
    if row is None or (message.get(39) == "00" and row.outcome not in {Outcome.REVERSED, Outcome.DECLINED}):
        yield Finding("I7", text_of(name), "a reversal is confirmed before it is stored")


def forgotten_is_durable(observed: Observed, decision: Decision) -> Findings:
    """I7: the courier may forget a message only when what was decided about it is durable."""
    persists = any(isinstance(effect, Persist) for effect in decision.effects)
    if persists and not any(decision is durable for durable in reversed(observed.decisions)):
        yield Finding("I7", "host", "acknowledges a message before what it decided is durable")


def call_is_stored(observed: Observed, call: ChannelCall) -> Findings:
    """I7: a call leaves only when what it is about is durable, and a debt is called only while it is owed."""
    row = observed.rows.get(observed.names.get(int(call.reference), ("", "", "")))
    if row is None:
        yield Finding("I7", call.reference, "a call leaves before it is durable")
    elif call.reverse and row.leg is not Leg.REVERSAL_DUE:
        yield Finding("I7", str(row.key), "a reversal is called before it is durable")


def code_pays_once(observed: Observed, call: ChannelCall) -> Findings:
    """I2: the issuer is asked to pay by a code of a phone without a network at most once, whatever came of it."""
    name = observed.names.get(int(call.reference))
    if name is None or call.reverse or not digits.is_digits(observed.codes.get(name, "")):
        return
    code = observed.codes[name]
    paid = observed.handles_paid.setdefault(code[: digits.PREFIX_DIGITS + digits.HANDLE_DIGITS], name)
    if paid != name:
        yield Finding("I2", text_of(name), f"its code has paid already, in {text_of(paid)}")


# --- checks at the end ------------------------------------------------------------------------------------------------


def approved_is_posted_once(quiet: Quiet) -> Findings:
    """I1: what the terminal holds for approved stands in the ledger, once and in full."""
    for name, seen in quiet.observed.payments.items():
        posted = quiet.observed.ledger.get(name, 0)
        if seen.stands == "approved" and posted != seen.net:
            yield Finding("I1", text_of(name), f"approved over {seen.net}, posted {posted}")


def slips_are_posted(quiet: Quiet) -> Findings:
    """I1: whoever holds a slip is right, but for goods that went out on the chip's word and that nobody pays for."""
    for slip in quiet.observed.slips:
        name = (slip.shop.terminal_no, slip.batch, slip.voucher)
        seen = quiet.observed.payments.get(name)
        if seen is not None and seen.is_lost:
            continue
        if quiet.observed.ledger.get(name, 0) != slip.amount:
            yield Finding("I1", text_of(name), f"printed {slip.amount}, posted {quiet.observed.ledger.get(name, 0)}")


def goods_are_lost_by_the_issuers_word(quiet: Quiet) -> Findings:
    """I1: what was sold offline and is not paid, the issuer has declined, or two people have closed so."""
    closed = {r.key for records in quiet.observed.records.values() for r in records if isinstance(r, ClosedByPeople)}
    for name, seen in quiet.observed.payments.items():
        row = quiet.observed.rows.get(name)
        declined = row is not None and row.outcome is Outcome.DECLINED and row.leg is not Leg.NONE
        if seen.is_lost and not declined and Key(*name) not in closed:
            yield Finding("I1", text_of(name), "sold offline and given up, though its issuer has not declined it")


def postings_have_a_payment(quiet: Quiet) -> Findings:
    """I3: nothing stands in the ledger that does not stand at its terminal."""
    for name, posted in quiet.observed.ledger.items():
        seen = quiet.observed.payments.get(name)
        if posted and (seen is None or seen.stands != "approved"):
            yield Finding("I3", text_of(name), f"posted {posted}, but it does not stand at the terminal")


def issuer_agrees_with_ledger(quiet: Quiet) -> Findings:
    """I2 and I3: what the issuer moved for a payment is what the ledger says, but where it said two things itself."""
    rows = {row.reference: name_of(row.key) for row in quiet.observed.rows.values()}
    moved = {reference: 0 if m.reversed else -m.amount for reference, m in quiet.movements.items()}
    for reference in sorted((rows.keys() | moved.keys()) - quiet.lied_about):
        name = rows.get(reference, ("", "", reference))
        posted = quiet.observed.ledger.get(name, 0)
        if moved.get(reference, 0) != posted:
            yield Finding("I3", text_of(name), f"the issuer moved {moved.get(reference, 0)}, the ledger {posted}")


def nothing_is_open(quiet: Quiet) -> Findings:
    """I4: in a quiet world neither side has an open payment."""
    for name in quiet.observed.open:
        yield Finding("I4", text_of(name), "still open at the terminal")
    for row in quiet.books.transactions:
        if row.due_at is not None or row.outcome is Outcome.PENDING:
            yield Finding("I4", str(row.key), f"still owed at the host: {row.outcome.value}, {row.leg.value}")


def batches_balance(quiet: Quiet) -> Findings:
    """I6: terminal and host agree about every batch."""
    for terminal, records in quiet.observed.records.items():
        for record in records:
            if isinstance(record, BatchClosed) and not record.balanced:
                yield Finding("I6", f"{terminal}-{record.batch}", UNBALANCED)


def store_is_what_was_committed(quiet: Quiet) -> Findings:
    """I9: the host's store holds every row as it was committed last, and the ledger every posting."""
    stored = {name_of(row.key): (row.outcome, row.leg, row.reply) for row in quiet.books.transactions}
    for name, row in quiet.observed.rows.items():
        if stored.get(name) != (row.outcome, row.leg, row.reply):
            yield Finding("I9", text_of(name), "the host's store does not hold what was committed")
    ledger: dict[Name, int] = {}
    for record in quiet.books.records:
        if record.account != CLEARING:
            ledger[name_of(record.key)] = ledger.get(name_of(record.key), 0) - record.amount
    if ledger != quiet.observed.ledger:
        yield Finding("I9", "ledger", "the host's ledger does not hold what was posted")


def journals_are_what_was_written(quiet: Quiet) -> Findings:
    """I9: every journal holds exactly the records that were written."""
    for terminal, journal in quiet.journals.items():
        if list(journal) != quiet.observed.records.get(terminal, []):
            yield Finding("I9", terminal, "the journal does not hold what was written")


def no_card_data_is_kept(quiet: Quiet) -> Findings:
    """I8: no journal holds what a card or a wallet said in confidence."""
    for terminal, records in quiet.observed.records.items():
        written = str(records)  # which shows every field: a record hides nothing from its journal
        for secret in sorted(quiet.observed.secrets):
            if secret in written:
                yield Finding("I8", terminal, "the journal holds card data in clear")


def books_validate(quiet: Quiet) -> Findings:
    """I2, I3, I5, I8, I11: the validations that the host itself runs in production."""
    for breach in breaches(quiet.books):
        yield Finding("I5", breach.where, f"{breach.validation}: {breach.text}")


CHECKS_AT_THE_END: tuple[Callable[[Quiet], Findings], ...] = (
    approved_is_posted_once,
    slips_are_posted,
    goods_are_lost_by_the_issuers_word,
    postings_have_a_payment,
    issuer_agrees_with_ledger,
    nothing_is_open,
    batches_balance,
    store_is_what_was_committed,
    journals_are_what_was_written,
    no_card_data_is_kept,
    books_validate,
)
