"""The receipt as a QR code on the customer's screen: a phone reads it, and keeps it without asking anybody.

It holds the facts of the cardholder's copy as text. No card number is among them, not even masked: others see it, too.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from terminal.slips import Slip, currency_of, money

QUIET_MODULES: Final = 4  # around it, as the standard wants (ISO/IEC 18004 §5.3.8)


@dataclass(frozen=True, slots=True)
class ReceiptCode:
    """A QR code to be drawn: its side in modules with the quiet zone, and its dark ones as the path of an SVG."""

    side: int
    path: str


def receipt_text(slip: Slip) -> str:
    """Word the facts of a slip, a line for each, for whoever has only this."""
    letters = currency_of(slip.currency)[0]
    rows = (
        ("", f"{slip.shop.name_zh} {slip.shop.name_en}"),
        ("", f"{slip.type_zh} {slip.type_en} {letters} {money(slip.amount, slip.currency)}"),
        ("", slip.local_time.strftime("%Y-%m-%d %H:%M:%S")),
        ("商户 MERCHANT", slip.shop.merchant_no), ("终端 TERMINAL", slip.shop.terminal_no),
        ("批次 BATCH", slip.batch), ("凭证 VOUCHER", slip.voucher),
        ("授权码 AUTH", slip.auth_no), ("参考号 REF", slip.reference_no),
        ("原凭证 ORIG. VOUCHER", slip.original_voucher), ("原参考号 ORIG. REF", slip.original_reference_no),
        *(("", text) for text in slip.response_texts),
    )  # fmt: skip
    return "\n".join(f"{label} {value}".strip() for label, value in rows if value)


@lru_cache(maxsize=8)  # a screen is drawn anew with every change of anything
def receipt_code(text: str) -> ReceiptCode:
    """Make the code of a receipt."""
    import qrcode  # noqa: PLC0415  not before there is a receipt

    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_L, border=QUIET_MODULES)
    code.add_data(text)
    rows = code.get_matrix()
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark)
    return ReceiptCode(len(rows), "".join(dark))
