"""Who pays, as a message says it: by card (field 2 or a track) or by a code that was scanned (field 59).

Of a signed code it is the key that has signed it: by that key's short name it is shown.
"""

import re

from iso8583 import Iso8583Error, Message
from iso8583.masking import mask_code, mask_pan
from iso8583.tlv import parse_text_tlv
from paycode.signed import PREFIX, claimed, name_of

PAYMENT_CODE, VOUCHER, SIGNED_CODE = "A3", "A4", "A6"
NAME_OF_KEY = re.compile(f"{PREFIX}[0-9a-f]{{8}}", re.ASCII)
"""How a signed code is shown."""


def card_number(message: Message) -> str:
    """The card number: field 2, or what stands before the separator of track 2 (never among the encrypted digits)."""
    return message.text(2, "") or message.text(35, "").replace("=", "D").partition("D")[0]


def scanned_code(message: Message) -> str:
    """The customer's payment code, or the voucher of a payment made with one; "" if neither, or field 59 is broken."""
    parts = _scanned(message)
    return parts.get(PAYMENT_CODE) or parts.get(VOUCHER, "")


def signed_code(message: Message) -> str:
    """The code that the terminal has verified while it was offline; "" if there is none."""
    return _scanned(message).get(SIGNED_CODE, "")


def _scanned(message: Message) -> dict[str, str]:
    try:
        return parse_text_tlv(message.text(59, ""))
    except Iso8583Error:
        return {}


def masked_payer(message: Message) -> str:
    """The card number or the code as it may be kept: first six or two digits, and the last four; or a key's name."""
    claim = claimed(signed_code(message))
    if claim is not None:
        return f"{PREFIX}{name_of(claim.key)}"
    number = card_number(message)
    return mask_pan(number) if number else mask_code(scanned_code(message))
