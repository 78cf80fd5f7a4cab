"""Field 55: which data objects each message carries, in UnionPay's order.

A data object that neither card nor terminal has is left out.
"""

from collections.abc import Iterable

from iso8583.tlv import build_tlv
from terminal.emv.card_session import CardSession
from terminal.emv.tags import Tag

ONLINE_REQUEST = (
    Tag.CRYPTOGRAM, Tag.CRYPTOGRAM_INFORMATION, Tag.ISSUER_DATA, Tag.UNPREDICTABLE_NUMBER, Tag.ATC, Tag.TVR, Tag.DATE,
    Tag.TYPE, Tag.AMOUNT, Tag.CURRENCY, Tag.AIP, Tag.COUNTRY, Tag.AMOUNT_OTHER, Tag.CAPABILITIES, Tag.CVM_RESULTS,
    Tag.TERMINAL_TYPE, Tag.IFD_SERIAL, Tag.DF_NAME, Tag.TERMINAL_VERSION, Tag.SEQUENCE, Tag.PRODUCT_ID,
)  # fmt: skip
OFFLINE_SALE = (*ONLINE_REQUEST, Tag.RESPONSE_CODE, Tag.CASH_ISSUER_CODE)
REVERSAL = (Tag.TVR, Tag.IFD_SERIAL, Tag.ISSUER_DATA, Tag.ATC, Tag.SCRIPT_RESULTS)
SCRIPT_RESULT = (
    Tag.CAPABILITIES, Tag.TVR, Tag.UNPREDICTABLE_NUMBER, Tag.IFD_SERIAL, Tag.ISSUER_DATA, Tag.CRYPTOGRAM, Tag.ATC,
    Tag.AIP, Tag.SCRIPT_RESULTS, Tag.COUNTRY, Tag.DATE,
)  # fmt: skip


def field55(session: CardSession, tags: Iterable[Tag]) -> bytes:
    """Build the field from what is known now."""
    values = {tag: session.value(tag) for tag in tags}
    return build_tlv({tag: value for tag, value in values.items() if value is not None})
