"""The contactless kernel: a tapped card, QuickPass (qPBOC), as a machine without I/O like `terminal.emv.kernel`.

The card decides at once, in its answer to GET PROCESSING OPTIONS, and may then go: what follows the host's answer is
none of its business. An approval without the host is believed only if the card's signature (fDDA) holds. The findings
of such a sale are not reported: TVR and TSI stay zero (PBOC 3.0 part 12).
"""

from collections.abc import Mapping

from terminal.emv.card_data import card_data
from terminal.emv.card_session import CardSession
from terminal.emv.certificates import CertificateError
from terminal.emv.cryptogram import Cryptogram
from terminal.emv.dates import read_date
from terminal.emv.dol import fill_dol, parse_dol
from terminal.emv.endings import after_fault, host_said, outcome
from terminal.emv.faults import CardError, CustomerCancelledError, MalformedError
from terminal.emv.flags import Ctq, Ttq, Tvr
from terminal.emv.kernel import OFFLINE_APPROVED, OFFLINE_DECLINED, Progression, may_pay, process
from terminal.emv.offline_authentication import card_key, open_dynamic
from terminal.emv.parameters import SaleFacts, TerminalParameters
from terminal.emv.reading import check_application, number_of, read_application
from terminal.emv.selection import application_for, list_tapped_candidates, open_application
from terminal.emv.steps import Answer, Flow, GoOnline, NoAnswer, OnlineAnswer, Outcome, OutcomeKind, Reason, Step
from terminal.emv.tags import Tag
from terminal.emv.tap import (
    NotByTapError,
    complete_from_track,
    initiate_tap,
    kind_of,
    qualifiers,
    told_qualifiers,
    verify_tap,
    wanted_qualifiers,
)

MANDATORY = (Tag.EXPIRY, Tag.PAN, Tag.TRACK2)
_FDDA_1 = b"\x01"
_ENDINGS: Mapping[str, tuple[OutcomeKind, Reason]] = {
    "approved": ("approved", "approved_online"),
    "declined": ("declined", "declined_by_issuer"),
    "nothing": ("declined", "host_unreachable"),
}
"""How a request ends by what the host said; the card is not asked again."""


class ContactlessKernel:
    """One sale with one tapped card. `start` gives the first step, `resume` takes its answer and gives the next."""

    def __init__(self, parameters: TerminalParameters, facts: SaleFacts) -> None:
        self._progression = Progression(_tap(CardSession(parameters, facts, "contactless")))

    def start(self) -> Step:
        """Begin; the card must be in the field. Before a tap is asked for, see `offers_tap`."""
        return self._progression.advance(None)

    def resume(self, answer: Answer) -> Step:
        """Answer the last step. After `Finished` there is nothing to answer."""
        return self._progression.advance(answer)


def offers_tap(parameters: TerminalParameters, facts: SaleFacts) -> bool:
    """Whether any application takes such an amount by a tap: if not, the customer is not asked to tap at all."""
    return any(qualifiers(parameters, application, facts) is not None for application in parameters.applications)


def _tap(session: CardSession) -> Flow[Outcome]:
    try:
        if not offers_tap(session.parameters, session.facts) or not (yield from _open_card(session)):
            return outcome(session, "try_another_interface", "contactless_amount")
        if Tag.CRYPTOGRAM not in session.card:
            return (yield from _full_flow(session))
        return (yield from _decide(session))
    except NotByTapError:
        return outcome(session, "try_another_interface", "contactless_not_possible")
    except CustomerCancelledError as decision:
        return outcome(session, "cancelled", decision.reason)
    except CardError as fault:
        return after_fault(session, fault)


def _open_card(session: CardSession) -> Flow[bool]:
    """Open the best application that takes this sale; False if only the amount stands against it."""
    candidates = yield from list_tapped_candidates(session)
    too_much = False
    for candidate in candidates:
        told = qualifiers(session.parameters, application_for(session, candidate.aid), session.facts)
        too_much |= told is None
        if told is None or not (yield from open_application(session, candidate)):
            continue
        session.terminal[Tag.TRANSACTION_QUALIFIERS] = told.to_bytes(4, "big")
        if (yield from initiate_tap(session)):
            return True
    if too_much:
        return False
    raise CardError("no_application", "SELECT")


def _full_flow(session: CardSession) -> Flow[Outcome]:
    """A card that gave no cryptogram wants the whole of PBOC by radio; few terminals offer that."""
    if not Ttq.FULL_PBOC & told_qualifiers(session):
        raise NotByTapError
    return (yield from process(session))


def _decide(session: CardSession) -> Flow[Outcome]:
    kind = kind_of(session)
    if kind is Cryptogram.AAC:
        return _declined(session, "declined_by_card")
    if kind is Cryptogram.ARQC:
        return (yield from _request(session))
    return (yield from _check_approval(session))


def _check_approval(session: CardSession) -> Flow[Outcome]:
    """The card approves without the host: only if it is genuine, and still good."""
    if Tag.AFL not in session.card:
        return (yield from _not_authentic(session))
    yield from read_application(session, may_leave=True)
    check_application(session.card, MANDATORY)
    wanted = wanted_qualifiers(session) or Ctq.NONE
    try:
        _check_signature(session)
    except CertificateError:
        return (yield from _not_authentic(session))
    if read_date(session.card[Tag.EXPIRY], "EXPIRY") < session.today:
        if Ctq.ONLINE_IF_EXPIRED & wanted:
            return (yield from _request(session))
        return _declined(session, "declined_by_terminal", "EXPIRY")
    if session.parameters.known_cards.is_blocked(number_of(session.card)):
        return _declined(session, "declined_by_terminal", "PAN")
    if not (yield from may_pay(session)):
        return _declined(session, "declined_by_terminal", "PAN")
    if not (yield from verify_tap(session)):
        return _declined(session, "declined_by_terminal", "CARD_QUALIFIERS")
    if session.pin_block is not None or Ttq.ONLINE_REQUIRED & told_qualifiers(session):
        return (yield from _go_online(session))  # only the issuer can check a PIN; and what was wanted is what is done
    session.tvr = Tvr.NONE
    session.terminal[Tag.RESPONSE_CODE] = OFFLINE_APPROVED
    return outcome(session, "approved", "approved_offline")


def _not_authentic(session: CardSession) -> Flow[Outcome]:
    """The card's signature does not hold: what then, the card has said beforehand."""
    wanted = wanted_qualifiers(session) or Ctq.NONE
    if Ctq.ONLINE_IF_NOT_AUTHENTIC & wanted:
        return (yield from _request(session))
    if Ctq.OTHER_INTERFACE_IF_NOT_AUTHENTIC & wanted:
        raise NotByTapError
    return _declined(session, "not_authentic", "SIGNED_DYNAMIC_DATA")


def _check_signature(session: CardSession) -> None:
    """Fast DDA; raise CertificateError."""
    key = card_key(session)
    open_dynamic(session, session.card.get(Tag.SIGNED_DYNAMIC_DATA, b""), key, _signed_data(session))
    if session.card[Tag.DYNAMIC_NUMBER] != session.card[Tag.ATC]:
        raise CertificateError("DYNAMIC_NUMBER")


def _signed_data(session: CardSession) -> bytes:
    """What the card has signed of the terminal's data: version 01 if both know it, else what its DDOL asks for."""
    number, own = session.terminal[Tag.UNPREDICTABLE_NUMBER], session.card.get(Tag.CARD_AUTHENTICATION_DATA, b"")
    if own[:1] == _FDDA_1 and Ttq.FDDA_1 & told_qualifiers(session):
        return number + session.terminal[Tag.AMOUNT] + session.terminal[Tag.CURRENCY] + own
    if Tag.DDOL not in session.card:
        return number
    try:
        entries = parse_dol(session.card[Tag.DDOL], "DDOL")
    except MalformedError:
        raise CertificateError("DDOL") from None
    if Tag.UNPREDICTABLE_NUMBER not in dict(entries):
        raise CertificateError("DDOL")
    return fill_dol(entries, session.value)


def _request(session: CardSession) -> Flow[Outcome]:
    """Verify the holder, then ask the host."""
    complete_from_track(session)
    check_application(session.card, MANDATORY)
    if not (yield from verify_tap(session)):
        return _declined(session, "declined_by_terminal", "CARD_QUALIFIERS")
    return (yield from _go_online(session))


def _go_online(session: CardSession) -> Flow[Outcome]:
    session.tvr = Tvr.NONE
    session.sent = card_data(session)
    answer = yield GoOnline(session.sent)
    assert isinstance(answer, OnlineAnswer | NoAnswer), "GoOnline is answered with OnlineAnswer or NoAnswer"
    session.online_answer = answer
    code = "Z3" if isinstance(answer, NoAnswer) else answer.response_code
    session.terminal[Tag.RESPONSE_CODE] = code.encode("ascii")
    return outcome(session, *_ENDINGS[host_said(answer)])


def _declined(session: CardSession, reason: Reason, where: str = "") -> Outcome:
    session.terminal[Tag.RESPONSE_CODE] = OFFLINE_DECLINED
    return outcome(session, "declined", reason, where)
