"""ESC/POS bytes from printable lines: what every receipt printer sold in China understands.

Chinese mode is switched on once, and all text goes out as GB18030. Only commands common to Epson, Xprinter, Gprinter
and their kin are used; QR codes are drawn by the printer itself, or sent as a picture to one that cannot.
"""

from firmware_config.printer_models import MODELS, CodePage, PrinterModel
from terminal.slip_layout import SCALES, Align, Cut, DrawerKick, Feed, Line, Placed, Qr, Text, in_ascii, lay_out

_RESET: dict[CodePage, bytes] = {
    "gb18030": b"\x1b@\x1c&",  # ESC @ then FS &: Chinese mode, which ESC @ may have switched off
    "cp437": b"\x1b@\x1c.\x1bt\x00",  # FS . ends it, ESC t 0 is code page 437
}
_ALIGN: dict[Align, bytes] = {"left": b"\x1ba\x00", "center": b"\x1ba\x01", "right": b"\x1ba\x02"}
_FEED_AND_CUT = b"\x1dVB\x00"  # GS V 66 0: feed to the knife first, then a partial cut
_FEED_TO_TEAR = b"\x1bd\x05"  # ESC d 5: past the edge at which a person tears
_AIRY, _PLAIN_SPACING = b"\x1b3\x40", b"\x1b2"  # ESC 3 64 leaves 16 dots between rows of double height
_KICK = b"\x1bp\x00\x19\xfa"  # ESC p: drawer 1, pulse of 50 ms

QR_PAYLOAD_BYTES_MAX = 666
_QR_MODULE_DOTS = ((84, 6), (213, 5), (412, 4), (QR_PAYLOAD_BYTES_MAX, 3))
"""Payload bytes to dots per module, so that versions 5, 10, 15 and 20 at level M stay within 58 mm paper."""


def build(lines: list[Line], columns: int, model: PrinterModel = MODELS["generic"]) -> bytes:
    """Return one print job for paper of `columns` columns (32 for 58 mm, 48 for 80 mm), as that model understands it.

    Raises ValueError for a QR payload of more than `QR_PAYLOAD_BYTES_MAX` bytes.
    """
    shown = lines if model.code_page == "gb18030" else in_ascii(lines)
    return _RESET[model.code_page] + b"".join(_encode(placed, model) for placed in lay_out(shown, columns))


def _encode(placed: Placed, model: PrinterModel) -> bytes:
    match placed:
        case Text():
            return _text(placed)
        case Qr(payload):
            return _qr(payload.encode(), model.draws_qr)
        case Feed(lines):
            return b"\x1bd" + bytes([lines])
        case Cut():
            return _FEED_AND_CUT if model.cuts else _FEED_TO_TEAR
        case DrawerKick():
            return _KICK


def _text(text: Text) -> bytes:
    """One row: only its differences from the plain style, and those undone after it."""
    on, off = _style(text)
    return on + text.text.encode("gb18030") + b"\n" + off


def _style(text: Text) -> tuple[bytes, bytes]:
    wide, high = SCALES[text.size]
    switches = (
        (text.align != "left", _ALIGN[text.align], _ALIGN["left"]),
        (text.size != "normal", b"\x1d!" + bytes([(wide - 1) << 4 | (high - 1)]), b"\x1d!\x00"),
        (high > 1, _AIRY, _PLAIN_SPACING),
        (text.bold, b"\x1bE\x01", b"\x1bE\x00"),
    )
    return b"".join(on for wanted, on, _ in switches if wanted), b"".join(off for wanted, _, off in switches if wanted)


def _qr(payload: bytes, draws_qr: bool) -> bytes:
    """A QR code of level M in the middle of the paper."""
    module_dots = next((dots for bytes_max, dots in _QR_MODULE_DOTS if len(payload) <= bytes_max), None)
    if module_dots is None:
        raise ValueError(f"QR payload: {len(payload)} bytes, at most {QR_PAYLOAD_BYTES_MAX} can be printed")
    commands = _qr_commands(payload, module_dots) if draws_qr else _qr_picture(payload, module_dots)
    return _ALIGN["center"] + commands + _ALIGN["left"]


def _qr_commands(payload: bytes, module_dots: int) -> bytes:
    """GS ( k: model 2, module size, level M, store, print."""
    functions = (b"1A2\x00", b"1C" + bytes([module_dots]), b"1E1", b"1P0" + payload, b"1Q0")
    return b"".join(b"\x1d(k" + len(body).to_bytes(2, "little") + body for body in functions)


def _qr_picture(payload: bytes, module_dots: int) -> bytes:
    """GS v 0: a picture of bits, eight dots to a byte from the left."""
    import qrcode  # noqa: PLC0415  only printers that draw no QR code need it
    from qrcode.constants import ERROR_CORRECT_M  # noqa: PLC0415

    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=0)
    code.add_data(payload)
    code.make(fit=True)
    rows = [_bits(row, module_dots) * module_dots for row in code.get_matrix()]
    height = len(rows) * module_dots
    width_bytes = len(rows[0]) // module_dots
    return b"\x1dv0\x00" + width_bytes.to_bytes(2, "little") + height.to_bytes(2, "little") + b"".join(rows)


def _bits(modules: list[bool], module_dots: int) -> bytes:
    bits = "".join(("1" if module else "0") * module_dots for module in modules)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)
