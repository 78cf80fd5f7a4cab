"""Financial requests: is it authentic, have we had it before, may it be; then the issuer is called.

A refusal after the MAC was good is kept like any other answer: the same request later, when the circumstances have
changed, gets the same refusal, because that is what the terminal was told. But an offline sale is declined by nobody
but its issuer, for the goods are gone: what we have against it our operator hears, the terminal nothing. It asks again.
(Only if its code has paid before, we say so in the issuer's place: `signed_codes`.)
"""

import hashlib
from dataclasses import replace
from typing import Any

from host_switch.answers import SIGN_ON, financial_reply, refuse, refuse_in_kind, send_signed
from host_switch.calls import request_call
from host_switch.checks import first_refusal
from host_switch.ciphers import terminal_mac
from host_switch.events import CallChannel, Change, Effect, FrameReceived, Persist, Report
from host_switch.facts import Facts, phone_code
from host_switch.payer import card_number, masked_payer, scanned_code, signed_code
from host_switch.phone_codes import NOT_BY_PHONE, Paid, paid_by_phone
from host_switch.records import Event, Key, Leg, Outcome, Terminal, Transaction
from host_switch.signed_codes import paid_by_signed_code
from iso8583 import Iso8583Error, Message
from iso8583.transactions import TransactionType, missing_fields
from iso8583.unionpay import mac_state

# What must be equal when a terminal repeats itself. Not here: what it encrypts or signs under keys that a new sign-on
# changes (35, 36, 52, 53, 64), and the expiry (14), which it does not keep for a repeat.
_CONTENT = (2, 3, 4, 22, 25, 37, 38, 42, 49, 55, 60, 61)

_FIRST_LEG = {"reverse": Leg.CALLED, "repeat": Leg.ADVICE_DUE, "none": Leg.NONE}


def untrusted(event: FrameReceived, terminal: Terminal) -> tuple[Effect, ...]:
    """The refusal of a message that must carry a good MAC and does not; empty if it does."""
    if terminal.keys is None:
        return refuse(event, "A0", SIGN_ON, "not signed on")
    state = mac_state(event.data, event.message, terminal.keys.mac_key, terminal_mac)
    return () if state == "good" else refuse(event, "A0", SIGN_ON, f"MAC {state}", "security")


def request(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide a financial request whose MAC is good."""
    if not well_formed(event.message, rules):
        return refuse_in_kind(event, facts.caller, "30", "fields missing or too many")
    if facts.stored is not None:
        return _known(event, rules, facts.stored, facts, now)
    row = opened(event, rules, facts, now)
    code = first_refusal(event, rules, facts)
    paid = NOT_BY_PHONE if code else _paid_by_code(row, event, rules, facts, now)
    untaken = paid.untaken or (code if rules.is_offline else "")
    if untaken:
        return (Report("attention", "offline sale not taken", event.connection, row.key.terminal, untaken),)
    if code or paid.refusal:
        return _declined(row, code or paid.refusal, facts, now, paid.changes)
    if rules.is_offline and paid.account:
        row = replace(row, pan=paid.account)  # it is asked again by account: the issuer knows nothing of such codes
    try:
        call = request_call(row, event, facts, paid.account)
    except (Iso8583Error, ValueError):
        return _declined(row, "99", facts, now)
    return Persist((row, *paid.changes)), CallChannel(call)


def _paid_by_code(
    row: Transaction, event: FrameReceived, rules: TransactionType, facts: Facts, now: float
) -> Paid:
    """What a code comes to that the host verifies itself."""
    if rules.scan and rules.is_offline:
        return paid_by_signed_code(row, signed_code(event.message), facts, now)
    return paid_by_phone(row, phone_code(event.message), facts, now) if facts.phone else NOT_BY_PHONE


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
    return send_signed(row, row.reply, facts.caller)


def _answer_94(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> tuple[Effect, ...]:
    row = opened(event, rules, facts, now)
    return send_signed(row, financial_reply(row, "94", facts, now), facts.caller)


def moved_here(row: Transaction, event: FrameReceived) -> Transaction:
    """The row with its answer addressed to where the newest request came from."""
    return replace(row, connection=event.connection, tpdu=event.tpdu, header=event.header)


def _declined(
    row: Transaction, code: str, facts: Facts, now: float, more: tuple[Change, ...] = ()
) -> tuple[Effect, ...]:
    reply = financial_reply(row, code, facts, now)
    declined = replace(
        row.without_card(), outcome=Outcome.DECLINED, leg=Leg.NONE, response_code=code, reply=reply, due_at=None
    )
    return Persist((declined, *more)), *send_signed(declined, reply, facts.caller)


def opened(event: FrameReceived, rules: TransactionType, facts: Facts, now: float) -> Transaction:
    """The row of a new request, pending, with the time at which silence of the issuer has a consequence."""
    message = event.message
    kept: dict[str, Any] = {}
    if rules.recovery == "repeat":
        kept = {"pan": card_number(message), "sequence": message.text(23, ""), "chip_data": message.binary(55, b"")}
    return Transaction(
        key=Key(message.text(41), message.text(60)[2:8], message.text(11)), number=facts.number, kind=rules.name,
        outcome=Outcome.PENDING, leg=_FIRST_LEG[rules.recovery], merchant=message.text(42),
        amount=int(message.text(4, "0")), currency=message.text(49), block60=message.text(60),
        content=content_hash(message, facts.policy.content_key), created_at=now, connection=event.connection,
        tpdu=event.tpdu, header=event.header, processing_code=message.text(3), entry_mode=message.text(22),
        masked=masked_payer(message), original=facts.original.number if facts.original else 0,
        due_at=now + _patience_s(rules, facts), attempts=1, **kept,
    )  # fmt: skip


def _patience_s(rules: TransactionType, facts: Facts) -> float:
    return facts.policy.retry_first_s if rules.recovery == "repeat" else facts.policy.channel_timeout_s


def content_hash(message: Message, key: bytes) -> bytes:
    """A keyed hash of what a request asks for: keyed, so that it is no oracle for card numbers."""
    parts = [message.get(number, "") for number in _CONTENT]
    parts.append(scanned_code(message) or signed_code(message))
    text = "\x1f".join(part if isinstance(part, str) else part.hex() for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=16, key=key).digest()
