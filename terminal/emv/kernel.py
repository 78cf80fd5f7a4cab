"""The contact kernel: one card sale from the card's insertion to its last word, as a machine without I/O.

    kernel = ContactKernel(parameters, facts)
    step = kernel.start()
    while not isinstance(step, Finished):
        step = kernel.resume(answer_to(step))

Whatever the card answers, the machine ends in `Finished` after a bounded number of steps; it raises only for an answer
of the wrong kind, which is the caller's fault. Flow: PBOC 3.0 part 5, EMV Book 3 §8 and §10.
"""

import contextlib

from terminal.emv.card_data import card_data
from terminal.emv.card_session import CardSession
from terminal.emv.cardholder import verify_cardholder
from terminal.emv.completion import complete_with_host, complete_without_host
from terminal.emv.cryptogram import Cryptogram, first_request, generate
from terminal.emv.endings import OFFLINE_ENDINGS, ONLINE_ENDINGS, after_fault, host_said, outcome
from terminal.emv.faults import CardError, CustomerCancelledError, NotAuthenticError
from terminal.emv.flags import Tsi, Tvr
from terminal.emv.offline_authentication import authenticate_offline
from terminal.emv.parameters import SaleFacts, TerminalParameters
from terminal.emv.reading import check_application, initiate, number_of, read_application
from terminal.emv.restrictions import check_restrictions
from terminal.emv.risk_management import manage_risk
from terminal.emv.selection import choose, list_candidates, nothing_to_open, open_application
from terminal.emv.steps import (
    Answer,
    CardChecked,
    CheckCard,
    Finished,
    Flow,
    GoOnline,
    NoAnswer,
    OnlineAnswer,
    Outcome,
    Step,
)  # fmt: skip
from terminal.emv.tags import Tag

OFFLINE_APPROVED, OFFLINE_DECLINED = b"Y1", b"Z1"


class Progression:
    """A flow being answered step by step."""

    def __init__(self, flow: Flow[Outcome]) -> None:
        self._flow = flow
        self._finished = False

    def advance(self, answer: Answer) -> Step:
        """Give the answer to the last step, None for the first; return the next."""
        assert not self._finished, "the sale has ended"
        try:
            return self._flow.send(answer)
        except StopIteration as stop:
            self._finished = True
            return Finished(stop.value)


class ContactKernel:
    """One sale with one card. `start` gives the first step, `resume` takes its answer and gives the next."""

    def __init__(self, parameters: TerminalParameters, facts: SaleFacts) -> None:
        self._progression = Progression(_sale(CardSession(parameters, facts)))

    def start(self) -> Step:
        """Begin; the card must be in the reader and reset."""
        return self._progression.advance(None)

    def resume(self, answer: Answer) -> Step:
        """Answer the last step. After `Finished` there is nothing to answer."""
        return self._progression.advance(answer)


def _sale(session: CardSession) -> Flow[Outcome]:
    try:
        yield from _open_card(session)
        return (yield from process(session))
    except CustomerCancelledError as decision:
        return outcome(session, "cancelled", decision.reason)
    except CardError as fault:
        return after_fault(session, fault)


def process(session: CardSession) -> Flow[Outcome]:
    """Take an application that has been opened through the whole of EMV. Raises CardError, CustomerCancelledError."""
    yield from read_application(session)
    check_application(session.card)
    yield from authenticate_offline(session)
    check_restrictions(session)
    if not (yield from may_pay(session)):  # before the customer is asked for a PIN in vain
        return (yield from _decide(session, permitted=False))
    yield from verify_cardholder(session)
    yield from manage_risk(session)
    return (yield from _decide(session))


def may_pay(session: CardSession) -> Flow[bool]:
    """Ask whether this card may still pay without its issuer, where the parameters want that."""
    if not session.parameters.checks_cards:
        return True
    answer = yield CheckCard(number_of(session.card), session.card[Tag.DF_NAME].hex().upper())
    assert isinstance(answer, CardChecked), "CheckCard is answered with CardChecked"
    return answer.permitted


def _open_card(session: CardSession) -> Flow[None]:
    candidates = yield from list_candidates(session)
    while candidates:
        candidate = yield from choose(candidates)
        if (yield from open_application(session, candidate)) and (yield from initiate(session)):
            return
        candidates.remove(candidate)
    raise nothing_to_open(session)


def _decide(session: CardSession, *, permitted: bool = True) -> Flow[Outcome]:
    requested = first_request(session) if permitted else Cryptogram.AAC
    if requested is Cryptogram.AAC and session.combined_key:  # what is declined is not signed
        session.tvr |= Tvr.ODA_NOT_PERFORMED
    try:
        answered = yield from generate(session, requested, Tag.CDOL1)
    except NotAuthenticError as fault:
        return (yield from _decline_forgery(session, fault))
    session.tsi |= Tsi.CARD_RISK_MANAGEMENT_PERFORMED
    if answered is Cryptogram.ARQC:
        return (yield from _go_online(session))
    session.terminal[Tag.RESPONSE_CODE] = OFFLINE_APPROVED if answered is Cryptogram.TC else OFFLINE_DECLINED
    return outcome(session, *OFFLINE_ENDINGS[requested, answered])


def _decline_forgery(session: CardSession, fault: NotAuthenticError) -> Flow[Outcome]:
    """Decline, whatever the card says; one that waits for the host is told so (EMV Book 2 §6.6)."""
    session.terminal[Tag.RESPONSE_CODE] = OFFLINE_DECLINED
    session.tsi |= Tsi.CARD_RISK_MANAGEMENT_PERFORMED
    if fault.kind == Cryptogram.ARQC:
        with contextlib.suppress(CardError):
            yield from generate(session, Cryptogram.AAC, Tag.CDOL2)
    return outcome(session, "declined", fault.reason, fault.where)


def _go_online(session: CardSession) -> Flow[Outcome]:
    session.sent = card_data(session)
    answer = yield GoOnline(session.sent)
    assert isinstance(answer, OnlineAnswer | NoAnswer), "GoOnline is answered with OnlineAnswer or NoAnswer"
    session.online_answer = answer
    if isinstance(answer, NoAnswer):
        last_word = yield from complete_without_host(session)
    else:
        last_word = yield from complete_with_host(session, answer)
    return outcome(session, *ONLINE_ENDINGS[host_said(answer), last_word])
