"""Financial requests: is it authentic, have we had it before, may it be, and the call to the issuer that it becomes.

The checks stand in tables, in the order in which they are made; each returns the response code of a refusal, or "".
A refusal after the MAC was good is kept like any other answer: the same request later, when the circumstances have
changed, gets the same refusal, because that is what the terminal was told.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from host_switch.answers import SIGN_ON, financial_reply, refuse, refuse_in_kind, send_signed
from host_switch.channels import ChannelCall
from host_switch.ciphers import clear_track, terminal_mac, zone_pin_block
from host_switch.events import CallChannel, Effect, FrameReceived, Persist, Report
from host_switch.facts import Facts
from host_switch.records import Event, Key, Leg, Outcome, Terminal, Transaction
from iso8583 import Iso8583Error, Message
from iso8583.masking import mask_code, mask_pan
from iso8583.tlv import parse_text_tlv
from iso8583.transactions import TransactionType, missing_fields
from iso8583.unionpay import mac_state

# What must be equal when a terminal repeats itself. Not here: what it encrypts or signs under keys that a new sign-on
# changes (35, 36, 52, 53, 64), and the expiry (14), which it does not keep for a repeat.
_CONTENT = (2, 3, 4, 22, 25, 37, 38, 42, 49, 55, 60, 61)

_FIRST_LEG = {"reverse": Leg.CALLED, "repeat": Leg.ADVICE_DUE, "none": Leg.NONE}
_GIVES_BACK = {"sale_void": "sale", "refund": "sale", "qr_void": "qr_sale", "qr_refund": "qr_sale"}
_STANDING = frozenset({Outcome.PENDING, Outcome.APPROVED})


def untrusted(event: FrameReceived, terminal: Terminal) -> tuple[Effect, ...]:
    """The refusal of a message that must carry a good MAC and does not; empty if it does."""
    if terminal.keys is None:
        return refuse(event, "A0", SIGN_ON, "not signed on")
    state = mac_state(event.data, event.message, terminal.keys.mac_key, terminal_mac)
    return () if state == "good" else refuse(event, "A0", SIGN_ON, f"MAC {state}", "security")


def request(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide a financial request whose MAC is good."""
    assert facts.terminal is not None
    if not well_formed(event.message, rules):
        return refuse_in_kind(event, facts.terminal, "30", "fields missing or too many")
    if facts.stored is not None:
        return _known(event, rules, facts.stored, facts, now)
    row = opened(event, rules, facts, now)
    code = _first_refusal(event, rules, facts)
    if code:
        return _declined(row, code, facts, now)
    try:
        call = _call(row, event, facts)
    except (Iso8583Error, ValueError):
        return _declined(row, "99", facts, now)
    return Persist((row,)), CallChannel(call)


def well_formed(message: Message, rules: TransactionType) -> bool:
    """Whether all fields of the type are there, none too many, and fields 60 and 61 long enough to name a batch."""
    if missing_fields(message, rules) or len(message.text(60)) < 11:
        return False
    return 61 not in message or len(message.text(61)) >= 12


def _known(
    event: FrameReceived, rules: TransactionType, stored: Transaction, facts: Facts, now: float
) -> tuple[Effect, ...]:
    """The same key again: the stored answer, or silence while there is none yet, or a refusal."""
    if stored.kind != "reversal" and stored.content != content_hash(event.message, facts.policy.content_key):
        note = Event("security", "same key, other content", stored.key, now)
        return Persist((note,)), *_answer_94(event, rules, facts, now)
    if stored.outcome is Outcome.REVERSED:
        report = Report("note", "late original refused", event.connection, stored.key.terminal, "94")
        return report, *_answer_94(event, rules, facts, now)
    here = moved_here(stored, event)
    if stored.outcome is Outcome.PENDING:
        return () if here == stored else (Persist((here,)),)
    return _resend(here, facts)


def _resend(row: Transaction, facts: Facts) -> tuple[Effect, ...]:
    assert facts.terminal is not None
    return send_signed(row, row.reply, facts.terminal)


def _answer_94(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> tuple[Effect, ...]:
    assert facts.terminal is not None
    row = opened(event, rules, facts, now)
    return send_signed(row, financial_reply(row, "94", facts, now), facts.terminal)


def moved_here(row: Transaction, event: FrameReceived) -> Transaction:
    """The row with its answer addressed to where the newest request came from."""
    return replace(row, connection=event.connection, tpdu=event.tpdu, header=event.header)


def _declined(row: Transaction, code: str, facts: Facts, now: float) -> tuple[Effect, ...]:
    assert facts.terminal is not None
    reply = financial_reply(row, code, facts, now)
    declined = replace(
        row, outcome=Outcome.DECLINED, leg=Leg.NONE, response_code=code, reply=reply, due_at=None, pan=""
    )
    return Persist((declined,)), *send_signed(declined, reply, facts.terminal)


def opened(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> Transaction:
    """The row of a new request, pending, with the time at which silence of the issuer has a consequence."""
    message = event.message
    amount, pan = message.text(4, "0"), _pan(message)
    return Transaction(
        key=Key(message.text(41), message.text(60)[2:8], message.text(11)), number=facts.number, kind=rules.name,
        outcome=Outcome.PENDING, leg=_FIRST_LEG[rules.recovery], merchant=message.text(42), amount=int(amount),
        currency=message.text(49), block60=message.text(60),
        content=content_hash(message, facts.policy.content_key), created_at=now, connection=event.connection,
        tpdu=event.tpdu, header=event.header, processing_code=message.text(3), entry_mode=message.text(22),
        masked=mask_pan(pan) if pan else mask_code(_code(message)), pan=pan,
        original=facts.original.number if facts.original else 0,
        due_at=now + _patience_s(rules, facts), attempts=1,
    )  # fmt: skip


def _patience_s(rules: TransactionType, facts: Facts) -> float:
    return facts.policy.retry_first_s if rules.recovery == "repeat" else facts.policy.channel_timeout_s


def content_hash(message: Message, key: bytes) -> bytes:
    """A keyed hash of what a request asks for: keyed, so that it is no oracle for card numbers."""
    parts = [message.get(number, "") for number in _CONTENT]
    text = "\x1f".join(part if isinstance(part, str) else part.hex() for part in [*parts, _code(message)])
    return hashlib.blake2b(text.encode(), digest_size=16, key=key).digest()


def _code(message: Message) -> str:
    """The payment code (or the voucher) of a request by code, "" if there is none or field 59 is broken."""
    if 59 not in message:
        return ""
    try:
        parts = parse_text_tlv(message.text(59))
    except Iso8583Error:
        return ""
    return parts.get("A3") or parts.get("A4", "")


def _pan(message: Message) -> str:
    """The card number: field 2, or what stands before the separator of track 2 (never among the encrypted digits)."""
    return message.text(2, "") or message.text(35, "").replace("=", "D").partition("D")[0]


# --- checks -----------------------------------------------------------------------------------------------------------

Check = Callable[[FrameReceived, TransactionType, Facts], str]


def _merchant(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    assert facts.terminal is not None
    return "" if event.message[42] == facts.terminal.merchant else "03"


def _batch(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    assert facts.terminal is not None
    return "" if event.message.text(60)[2:8] == facts.terminal.batch else "77"


def _currency(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    return "" if event.message[49] == facts.policy.currency else "A1"


def _amount(event: FrameReceived, rules: TransactionType, facts: Facts) -> str:
    if rules.direction == "none":
        return ""
    amount = int(event.message.text(4))
    if amount == 0:
        return "13"
    return "61" if amount > facts.policy.amount_max else ""


def _means(event: FrameReceived, rules: TransactionType, _facts: Facts) -> str:
    if rules.scan:
        return "" if _code(event.message) else "30"
    return "14" if rules.one_of and not _pan(event.message) else ""


def _original(event: FrameReceived, rules: TransactionType, facts: Facts) -> str:
    """A sale of this merchant that stands, named by reference (F37), by batch and trace (F61), and by its voucher."""
    sale, message = facts.original, event.message
    if sale is None or sale.outcome is not Outcome.APPROVED or sale.kind != _GIVES_BACK[rules.name]:
        return "25"
    named = message.text(61)[:12] == sale.key.batch + sale.key.trace and message[42] == sale.merchant
    if rules.scan:
        named = named and _code(message) in {sale.reference, sale.voucher}
    elif _pan(message) and sale.masked != mask_pan(_pan(message)):
        return "14"
    return "" if named else "25"


def _void_of(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    """Only the same terminal, the same batch, the equal amount, once, and not after a refund."""
    sale, key = facts.original, event.message.text(41)
    assert sale is not None
    assert facts.terminal is not None
    if sale.key.terminal != key or sale.key.batch != facts.terminal.batch:
        return "25"
    if int(event.message.text(4)) != sale.amount:
        return "64"
    return "12" if any(row.outcome in _STANDING for row in facts.dependants) else ""


def _refund_of(event: FrameReceived, _rules: TransactionType, facts: Facts) -> str:
    """Never more than was paid, counting refunds still under way; nothing after a void."""
    sale = facts.original
    assert sale is not None
    standing = [row for row in facts.dependants if row.outcome in _STANDING]
    if any(row.kind in {"sale_void", "qr_void"} for row in standing):
        return "12"
    refunded = sum(row.amount for row in standing)
    return "61" if refunded + int(event.message.text(4)) > sale.amount else ""


_CHECKS: Sequence[Check] = (_merchant, _batch, _currency, _amount, _means)
_MORE_CHECKS: dict[str, Sequence[Check]] = {
    "sale_void": (_original, _void_of),
    "qr_void": (_original, _void_of),
    "refund": (_original, _refund_of),
    "qr_refund": (_original, _refund_of),
}


def _first_refusal(event: FrameReceived, rules: TransactionType, facts: Facts) -> str:
    for check in (*_CHECKS, *_MORE_CHECKS.get(rules.name, ())):
        code = check(event, rules, facts)
        if code:
            return code
    return ""


# --- the call ---------------------------------------------------------------------------------------------------------


def _call(row: Transaction, event: FrameReceived, facts: Facts) -> ChannelCall:
    """Word the request for the issuer. Raises ValueError or Iso8583Error if PIN block or track cannot be used."""
    message = event.message
    sale = facts.original
    return ChannelCall(
        reference=row.reference, kind=row.kind, terminal=row.key.terminal, merchant=row.merchant, amount=row.amount,
        currency=row.currency, at=row.created_at, entry_mode=row.entry_mode,
        original=sale.reference if sale else "", auth_code=message.text(38, "").strip(),
        pan=row.pan, expiry=message.text(14, ""), sequence=message.text(23, ""), track2=_track2(message, facts),
        pin_block=_zone_pin_block(message, facts), chip_data=message.binary(55, b""),
        code=_code(message) if not sale else "",
    )  # fmt: skip


def _track2(message: Message, facts: Facts) -> str:
    track = message.text(35, "")
    if not track or message.text(53, "")[2:3] != "1":
        return track
    assert facts.terminal is not None
    assert facts.terminal.keys is not None
    return clear_track(facts.terminal.keys.track_key, track)


def _zone_pin_block(message: Message, facts: Facts) -> bytes:
    block = message.binary(52, b"")
    if not block:
        return b""
    if message.text(53, "")[:2] != "26":
        raise ValueError("the PIN block is not of format 0 under a double-length key")
    assert facts.terminal is not None
    assert facts.terminal.keys is not None
    return zone_pin_block(block, facts.terminal.keys.pin_key, facts.policy.zone_pin_key)
