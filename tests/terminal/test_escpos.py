"""The bytes of a job, as the manuals of Epson and of Chinese printers give them."""

from dataclasses import replace

import pytest

from firmware_config.printer_models import MODELS
from simulators.escpos import Interpreter, SheetOut
from simulators.paper_roll import ImageRow, Roll
from terminal.devices.escpos import QR_PAYLOAD_BYTES_MAX, build
from terminal.slip_layout import Cut, DrawerKick, Feed, Pair, Qr, Text

NO_QR = replace(MODELS["generic"], draws_qr=False)
RESET = bytes.fromhex("1b40 1c26")


@pytest.mark.parametrize(
    ("line", "wire"),
    [
        (Text("OK"), b"OK\n"),
        (Text("金额"), bytes.fromhex("bdf0 b6ee 0a")),
        (Text("\u00a525"), bytes.fromhex("a3a4") + b"25\n"),
        (Text("OK", align="center"), b"\x1ba\x01OK\n\x1ba\x00"),
        (Text("OK", align="right", bold=True), b"\x1ba\x02\x1bE\x01OK\n\x1ba\x00\x1bE\x00"),
        (Text("OK", size="large"), b"\x1d!\x11\x1b3\x40OK\n\x1d!\x00\x1b2"),
        (Text("OK", size="tall"), b"\x1d!\x01\x1b3\x40OK\n\x1d!\x00\x1b2"),
        (Feed(3), b"\x1bd\x03"),
        (Cut(), b"\x1dVB\x00"),
        (DrawerKick(), b"\x1bp\x00\x19\xfa"),
        (
            Qr("abc"),
            b"\x1ba\x01"
            + bytes.fromhex("1d286b0400 31413200 1d286b0300 314306 1d286b0300 314531")
            + bytes.fromhex("1d286b0600 315030 616263 1d286b0300 315130")
            + b"\x1ba\x00",
        ),
    ],
)
def test_a_line_becomes_these_bytes(line: Text | Feed | Cut | DrawerKick | Qr, wire: bytes) -> None:
    assert build([line], 32) == RESET + wire


def test_a_printer_without_a_knife_feeds_to_where_a_person_tears():
    assert build([Cut()], 32, MODELS["POS-5890"]) == RESET + b"\x1bd\x05"


def test_a_printer_without_a_chinese_font_gets_the_english_half():
    wire = build([Pair("商户编号 MERCHANT NO", "104")], 32, MODELS["generic-no-chinese"])
    assert wire == b"\x1b@\x1c.\x1bt\x00" + b"MERCHANT NO                  104\n"


@pytest.mark.parametrize("payload", ["x", "https://slip.example.com/e/000012/000123", "x" * QR_PAYLOAD_BYTES_MAX])
def test_a_qr_code_as_a_picture_is_the_one_that_a_printer_would_draw(payload: str) -> None:
    drawn, sent = (_picture(build([Qr(payload), Cut()], 32, model)) for model in (MODELS["generic"], NO_QR))
    assert (drawn.width_dots + 7) // 8 == sent.width_dots // 8
    assert (drawn.pitch_dots, drawn.bits, drawn.align) == (sent.pitch_dots, sent.bits, sent.align)


def _picture(wire: bytes) -> ImageRow:
    (sheet,) = (event.sheet for event in Interpreter(Roll(32)).receive(wire) if isinstance(event, SheetOut))
    (row,) = sheet.rows
    assert isinstance(row, ImageRow)
    return row


def test_no_text_from_outside_becomes_a_command() -> None:
    assert build([Text("a\x1b\x40\x10\x04\x01\x1dVb")], 32) == RESET + b"a@Vb\n"


def test_a_qr_payload_that_would_not_fit_the_paper_is_refused() -> None:
    assert build([Qr("x" * QR_PAYLOAD_BYTES_MAX)], 32)
    with pytest.raises(ValueError, match="667 bytes"):
        build([Qr("x" * (QR_PAYLOAD_BYTES_MAX + 1))], 32)
