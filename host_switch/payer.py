"""Who pays, as a message says it: by card (field 2 or a track) or by a code that was scanned (field 59)."""

from iso8583 import Iso8583Error, Message
from iso8583.masking import mask_code, mask_pan
from iso8583.tlv import parse_text_tlv

PAYMENT_CODE, VOUCHER = "A3", "A4"


def card_number(message: Message) -> str:
    """The card number: field 2, or what stands before the separator of track 2 (never among the encrypted digits)."""
    return message.text(2, "") or message.text(35, "").replace("=", "D").partition("D")[0]


def scanned_code(message: Message) -> str:
    """The customer's payment code, or the voucher of a payment made with one; "" if neither, or field 59 is broken."""
    if 59 not in message:
        return ""
    try:
        parts = parse_text_tlv(message.text(59))
    except Iso8583Error:
        return ""
    return parts.get(PAYMENT_CODE) or parts.get(VOUCHER, "")


def masked_payer(message: Message) -> str:
    """The card number or the code as it may be kept: first six or two digits, and the last four."""
    number = card_number(message)
    return mask_pan(number) if number else mask_code(scanned_code(message))
