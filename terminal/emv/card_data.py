"""What leaves the kernel about a card: the data of the online request, and the chip's lines for the slip."""

from collections.abc import Mapping
from typing import Literal

from terminal.emv.card_session import CardSession
from terminal.emv.field55 import ONLINE_REQUEST, REVERSAL, field55
from terminal.emv.reading import number_of, track2_of
from terminal.emv.selection import label_of, preferred_name_of
from terminal.emv.steps import CardData
from terminal.emv.tags import Tag

_LINES = {"TVR": Tag.TVR, "AID": Tag.DF_NAME, "PAN SN": Tag.PSN, "TSI": Tag.TSI, "ATC": Tag.ATC}


_ENTRY_MODES: Mapping[tuple[str, bool], Literal["051", "052", "071", "072"]] = {
    ("contact", True): "051", ("contact", False): "052", ("contactless", True): "071", ("contactless", False): "072",
}  # fmt: skip
"""Field 22 by interface and whether a PIN goes with the request."""


def card_data(session: CardSession) -> CardData:
    """Collect what a request needs; the first cryptogram must be there."""
    return CardData(
        pan=number_of(session.card),
        psn=session.card.get(Tag.PSN, b"\x00").hex().rjust(3, "0"),
        expiry=session.card[Tag.EXPIRY].hex()[:4],
        track2=track2_of(session.card),
        f55=field55(session, ONLINE_REQUEST),
        reversal_f55=field55(session, REVERSAL),
        entry_mode=_ENTRY_MODES[session.interface, session.pin_block is not None],
        aid=session.card[Tag.DF_NAME].hex().upper(),
        label=preferred_name_of(session.card) or label_of(session.card),
        cvm=session.cvm,
        pin_block=session.pin_block,
        receipt=receipt_lines(session),
    )


def receipt_lines(session: CardSession) -> dict[str, str]:
    """The chip's lines for the slip as they stand, in UnionPay's print order: printed names, hexadecimal values.

    The cryptogram stands under its kind: ``ARQC``, ``TC`` or ``AAC``. Empty before there is one.
    """
    if not session.cryptogram_kind:
        return {}
    values = {name: session.value(tag) for name, tag in _LINES.items()}
    names = {"APPLAB": label_of(session.card), "APPNAME": preferred_name_of(session.card)}
    return {
        session.cryptogram_kind: session.card[Tag.CRYPTOGRAM].hex().upper(),
        **{name: value.hex().upper() for name, value in values.items() if value is not None},
        **{name: text for name, text in names.items() if text},
    }
