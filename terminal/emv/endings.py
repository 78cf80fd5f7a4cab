"""How a sale ends: from what card and host have said to an `Outcome`."""

from collections.abc import Mapping

from terminal.emv.card_data import card_data, receipt_lines
from terminal.emv.card_session import CardSession
from terminal.emv.cryptogram import Cryptogram
from terminal.emv.faults import CardError
from terminal.emv.field55 import OFFLINE_SALE, ONLINE_REQUEST, SCRIPT_RESULT, field55
from terminal.emv.steps import NoAnswer, OnlineAnswer, Outcome, OutcomeKind, Reason
from terminal.emv.tags import Tag

Ending = tuple[OutcomeKind, Reason]
OFFLINE_ENDINGS: Mapping[tuple[Cryptogram, Cryptogram], Ending] = {
    (Cryptogram.TC, Cryptogram.TC): ("approved", "approved_offline"),
    (Cryptogram.TC, Cryptogram.AAC): ("declined", "declined_by_card"),
    (Cryptogram.ARQC, Cryptogram.AAC): ("declined", "declined_by_card"),
    (Cryptogram.AAC, Cryptogram.AAC): ("declined", "declined_by_terminal"),
}
"""What was asked for and what the card answered, when the host is not asked."""

ONLINE_ENDINGS: Mapping[tuple[str, Cryptogram], Ending] = {
    ("approved", Cryptogram.TC): ("approved", "approved_online"),
    ("approved", Cryptogram.AAC): ("reverse", "approval_refused"),
    ("declined", Cryptogram.AAC): ("declined", "declined_by_issuer"),
    ("nothing", Cryptogram.TC): ("approved", "approved_offline"),
    ("nothing", Cryptogram.AAC): ("declined", "host_unreachable"),
}
"""What the host said and the card's last word. A card never answers higher than asked, so there are no others."""


_NO_OTHER_WAY = frozenset({"removed", "blocked", "application_blocked", "not_authentic"})
"""Faults of which no other interface of the same card would be free, or after which it is tried again as before."""


def host_said(answer: OnlineAnswer | NoAnswer) -> str:
    """What the host made of the request: ``approved``, ``declined`` or ``nothing``."""
    if isinstance(answer, NoAnswer):
        return "nothing"
    return "approved" if answer.approved else "declined"


def after_fault(session: CardSession, fault: CardError) -> Outcome:
    """A fault before the request is the card's; after it, the host's answer decides what the fault means."""
    if session.online_answer is None:
        return outcome(session, _before_the_host(session, fault), fault.reason, fault.where)
    said = host_said(session.online_answer)
    if said == "approved":
        return outcome(session, "reverse", fault.reason, fault.where)
    return outcome(session, *ONLINE_ENDINGS[said, Cryptogram.AAC], fault.where)


def _before_the_host(session: CardSession, fault: CardError) -> OutcomeKind:
    """What the counter tries next: a chip that nothing can be begun with leaves the stripe, a tapped card its chip."""
    if fault.reason in _NO_OTHER_WAY:
        return "card_error"
    if session.interface == "contactless":
        return "try_another_interface"
    return "card_error" if session.initiated else "use_stripe"


def outcome(session: CardSession, kind: OutcomeKind, reason: Reason, where: str = "") -> Outcome:
    """Put together what the counter must know of a sale that has ended."""
    approved = kind == "approved"
    return Outcome(
        kind=kind,
        reason=reason,
        where=where,
        response_code=session.terminal.get(Tag.RESPONSE_CODE, b"").decode("ascii"),
        card=session.sent or (card_data(session) if approved else None),
        f55=field55(session, ONLINE_REQUEST if reason == "approved_online" else OFFLINE_SALE) if approved else b"",
        script_f55=field55(session, SCRIPT_RESULT) if session.script_results else b"",
        receipt=receipt_lines(session),
    )
