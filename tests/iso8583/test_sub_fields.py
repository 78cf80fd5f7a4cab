"""Fields opened to their parts and built of them again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.emv_tags import EMV
from iso8583.parts import FixedTlv, Part, Positional, Records, TextTlv
from iso8583.sub_fields import NESTING_MAX, SubField, build_field, open_field
from iso8583.table import Field, Table
from iso8583.tlv import OBJECTS_MAX, build_tlv
from tests.iso8583.refusals import refused
from tests.iso8583.test_properties import EXAMPLES, outcome
from tests.iso8583.vectors import GOLDEN

UNIONPAY = load_dialect("unionpay_pos")
PAN = "6299990000000009"


def opened(number: int, value: str | bytes, mti: str = "0200", **others: str) -> SubField:
    fields: dict[int, str | bytes] = {int(name[1:]): text for name, text in others.items()}
    return UNIONPAY.open(Message(mti, {**fields, number: value}), number)


def chip(data: str | bytes) -> SubField:
    return opened(55, bytes.fromhex(data) if isinstance(data, str) else data)


@pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
def test_every_field_of_a_golden_message_opens_and_builds_back(golden) -> None:
    message = Message(golden.mti, golden.fields)
    for number in message:
        field = UNIONPAY.open(message, number)
        assert (field.path, field.value) == (str(number), message[number])
        if field.parts:
            assert UNIONPAY.build(number, field.leaves) == message[number]
        assert PAN not in repr(field)
        assert PAN not in repr(list(field.walk()))


def test_a_positional_field() -> None:
    block = opened(60, "2200000100060")
    assert [(part.path, part.value, part.offset) for part in block.parts] == [
        ("60.1", "22", 0), ("60.2", "000001", 2), ("60.3", "000", 8), ("60.4", "6", 11), ("60.5", "0", 12),
    ]  # fmt: skip
    batch = block["60.2"]
    assert (batch.name, batch.name_zh, batch.mask, batch.shown) == ("batch number", "批次号", "show", "000001")
    assert "60.6" not in block
    assert block.get("60.6") is None
    with pytest.raises(KeyError):
        block["60.6"]


def test_tags_in_tags() -> None:
    field = opened(59, "A2020" + "01" + "00204" + "02" + "008SN000001" + "A3019" + "62" + "0" * 17)
    assert field.leaves == {"59/A2/01": "04", "59/A2/02": "SN000001", "59/A3": "62" + "0" * 17}
    assert [part.offset for part in field.walk()] == [5, 10, 17, 30]
    assert field["59/A3"].shown == "62*************0000"
    assert [part.path for part in field.parts] == ["59/A2", "59/A3"]


def test_binary_parts_of_a_text_field_are_bytes() -> None:
    pin = bytes(range(0xF0, 0x100))
    field = opened(59, "A1016" + pin.decode("latin-1"))
    assert field["59/A1"].value == pin
    assert field["59/A1"].shown == "<16 bytes>"
    assert UNIONPAY.build(59, field.leaves) == field.value


def test_chip_data_nests_and_scripts_repeat() -> None:
    scripts = chip("91 0A 0102030405060708 3030  72 0F 9F18 04 00000001 86 02 8416 86 02 8418  72 00")
    assert list(scripts.leaves) == ["55/91", "55/72/9F18", "55/72/86", "55/72/86#2", "55/72#2"]
    assert scripts["55/72/86#2"].value == bytes.fromhex("8418")
    assert scripts["55/72/86#2"].offset == 27
    assert UNIONPAY.build(55, scripts.leaves) == scripts.value
    assert UNIONPAY.build(55, {"55/72": bytes.fromhex("8600")}) == bytes.fromhex("72028600")


def test_a_tag_below_16_has_two_digits_as_well() -> None:
    field = chip("080155")
    assert field.leaves == {"55/08": b"\x55"}
    assert UNIONPAY.build(55, field.leaves) == field.value
    assert refused(chip, "080255").field == "55/08"
    assert refused(chip, "080008").field == "55/08"
    assert refused(chip, "08000800").field == "55/08"


def test_unknown_tags_are_kept_hidden_and_listed() -> None:
    field = chip("9F36020007 DF7F0462999900 70 07 9F36020007 C100")
    assert [part.path for part in field.unknown] == ["55/DF7F", "55/70/C1"]
    assert [part.shown for part in field.unknown] == ["<4 bytes>", "<0 bytes>"]
    assert (field.unknown[0].name, field.unknown[0].row) == ("", None)
    assert UNIONPAY.build(55, field.leaves) == field.value
    codes = opened(59, "A3002" + "62" + "ZZ003\u00e9\u0000b")
    assert [part.path for part in codes.unknown] == ["59/ZZ"]
    assert codes["59/ZZ"].shown == "<3 characters>"
    assert UNIONPAY.build(59, codes.leaves) == codes.value


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("5A 08 6299990000000009", "629999******0009"),
        ("5A 0A 6299990000000009FFFF", "629999******0009"),
        ("5A 0A 06299990000000000009", "629999*********0009"),
        ("5A 08 62999900000000AB", "*" * 16),
        ("57 11 6299990000000009D3012201123456789F", "<17 bytes>"),
        ("5F20 03 41422F", "<3 bytes>"),
        ("5F24 03 301231", "<3 bytes>"),
        ("99 08 0000000000000000", "<8 bytes>"),
        ("9F79 06 000000001234", "<6 bytes>"),
        ("9F46 04 01020304", "<4 bytes>"),
        ("9F02 06 000000001234", "000000001234"),
        ("8A 02 5931", "Y1"),
        ("8A 02 00FF", "00FF"),
        ("50 04 50424F43", "PBOC"),
    ],
)
def test_what_is_shown_of_chip_data(data: str, shown: str) -> None:
    field = chip(data)
    assert field.parts[0].shown == shown
    assert repr(field).endswith(f"={shown})")


@pytest.mark.parametrize(
    ("mti", "code", "text", "leaf"),
    [
        ("0500", "201", "000000002468002" + "0" * 47, "48.10"),
        ("0510", "201", "000000002468002" + "0" * 47, "48.10"),
        ("0320", "201", "01" + "00000002" + PAN.rjust(20, "0") + "000000001234", "48.1.3"),
        ("0320", "207", "0008", "48.1"),
        ("0330", "202", "0008", "48.1"),
    ],
)
def test_forms_of_field_48(mti: str, code: str, text: str, leaf: str) -> None:
    field = opened(48, text, mti, f60=f"00000001{code}")
    assert leaf in field.leaves
    assert UNIONPAY.build(48, field.leaves) == text
    assert PAN not in repr(field)


def test_a_record_hides_the_card() -> None:
    field = opened(48, "01" + "00000002" + PAN.rjust(20, "0") + "000000001234", "0320", f60="00000001201")
    assert field["48.1.3"].shown == "629999******0009"
    assert field["48.count"].value == "01"


@pytest.mark.parametrize(
    ("number", "value", "mti", "others"),
    [
        (48, "0008", "0320", {}),
        (48, "0008", "0320", {"f60": "00000001301"}),
        (48, "0008", "0320", {"f60": "0"}),
        (48, "0008", "0200", {"f60": "00000001207"}),
        (63, "01 ", "0320", {}),
        (41, "12345678", "0200", {}),
        (62, b"x", "0810", {}),
    ],
)
def test_a_field_whose_form_nobody_knows_is_whole(number: int, value: str, mti: str, others: dict[str, str]) -> None:
    field = opened(number, value, mti, **others)
    assert (field.parts, field.value, field.leaves) == ((), value, {})


def test_texts_of_an_answer_are_cut_by_bytes() -> None:
    text = "CUP" + "".join(
        word.encode("gb18030").ljust(20).decode("gb18030") for word in ("中国银行", "", "请联系发卡行")
    )
    field = opened(63, text, "0210")
    assert str(field["63.4"].value).rstrip() == "请联系发卡行"
    assert field["63.4"].offset == 43
    assert UNIONPAY.build(63, field.leaves) == text
    error = refused(opened, 63, "CUP" + "A" + "中" * 29 + "B", "0210")  # a character lies across the border
    assert (error.field, error.offset) == ("63.2", 3)


NAME = Part("", "ans", 6, encoding="gb18030")
DIGITS = Positional((Part("", "n", 1),) * 4)
TABLE = Table(
    "test", "0", Field("", "n", "bcd", 4), Field("", "b", "raw", 8), 64,
    {
        2: Field("", "b", "raw", 99, parts=FixedTlv({"11": Part("", "n", 2), "22": NAME})),
        3: Field("", "n", "bcd", 8, parts=Positional((Part("", "n", 4, parts=DIGITS),) * 2)),
        4: Field("", "b", "raw", 99, parts=Records(Part("", "b", 2), 1, 3)),
        5: Field("", "ans", "ascii", 99, parts=TextTlv({"A1": Part("", "n", 4, minimum=2)})),
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "value", "leaves"),
    [
        (2, b"1160" + "22中文  ".encode("gb18030"), {"2/11": "60", "2/22": "中文  "}),
        (3, "12345678", {f"3.{1 + at // 4}.{1 + at % 4}": str(at + 1) for at in range(8)}),
        (4, b"2abcd", {"4.count": "2", "4.1": b"ab", "4.2": b"cd"}),
        (5, "A1003123", {"5/A1": "123"}),
    ],
)
def test_every_layout_both_ways(number: int, value: str | bytes, leaves: dict[str, str | bytes]) -> None:
    assert open_field(TABLE, Message("0200", {number: value}), number).leaves == leaves
    assert build_field(TABLE, number, leaves) == value


def test_records_need_no_count_to_be_built() -> None:
    assert build_field(TABLE, 4, {"4.1": b"ab"}) == b"1ab"


def test_a_nested_part_may_be_given_whole() -> None:
    assert build_field(TABLE, 3, {"3.1": "1234", "3.2.1": "5", "3.2.2": "6", "3.2.3": "7", "3.2.4": "8"}) == "12345678"


@pytest.mark.parametrize(
    ("number", "value", "field", "offset"),
    [
        (2, b"116", "2/11", 2),
        (2, b"11602", "2", 4),
        (2, b"33", "2", 0),
        (2, b"11601161", "2/11", 4),
        (2, b"116x", "2/11", 3),
        (2, b"\xff\xff", "2", 0),
        (3, "1234567", "3.2", 4),
        (3, "12345\uff161", "3", 5),
        (4, b"", "4.count", 0),
        (4, b"x", "4.count", 0),
        (4, b"1abc", "4", 1),
        (5, "A10011", "5/A1", 5),
        (5, "A10021\u00e9", "5", 6),
        (5, "A1004123", "5/A1", 5),
        (2, "text", "2", 0),
        (5, b"bytes", "5", 0),
    ],
)
def test_faults_are_placed_within_the_field(number: int, value: str | bytes, field: str, offset: int) -> None:
    error = refused(open_field, TABLE, Message("0200", {number: value}), number)
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize(
    ("data", "field", "offset"),
    [
        ("9F3603 000701", "55/9F36", 3),  # the row says 2 bytes
        ("9F02 05 0000000012", "55/9F02", 3),
        ("70 03 9F3602", "55/70/9F36", 5),
        ("9F36020007 70 03 9F2608", "55/70/9F26", 10),
        ("9F360200079F36020008", "55/9F36", 5),
        ("C100C100", "55/C1", 2),  # of an unknown tag nobody knows that it may come again
        ("70 0A 9F36020007 9F36020008", "55/70/9F36", 7),
        ("70 02 9500", "55/70/95", 4),
    ],
)
def test_faults_in_chip_data(data: str, field: str, offset: int) -> None:
    error = refused(chip, data)
    assert (error.field, error.offset) == (field, offset)


def nested(depth: int, tag: int = 0x70) -> bytes:
    data = b""
    for _ in range(depth):
        data = build_tlv({tag: data})
    return data


def test_nesting_is_bounded() -> None:
    deepest = chip(nested(NESTING_MAX))
    assert len(list(deepest.walk())) == NESTING_MAX
    assert UNIONPAY.build(55, deepest.leaves) == deepest.value
    for depth in (NESTING_MAX + 1, 40):
        error = refused(chip, nested(depth))
        assert (error.field, error.offset) == ("55" + "/70" * NESTING_MAX, 2 * NESTING_MAX)
    big = nested(10_000)  # as deep as a length can say
    assert refused(chip, big).reason.startswith("needed")


def test_objects_beside_each_other_are_bounded() -> None:
    many = bytes.fromhex("7200") * OBJECTS_MAX
    assert len(chip(many).parts) == OBJECTS_MAX
    assert "at most 128 objects" in refused(chip, many + b"\x72\x00").reason


def test_no_tree_is_larger_than_its_bytes_allow() -> None:
    # Every object has a head of two bytes of its own, however objects nest.
    widest = b"".join(build_tlv({0x70 if at == 0 else 0x72: b"\x72\x00" * 60}) for at in range(100))
    tree = chip(widest)
    assert len(list(tree.walk())) <= len(widest) // 2


def test_a_field_that_the_dialect_or_the_message_lacks() -> None:
    assert refused(UNIONPAY.open, Message("0200", {99: "x"}), 99).field == 99
    assert refused(UNIONPAY.build, 99, {}).field == 99
    assert refused(UNIONPAY.build, 41, {"41.1": "x"}).field == 41
    with pytest.raises(KeyError):
        UNIONPAY.open(Message("0200", {}), 55)


@pytest.mark.parametrize(
    ("number", "parts", "field"),
    [
        (60, {}, "60.1"),
        (60, {"60.1": "22", "60.3": "000"}, "60.2"),
        (60, {"60.1": "22", "60.2": "1", "60.3": "000"}, "60.2"),
        (60, {"60.1": "22", "60.2": "00000x", "60.3": "000"}, "60.2"),
        (60, {"60.1": "22", "60.2": b"000001", "60.3": "000"}, "60.2"),
        (60, {"60.8": "22"}, "60.8"),
        (60, {"60/1": "22"}, "60/1"),
        (60, {"60.1.1": "22"}, "60.1"),
        (60, {"61.1": "22"}, "60"),
        (60, {"60": "22"}, "60"),
        (60, {"60..1": "22"}, "60"),
        (55, {"55/9F36": "0007"}, "55/9F36"),
        (55, {"55/9F36": b"\0"}, "55/9F36"),
        (55, {"55/9F36": bytes(2), "55/9F36#2": bytes(2)}, "55/9F36"),
        (55, {"55/9F36": bytes(2), "55/9f36": bytes(2)}, "55/9F36"),
        (55, {"55/9F": b""}, "55/9F"),
        (55, {"55/XY": b""}, "55/XY"),
        (55, {"55/": b""}, "55"),
        (55, {"55.1": b""}, "55.1"),
        (55, {"55/70": b"\x95"}, "55/70/95"),
        (55, {"55/70": b"", "55/70/95": bytes(5)}, "55"),
        (55, {"55/70/95": bytes(5), "55/70": b""}, "55"),
        (55, {"55" + "/70" * 9: b""}, "55"),
        (55, {"55" + "/70" * 5000: b""}, "55"),
        (55, {f"55/72#{at}": b"" for at in range(129)}, "55"),
        (59, {"59/A3": "x" * 65}, "59/A3"),
        (59, {"59/A3/01": "x"}, "59/A3"),
        (59, {"59/ZZZ": "x"}, "59/ZZZ"),
        (59, {"59/ZZ": "x" * 1000}, "59/ZZ"),
        (59, {"59/ZZ": "中"}, "59/ZZ"),
        (48, {"48.count": "02", "48.1": "0" * 40}, "48"),
        (48, {"48.2": "0" * 40}, "48.2"),
    ],
)
def test_parts_that_cannot_be_built(number: int, parts: dict[str, str | bytes], field: str) -> None:
    assert refused(UNIONPAY.build, number, parts).field == field


def test_every_tag_is_named_in_both_languages_and_can_be_written() -> None:
    for tag, part in EMV.tags.items():
        assert part.name and part.name_zh, f"{tag:X}"
        assert 0 <= part.shortest <= part.length <= 255
        assert build_tlv({tag: b""})


# --- whatever comes -------------------------------------------------------------------------------------------------


def objects_of(tags: list[int]) -> SearchStrategy[dict[int, bytes]]:
    """Any values for some of `tags` that their rows allow."""
    rows = {tag: EMV.tags.get(tag, Part("", "b", 9, minimum=0)) for tag in tags}
    values = {tag: st.binary(min_size=row.shortest, max_size=row.length) for tag, row in rows.items()}
    return st.fixed_dictionaries({}, optional=values)


VALUES = objects_of([0x95, 0x9F36, 0x9F26, 0x57, 0x9F10, 0xDF31, 0xC1, 0xDF8101])


@EXAMPLES
@given(VALUES, VALUES)
def test_chip_data_round_trips(outer: dict[int, bytes], inner: dict[int, bytes]) -> None:
    data = build_tlv({**outer, 0x70: build_tlv(inner)})
    field = chip(data)
    assert UNIONPAY.build(55, field.leaves) == data
    assert all(data[part.offset : part.offset + len(part.value)] == part.value for part in field.walk())


@EXAMPLES
@given(
    st.binary(max_size=80), st.sampled_from([53, 54, 55, 59, 60, 61, 63, 48]), st.sampled_from(["0210", "0320", "0500"])
)
def test_noise_is_refused_or_builds_back(noise: bytes, number: int, mti: str) -> None:
    for value in (noise if number == 55 else noise.decode("latin-1"), "0" * len(noise)):
        field = outcome(lambda value: opened(number, value, mti, f60="00000001201"), value)
        if isinstance(field, Iso8583Error):
            assert str(field.field).startswith(str(number))
            assert 0 <= field.offset <= 2 * len(value)
        else:
            assert not field.parts or UNIONPAY.build(number, field.leaves) == value


@EXAMPLES
@given(st.data())
def test_positional_fields_round_trip(data: st.DataObject) -> None:
    row = UNIONPAY.table.fields[60].parts
    assert isinstance(row, Positional)
    count = data.draw(st.integers(3, 7))
    leaves = {
        f"60.{at}": data.draw(st.text("0123456789", min_size=part.length, max_size=part.length))
        for at, part in enumerate(row.parts[:count], 1)
    }
    field = opened(60, UNIONPAY.build(60, leaves))
    assert field.leaves == leaves


@pytest.mark.parametrize("name", ["iso87_ascii", "iso87_bcd", "iso87_ebcdic", "iso93_bcd", "unionpay_switch"])
def test_chip_data_opens_to_its_tags_in_every_dialect_that_has_them_there(name: str) -> None:
    dialect = load_dialect(name)
    sent = Message(f"{dialect.table.version}200", {55: bytes.fromhex("9F2608112233445566778895050000000000")})
    block = dialect.open(dialect.decode(dialect.encode(sent)), 55)
    assert [part.path for part in block.walk()] == ["55/9F26", "55/95"]
    assert dialect.build(55, block.leaves) == sent[55]


@pytest.mark.parametrize("name", ["iso87_ascii", "iso87_bcd", "iso87_ebcdic", "unionpay_switch"])
def test_the_original_of_a_reversal_opens_to_its_elements(name: str) -> None:
    elements = ["0200", "000017", "1120093059", "00012345678", "00087654321"]
    dialect, sent = load_dialect(name), Message("0420", {90: "".join(elements)})
    block = dialect.open(dialect.decode(dialect.encode(sent)), 90)
    assert [part.value for part in block.parts] == elements
    assert dialect.build(90, block.leaves) == sent[90]
    with pytest.raises(Iso8583Error, match=r"90\.5"):
        dialect.build(90, {path: value for path, value in block.leaves.items() if path != "90.5"})
