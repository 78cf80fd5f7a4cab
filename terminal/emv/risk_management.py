"""Terminal risk management (EMV Book 3 §10.6): exception file, floor limit, random selection, velocity.

Always performed, whether or not the card asks for it: the merchant carries the risk of an offline sale.
"""

from terminal.emv.card_session import CardSession
from terminal.emv.flags import Tsi, Tvr
from terminal.emv.parameters import Application, SaleFacts
from terminal.emv.reading import number_of
from terminal.emv.steps import Flow
from terminal.emv.tags import Tag


def manage_risk(session: CardSession) -> Flow[None]:
    """Set TVR byte 4, and the bits of the exception file and of a new card."""
    facts, application, known = session.facts, session.application, session.parameters.known_cards
    pan = number_of(session.card)
    if known.is_blocked(pan):
        session.tvr |= Tvr.ON_EXCEPTION_FILE
    if facts.force_online:
        session.tvr |= Tvr.MERCHANT_FORCED_ONLINE
    if facts.amount + known.recent_amount(pan) >= application.floor_limit:
        session.tvr |= Tvr.FLOOR_LIMIT_EXCEEDED
    elif facts.random_percent <= selection_percent(application, facts):
        session.tvr |= Tvr.SELECTED_AT_RANDOM
    yield from _check_velocity(session)
    session.tsi |= Tsi.TERMINAL_RISK_MANAGEMENT_PERFORMED


def selection_percent(application: Application, facts: SaleFacts) -> int:
    """How many in a hundred sales of this amount, below the floor limit, go online at random."""
    target, above = application.random_target_percent, facts.amount - application.random_threshold
    if above < 0:
        return target
    span = application.floor_limit - application.random_threshold
    return target + (application.random_max_percent - target) * above // span


def _check_velocity(session: CardSession) -> Flow[None]:
    lower, upper = session.card.get(Tag.LOWER_OFFLINE_LIMIT), session.card.get(Tag.UPPER_OFFLINE_LIMIT)
    if not lower or not upper:
        return
    counter = yield from _counter(session, Tag.ATC)
    last_online = yield from _counter(session, Tag.LAST_ONLINE_ATC)
    if last_online == 0:
        session.tvr |= Tvr.NEW_CARD
    if counter is None or last_online is None or counter <= last_online:
        session.tvr |= Tvr.LOWER_OFFLINE_LIMIT_EXCEEDED | Tvr.UPPER_OFFLINE_LIMIT_EXCEEDED
        return
    if counter - last_online > lower[0]:
        session.tvr |= Tvr.LOWER_OFFLINE_LIMIT_EXCEEDED
    if counter - last_online > upper[0]:
        session.tvr |= Tvr.UPPER_OFFLINE_LIMIT_EXCEEDED


def _counter(session: CardSession, tag: Tag) -> Flow[int | None]:
    value = yield from session.get_data(tag)
    return int.from_bytes(value, "big") if value is not None and len(value) == 2 else None
