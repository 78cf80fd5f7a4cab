"""The contact kernel: one card sale from the card's insertion to its last word, as a machine without I/O.

    kernel = ContactKernel(parameters, facts)
    step = kernel.start()
    while not isinstance(step, Finished):
        step = kernel.resume(answer_to(step))

Whatever the card answers, the machine ends in `Finished` after a bounded number of steps; it raises only for an answer
of the wrong kind, which is the caller's fault. Flow: PBOC 3.0 part 5, EMV Book 3 §8 and §10.
"""

from collections.abc import Mapping

from terminal.emv.card_data import card_data, receipt_lines
from terminal.emv.card_session import CardSession
from terminal.emv.cardholder import verify_cardholder
from terminal.emv.completion import complete_with_host, complete_without_host
from terminal.emv.cryptogram import Cryptogram, first_request, generate
from terminal.emv.faults import CardError, CustomerCancelledError
from terminal.emv.field55 import OFFLINE_SALE, ONLINE_REQUEST, SCRIPT_RESULT, field55
from terminal.emv.flags import Tsi, Tvr
from terminal.emv.parameters import SaleFacts, TerminalParameters
from terminal.emv.reading import initiate, read_application
from terminal.emv.restrictions import check_restrictions
from terminal.emv.risk_management import manage_risk
from terminal.emv.selection import choose, list_candidates, open_application
from terminal.emv.steps import (
    Answer,
    Finished,
    Flow,
    GoOnline,
    NoAnswer,
    OnlineAnswer,
    Outcome,
    OutcomeKind,
    Reason,
    Step,
)  # fmt: skip
from terminal.emv.tags import Tag

OFFLINE_APPROVED, OFFLINE_DECLINED = b"Y1", b"Z1"


class ContactKernel:
    """One sale with one card. `start` gives the first step, `resume` takes its answer and gives the next."""

    def __init__(self, parameters: TerminalParameters, facts: SaleFacts) -> None:
        self._flow = _sale(CardSession(parameters, facts))
        self._finished = False

    def start(self) -> Step:
        """Begin; the card must be in the reader and reset."""
        return self._advance(None)

    def resume(self, answer: Answer) -> Step:
        """Answer the last step. After `Finished` there is nothing to answer."""
        return self._advance(answer)

    def _advance(self, answer: Answer) -> Step:
        assert not self._finished, "the sale has ended"
        try:
            return self._flow.send(answer)
        except StopIteration as stop:
            self._finished = True
            return Finished(stop.value)


def _sale(session: CardSession) -> Flow[Outcome]:
    try:
        yield from _open_card(session)
        yield from read_application(session)
        session.tvr |= Tvr.ODA_NOT_PERFORMED
        check_restrictions(session)
        yield from verify_cardholder(session)
        yield from manage_risk(session)
        return (yield from _decide(session))
    except CustomerCancelledError as decision:
        return _outcome(session, "cancelled", decision.reason)
    except CardError as fault:
        return _after_fault(session, fault)


def _open_card(session: CardSession) -> Flow[None]:
    candidates = yield from list_candidates(session)
    while candidates:
        candidate = yield from choose(candidates)
        if (yield from open_application(session, candidate)) and (yield from initiate(session)):
            return
        candidates.remove(candidate)
    raise CardError("no_application", "SELECT")


def _decide(session: CardSession) -> Flow[Outcome]:
    requested = first_request(session)
    answered = yield from generate(session, requested, Tag.CDOL1)
    session.tsi |= Tsi.CARD_RISK_MANAGEMENT_PERFORMED
    if answered is Cryptogram.ARQC:
        return (yield from _go_online(session))
    session.terminal[Tag.RESPONSE_CODE] = OFFLINE_APPROVED if answered is Cryptogram.TC else OFFLINE_DECLINED
    return _outcome(session, *_OFFLINE_ENDINGS[requested, answered])


def _go_online(session: CardSession) -> Flow[Outcome]:
    session.sent = card_data(session)
    answer = yield GoOnline(session.sent)
    assert isinstance(answer, OnlineAnswer | NoAnswer), "GoOnline is answered with OnlineAnswer or NoAnswer"
    session.online_answer = answer
    if isinstance(answer, NoAnswer):
        last_word = yield from complete_without_host(session)
    else:
        last_word = yield from complete_with_host(session, answer)
    return _outcome(session, *_ONLINE_ENDINGS[_host_said(answer), last_word])


_Ending = tuple[OutcomeKind, Reason]
_OFFLINE_ENDINGS: Mapping[tuple[Cryptogram, Cryptogram], _Ending] = {
    (Cryptogram.TC, Cryptogram.TC): ("approved", "approved_offline"),
    (Cryptogram.TC, Cryptogram.AAC): ("declined", "declined_by_card"),
    (Cryptogram.ARQC, Cryptogram.AAC): ("declined", "declined_by_card"),
    (Cryptogram.AAC, Cryptogram.AAC): ("declined", "declined_by_terminal"),
}
"""What was asked for and what the card answered, when the host is not asked."""

_ONLINE_ENDINGS: Mapping[tuple[str, Cryptogram], _Ending] = {
    ("approved", Cryptogram.TC): ("approved", "approved_online"),
    ("approved", Cryptogram.AAC): ("reverse", "approval_refused"),
    ("declined", Cryptogram.AAC): ("declined", "declined_by_issuer"),
    ("nothing", Cryptogram.TC): ("approved", "approved_offline"),
    ("nothing", Cryptogram.AAC): ("declined", "host_unreachable"),
}
"""What the host said and the card's last word. A card never answers higher than asked, so there are no others."""


def _host_said(answer: OnlineAnswer | NoAnswer) -> str:
    if isinstance(answer, NoAnswer):
        return "nothing"
    return "approved" if answer.approved else "declined"


def _after_fault(session: CardSession, fault: CardError) -> Outcome:
    """A fault before the request is the card's; after it, the host's answer decides what the fault means."""
    if session.online_answer is None:
        return _outcome(session, "card_error", fault.reason, fault.where)
    host_said = _host_said(session.online_answer)
    if host_said == "approved":
        return _outcome(session, "reverse", fault.reason, fault.where)
    return _outcome(session, *_ONLINE_ENDINGS[host_said, Cryptogram.AAC], fault.where)


def _outcome(session: CardSession, kind: OutcomeKind, reason: Reason, where: str = "") -> Outcome:
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
