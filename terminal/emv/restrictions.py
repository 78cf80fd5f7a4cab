"""Processing restrictions (EMV Book 3 §10.4): may this card be used here, today, for this? Findings are TVR bits."""

from collections.abc import Mapping
from dataclasses import dataclass

from terminal.emv.card_session import CardSession
from terminal.emv.dates import read_date
from terminal.emv.flags import Tvr
from terminal.emv.tags import Tag

_NOT_AT_AN_ATM = 0x0100


@dataclass(frozen=True, slots=True)
class _Usage:
    """Bits of the application usage control (9F07, two bytes), one of which must be set at home or abroad."""

    domestic: int
    international: int


_GOODS_OR_SERVICES = _Usage(0x2800, 0x1400)
_USAGES: Mapping[str, _Usage] = {
    "00": _GOODS_OR_SERVICES,
    "01": _Usage(0x8000, 0x4000),
    "09": _Usage(0x0080, 0x0040),
}


def check_restrictions(session: CardSession) -> None:
    """Compare versions, usage control, effective and expiry date; set TVR byte 2."""
    card, today = session.card, session.today
    if card.get(Tag.CARD_VERSION, session.application.version) != session.application.version:
        session.tvr |= Tvr.VERSION_MISMATCH
    if not _usage_allowed(session):
        session.tvr |= Tvr.SERVICE_NOT_ALLOWED
    if Tag.EFFECTIVE in card and read_date(card[Tag.EFFECTIVE], "EFFECTIVE") > today:
        session.tvr |= Tvr.NOT_YET_EFFECTIVE
    if read_date(card[Tag.EXPIRY], "EXPIRY") < today:
        session.tvr |= Tvr.EXPIRED


def _usage_allowed(session: CardSession) -> bool:
    control = session.card.get(Tag.USAGE_CONTROL)
    if control is None:
        return True
    bits = int.from_bytes(control, "big")
    usage, country = _USAGES.get(session.facts.type), session.card.get(Tag.ISSUER_COUNTRY)
    if usage is None or country is None:
        return bool(bits & _NOT_AT_AN_ATM)
    at_home = country == session.terminal[Tag.COUNTRY]
    return bool(bits & _NOT_AT_AN_ATM and bits & (usage.domestic if at_home else usage.international))
