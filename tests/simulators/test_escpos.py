"""Any bytes are survived, commands do what printers do, and our own jobs come out as they were laid out."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulators.escpos import BUFFER_BYTES_MAX, Answer, DrawerKicked, Event, Interpreter, SheetOut
from simulators.paper_roll import Gap, ImageRow, Roll, Sheet, Style, TextRow
from terminal.devices.escpos import build
from terminal.slip_layout import Cut, Line, Qr, plain_text
from tests.terminal.test_receipts import PRINTED
from tests.terminal.test_slip_layout import COLUMNS, LINES

_COMMAND_STARTS = st.sampled_from(
    [b"\x1b", b"\x1c", b"\x1d", b"\x10", b"\x1d(k", b"\x1dv0", b"\x1d!", b"\x1b*", b"\x1dV", b"\x10\x14", b"\x1dr\x01"]
)
WIRE = st.lists(_COMMAND_STARTS | st.binary(max_size=8) | st.just("金额\n".encode("gb18030"))).map(b"".join)


def printer(columns: int = 32) -> Interpreter:
    return Interpreter(Roll(columns))


def sheets(events: list[Event]) -> list[Sheet]:
    return [event.sheet for event in events if isinstance(event, SheetOut)]


def answers(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Answer))


def only_row(data: bytes) -> TextRow:
    (sheet,) = sheets(printer().receive(data + b"\n\x1dV\x00"))
    (row,) = sheet.rows
    assert isinstance(row, TextRow)
    return row


@given(WIRE, st.data())
@example(b"\x1d(k\x03\x001C", None)
@example(b"\x1d(k\x02\x001E\x1d(k\x03\x001Q0", None)
@example(b"\x1b3\x00\n\x1dv0\x00\x00\x00\x00\x00", None)
def test_any_bytes_are_survived_and_mean_the_same_in_pieces(wire: bytes, data: st.DataObject | None) -> None:
    whole = printer()
    at_once = whole.receive(wire)
    pieces = printer()
    cut = data.draw(st.integers(0, len(wire))) if data else len(wire) // 2
    in_pieces = pieces.receive(wire[:cut]) + pieces.receive(wire[cut:])
    assert sheets(at_once) == sheets(in_pieces)
    assert sorted(answers(at_once)) == sorted(answers(in_pieces))
    assert whole.unknown == pieces.unknown


@pytest.mark.parametrize("columns", [32, 48])
@pytest.mark.parametrize("name", PRINTED)
def test_a_slip_comes_out_as_it_was_laid_out(name: str, columns: int) -> None:
    lines = PRINTED[name]
    (sheet,) = sheets(printer(columns).receive(build(lines, columns)))
    assert sheet.complete
    assert sheet.text == plain_text(lines[:-1], columns)


@given(st.lists(LINES, min_size=1, max_size=6), COLUMNS)
def test_any_lines_come_out_as_they_were_laid_out_and_leave_no_unknown_command(lines: list[Line], columns: int) -> None:
    paper = printer(columns)
    came_out = sheets(paper.receive(build([*lines, Cut()], columns)))
    assert "".join(sheet.text for sheet in came_out).strip("\n") == plain_text(lines, columns).strip("\n")
    assert not paper.unknown


@pytest.mark.parametrize(
    ("command", "style"),
    [
        (b"\x1d!\x11", Style(2, 2)),
        (b"\x1d!\x01", Style(1, 2)),
        (b"\x1b!\x38", Style(2, 2, bold=True)),
        (b"\x1c!\x0c", Style(2, 2)),
        (b"\x1bE\x01", Style(bold=True)),
        (b"\x1dB\x01", Style(inverse=True)),
        (b"\x1d!\x11\x1bE\x01\x1b@", Style()),
    ],
)
def test_type_styles(command: bytes, style: Style) -> None:
    assert only_row(command + "消费".encode("gb18030")).runs == (("消费", style),)


@pytest.mark.parametrize(("command", "align"), [(b"", "left"), (b"\x1ba\x01", "center"), (b"\x1ba2", "right")])
def test_alignment(command: bytes, align: str) -> None:
    assert only_row(command + b"x").align == align


def test_double_height_takes_more_paper() -> None:
    assert [only_row(size + b"x").pitch_dots for size in (b"", b"\x1d!\x01", b"\x1d!\x01\x1b3\x40")] == [30, 48, 64]


def test_a_line_that_is_full_goes_on_below() -> None:
    (sheet,) = sheets(printer().receive(b"9" * 31 + "费\n".encode("gb18030") + b"\x1dV\x00"))
    assert sheet.lines == ["9" * 31, "费"]


def test_chinese_mode_can_be_left_and_entered() -> None:
    assert only_row(b"\x1c.\x81\x1c&" + "費".encode("gb18030")).runs == (("ü費", Style()),)


def test_a_raster_image_is_kept_dot_by_dot() -> None:
    (sheet,) = sheets(printer().receive(b"\x1ba\x01\x1dv0\x00\x02\x00\x03\x00" + b"\xf0\x0f" * 3 + b"\x1dVB\x00"))
    assert sheet.rows == (ImageRow(16, 3, b"\xf0\x0f" * 3, "center", "IMAGE 16x3"),)


def test_feeds_in_lines_and_in_dots() -> None:
    (sheet,) = sheets(printer().receive(b"x\x1bd\x02\x1bJ\x09\x1dV1"))
    assert sheet.rows[1:] == (Gap(2, 60), Gap(0, 9))


def test_the_drawer_opens() -> None:
    assert printer().receive(b"\x1bp\x00\x19\xfa") == [DrawerKicked()]


def test_unknown_commands_are_stepped_over_and_counted() -> None:
    paper = printer()
    (sheet,) = sheets(paper.receive(b"\x1bzA\x1d\x7aB\x1d(k\x03\x001Z0C\n\x1dV\x00"))
    assert sheet.lines == ["ABC"]
    assert paper.unknown == {"1B 7A": 1, "1D 7A": 1, "1D 28 6B 31 5A": 1}


def test_a_qr_code_too_large_for_any_version_prints_nothing() -> None:
    payload = b"9" * 2400
    stored = b"\x1d(k" + (len(payload) + 3).to_bytes(2, "little") + b"1P0" + payload
    paper = printer()
    assert paper.receive(b"\x1d(k\x03\x001E1" + stored + b"\x1d(k\x03\x001Q0\x1dV\x00") == []


@pytest.mark.parametrize(
    ("cover_open", "dots_left", "statuses"),
    [
        (False, None, b"\x12\x12\x12\x12"),
        (True, None, b"\x1a\x16\x12\x12"),
        (False, 0, b"\x1a\x32\x12\x72"),
    ],
)
def test_status_is_answered_at_once(cover_open: bool, dots_left: int | None, statuses: bytes) -> None:
    paper = Interpreter(Roll(32, dots_left), cover_open)
    assert answers(paper.receive(b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04")) == statuses


def test_status_commands_are_known_across_pieces_and_never_answered_twice() -> None:
    paper = printer()
    assert answers([event for byte in b"\x10\x04\x01" for event in paper.receive(bytes([byte]))]) == b"\x12"
    assert answers(paper.receive(b"a\n")) == b""


def test_out_of_paper_the_printer_stops_waits_and_goes_on() -> None:
    paper = Interpreter(Roll(32, dots_left=60))
    assert paper.receive(b"one\ntwo\nthree\n\x1dr\x01\x1dV\x00") == []
    assert paper.blocked
    paper.roll.dots_left = None
    (torn,) = sheets(paper.tear_off())
    assert (torn.lines, torn.complete) == (["one", "two"], False)
    events = paper.run()
    assert answers(events) == b"\x00"
    assert [(sheet.lines, sheet.complete) for sheet in sheets(events)] == [(["three"], True)]


def test_cleared_buffers_are_not_printed_later() -> None:
    paper = Interpreter(Roll(32), cover_open=True)
    cleared = paper.receive(b"old\n\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08new\n\x1dV\x00")
    assert answers(cleared) == b"\x37\x25\x00"
    paper.cover_open = False
    assert [sheet.lines for sheet in sheets(paper.run())] == [["new"]]


def test_the_buffer_has_an_end() -> None:
    paper = Interpreter(Roll(32), cover_open=True)
    paper.receive(b"x" * (BUFFER_BYTES_MAX + 7))
    assert paper.lost_bytes == 7


@pytest.mark.parametrize("bytes_count", [1, 84, 85, 213, 412, 666])
@pytest.mark.parametrize("columns", [32, 48])
def test_a_qr_code_of_any_allowed_length_fits_the_paper(bytes_count: int, columns: int) -> None:
    (sheet,) = sheets(printer(columns).receive(build([Qr("x" * bytes_count), Cut()], columns)))
    (row,) = sheet.rows
    assert isinstance(row, ImageRow)
    assert row.caption == "QR " + "x" * bytes_count
    assert row.width_dots <= columns * 12
