"""Pictures are crisp, and show what is on the sheet."""

import pytest
from PIL import Image, ImageChops

from simulators.bitmap_font import glyph, has_glyph
from simulators.paper_roll import Align, Gap, ImageRow, Row, Sheet, Style, TextRow, qr_image, qr_modules
from simulators.slip_image import END_DOTS, INK, PAPER, PIXELS_PER_DOT, SIDE_DOTS, render

LEFT, TOP = SIDE_DOTS * PIXELS_PER_DOT, END_DOTS * PIXELS_PER_DOT


def picture(*rows: Row, columns: int = 32) -> Image.Image:
    """Return the printed area of a rendered sheet, ink white on black."""
    whole = render(Sheet(rows, columns, complete=True))
    width, height = columns * 12 * PIXELS_PER_DOT, sum(row.pitch_dots for row in rows) * PIXELS_PER_DOT
    area = whole.convert("RGB").crop((LEFT, TOP, LEFT + width, TOP + height))
    assert {colour for _, colour in area.getcolors() or []} <= {INK, PAPER}
    ink = ImageChops.difference(area, Image.new("RGB", area.size, PAPER)).convert("L")
    return ink.point(lambda value: 255 * bool(value))


PLAIN = Style()


def text(words: str, style: Style = PLAIN, align: Align = "left", pitch_dots: int = 24) -> TextRow:
    return TextRow(((words, style),), align, pitch_dots)


@pytest.mark.parametrize(("columns", "width"), [(32, 768), (48, 1152)])
def test_the_printed_area_has_two_pixels_a_dot(columns: int, width: int) -> None:
    assert render(Sheet((Gap(1, 30),), columns, complete=True)).size == (width + 2 * LEFT, 60 + 2 * TOP)


@pytest.mark.parametrize(
    ("character", "style", "size"),
    [
        ("费", Style(), (48, 48)),
        ("A", Style(), (24, 48)),
        ("费", Style(2, 2), (96, 96)),
        ("A", Style(1, 2), (24, 96)),
    ],
)
def test_a_glyph_is_scaled_by_whole_pixels(character: str, style: Style, size: tuple[int, int]) -> None:
    printed = picture(text(character, style, pitch_dots=48)).crop((0, 0, size[0], 96))
    top = (96 - size[1]) // 2
    expected = glyph(character).resize(size, Image.Resampling.NEAREST)
    assert printed.crop((0, top, size[0], top + size[1])).tobytes() == expected.tobytes()


def test_bold_is_one_dot_wider_and_inverse_is_the_opposite() -> None:
    plain, bold, inverse = (
        picture(text("费", style)).crop((0, 0, 48, 48)) for style in (PLAIN, Style(bold=True), Style(inverse=True))
    )
    assert bold.tobytes() == ImageChops.lighter(plain, ImageChops.offset(plain, 2, 0)).tobytes()
    assert inverse.tobytes() == ImageChops.invert(plain).tobytes()


@pytest.mark.parametrize(("align", "left"), [("left", 0), ("center", 360), ("right", 720)])
def test_text_stands_where_it_is_aligned(align: Align, left: int) -> None:
    box = picture(text("费", align=align)).getbbox()
    assert box is not None
    assert left <= box[0] < box[2] <= left + 48


def test_a_narrow_glyph_of_the_chinese_font_stands_in_the_middle_of_two_columns() -> None:
    assert glyph("·").width == 8
    box = picture(text("·")).getbbox()
    assert box is not None
    assert 12 <= box[0] < box[2] <= 36


def test_a_character_that_the_font_lacks_is_a_hollow_box() -> None:
    assert not has_glyph("龘")
    assert glyph("龘").getbbox() == (1, 0, 15, 16)


def test_an_image_is_drawn_dot_by_dot() -> None:
    printed = picture(ImageRow(8, 2, b"\xf0\x0f", "left", "IMAGE"))
    assert [printed.getpixel((x, y)) for y in (0, 2) for x in (0, 8)] == [255, 0, 0, 255]
    assert printed.getbbox() == (0, 0, 16, 4)


def test_an_image_wider_than_the_paper_is_clipped_not_an_error() -> None:
    assert picture(ImageRow(800, 1, b"\xff" * 100, "left", "IMAGE")).getbbox() == (0, 0, 768, 2)


@pytest.mark.parametrize("payload", ["https://slip.example.com/e/10000001/000012/000123", "电子签购单 ￥25.00"])
@pytest.mark.parametrize("module_dots", [3, 6])
def test_every_module_of_a_printed_qr_code_can_be_read_back(payload: str, module_dots: int) -> None:
    expected = qr_modules(payload.encode(), 1)
    printed = picture(qr_image(payload.encode(), 1, module_dots, "center"))
    side = len(expected) * module_dots * PIXELS_PER_DOT
    left, middle = (printed.width - side) // 2, module_dots * PIXELS_PER_DOT // 2
    read = [
        [
            printed.getpixel((left + x * module_dots * 2 + middle, y * module_dots * 2 + middle)) == 255
            for x in range(len(expected))
        ]
        for y in range(len(expected))
    ]
    assert read == expected


def test_paper_is_opaque_inside_and_its_torn_ends_are_transparent() -> None:
    alpha = render(Sheet((Gap(1, 30),), 32, complete=True)).getchannel("A")
    assert alpha.getpixel((alpha.width // 2, alpha.height // 2)) == 255
    top_row = {alpha.getpixel((x, 0)) for x in range(alpha.width)}
    assert top_row == {0, 255}
