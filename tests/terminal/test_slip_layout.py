"""Rows fit the paper, nothing is lost, and nothing from outside becomes a command."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.slip_layout import (
    Figures,
    Flow,
    Line,
    Pair,
    Qr,
    Rule,
    Text,
    in_ascii,
    lay_out,
    plain_text,
    printable,
    width,
    wrap,
)  # fmt: skip

TEXTS = st.text(max_size=80) | st.text("消费金额退货，。（）abc 0129*/-.", max_size=80)
SIZES = st.sampled_from(["normal", "tall", "large"])
FIGURES = st.from_regex(r"-?\d{1,12}(\.\d\d)?", fullmatch=True)
LINES: st.SearchStrategy[Line] = st.one_of(
    st.builds(Text, TEXTS, st.sampled_from(["left", "center", "right"]), SIZES, st.booleans()),
    st.builds(Pair, TEXTS, TEXTS, SIZES),
    st.builds(Figures, TEXTS, FIGURES, FIGURES),
    st.builds(Flow, st.lists(TEXTS, max_size=6).map(tuple)),
    st.just(Rule()),
)
COLUMNS = st.sampled_from([32, 42, 48])


def squeezed(text: str) -> str:
    return text.replace(" ", "")


@given(LINES, COLUMNS)
def test_every_row_fits_the_paper(line: Line, columns: int) -> None:
    for row in lay_out([line], columns):
        assert isinstance(row, Text)
        assert 0 < width(row.text) * (2 if row.size == "large" else 1) <= columns


@given(TEXTS, st.integers(2, 48))
def test_wrapping_loses_nothing_but_spaces_at_row_ends(text: str, columns: int) -> None:
    shown = printable(text)
    assert squeezed("".join(wrap(shown, columns))) == squeezed(shown)


@given(TEXTS, TEXTS, COLUMNS)
def test_a_pair_loses_nothing(left: str, right: str, columns: int) -> None:
    rows = [row.text for row in lay_out([Pair(left, right)], columns) if isinstance(row, Text)]
    assert squeezed("".join(rows)) == squeezed(printable(left) + printable(right))


@given(st.text())
def test_printable_text_is_ascii_or_two_bytes_of_gb18030(text: str) -> None:
    for character in printable(text):
        encoded = character.encode("gb18030")
        assert len(encoded) == (1 if unicodedata.east_asian_width(character) == "Na" else 2) == width(character)
        assert encoded[0] >= 0x20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u00a525.00", "￥25.00"),
        ("Café Zoë", "Cafe Zoe"),
        ("e\u0301t\u00e9", "ete"),
        ("a\tb\r\nc", "a b  c"),
        ("pay\x1b@\x10\x04\x01now", "pay@now"),
        ("𠮷野家 🍜", "〓野家 〓"),
        ("ไ", "?"),
        ("€ № Ⅷ ① © ™", "€ № Ⅷ ① ? 〓"),
    ],
)
def test_what_the_printer_lacks_is_shown_as_such(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_text_breaks_at_spaces_between_characters_and_within_long_words() -> None:
    assert wrap("RECEIPT OF GOODS", 12) == ["RECEIPT OF", "GOODS"]
    assert wrap("同意将其计入本卡账户", 8) == ["同意将其", "计入本卡", "账户"]
    assert wrap("ID 0123456789ABCDEF", 8) == ["ID 01234", "56789ABC", "DEF"]


def test_closing_punctuation_does_not_start_a_row() -> None:
    assert wrap("确认以上交易。谢谢", 12) == ["确认以上交", "易。谢谢"]


def test_a_value_that_does_not_fit_goes_below_its_label() -> None:
    assert plain_text([Pair("商户编号 MERCHANT NO", "104110053110001")], 32) == (
        "商户编号 MERCHANT NO\n                 104110053110001\n"
    )
    assert plain_text([Pair("终端编号 TERMINAL NO", "10000001")], 32) == "终端编号 TERMINAL NO    10000001\n"


def test_label_and_value_never_touch() -> None:
    assert plain_text([Pair("a" * 16, "b" * 15)], 32) == "a" * 16 + " " + "b" * 15 + "\n"
    assert plain_text([Pair("a" * 16, "b" * 16)], 32) == "a" * 16 + "\n" + " " * 16 + "b" * 16 + "\n"


def test_large_type_that_does_not_fit_gets_narrower_before_it_wraps() -> None:
    sizes = [
        [row.size for row in lay_out([Text("9" * length, size="large")], 32) if isinstance(row, Text)]
        for length in (16, 17, 33)
    ]
    assert sizes == [["large"], ["tall"], ["tall", "tall"]]


def test_figures_stand_under_each_other() -> None:
    rows = plain_text([Figures("消费 SALE", "12", "1,234.50"), Figures("合计 TOTAL", "3", "-9.00")], 32).splitlines()
    assert rows == ["消费 SALE     12        1,234.50", "合计 TOTAL     3           -9.00"]


def test_a_figure_row_too_wide_keeps_its_figures_in_their_columns() -> None:
    rows = plain_text([Figures("预授权完成 COMPLETION", "1", "9.00")], 32).splitlines()
    assert rows == ["预授权完成 COMPLETION", "               1            9.00"]


@pytest.mark.parametrize(
    ("line", "english"),
    [
        (Text("****重打印/DUPLICATED****"), [Text("****DUPLICATED****")]),
        (Text("消费/SALE", size="large"), [Text("SALE", size="large")]),
        (Text("日期/时间 DATE/TIME"), [Text("DATE/TIME")]),
        (Text("6212 26** **** 1234 I"), [Text("6212 26** **** 1234 I")]),
        (Text("晨光便利店(人民路店)"), []),
        (Pair("商户编号 MERCHANT NO", "104"), [Pair("MERCHANT NO", "104")]),
        (Pair("发卡行 ISSUER", "工商银行"), []),
        (Figures("消费 SALE", "12", "1,234.50"), [Figures("SALE", "12", "1,234.50")]),
        (Figures("类型 TYPE", "笔数", "金额 RMB"), [Figures("TYPE", "", "RMB")]),
        (Flow(("TVR 00", "应用")), [Flow(("TVR 00",))]),
        (Rule(), [Rule()]),
    ],
)
def test_the_english_half_is_what_is_left_without_chinese(line: Line, english: list[Line]) -> None:
    assert in_ascii([line]) == english


@given(st.lists(LINES, max_size=4))
def test_the_english_half_is_ascii(lines: list[Line]) -> None:
    assert plain_text(in_ascii([line for line in lines if not isinstance(line, Qr)]), 32).isascii()
