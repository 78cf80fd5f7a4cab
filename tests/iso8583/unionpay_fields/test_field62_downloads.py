"""Field 62 of the download loops: pages of lists, public keys, applications, the black list. Bytes built by hand."""

from dataclasses import replace

import pytest

from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field62_downloads import (
    Application62,
    BlackList62,
    CaKey62,
    CardsAsked62,
    List62,
    ListAsked62,
    Name62,
)
from iso8583.unionpay_fields.field62_parts import FIELD_BYTES_MAX
from tests.iso8583.downloads import APPLICATION, APPLICATION_WIRE, CARDS, KEY, KEY_WIRE, PUBLISHED, RID, VECTORS
from tests.iso8583.refusals import refused


def without(wire: bytes, part: str) -> bytes:
    assert bytes.fromhex(part) in wire
    return wire.replace(bytes.fromhex(part), b"")


# --- questions and pages ----------------------------------------------------------------------------------------------


def test_questions_as_they_stand_on_the_wire() -> None:
    assert ListAsked62(7).to_bytes() == b"107" and ListAsked62.parse(b"107") == ListAsked62(7)
    assert CardsAsked62(48).to_bytes() == b"048" and CardsAsked62.parse(b"048") == CardsAsked62(48)
    key, application = bytes.fromhex("9F0605A0000003339F220101"), bytes.fromhex("9F0608A000000333010101")
    assert Name62(RID, 1).to_bytes() == key and Name62.parse(key) == Name62(RID, 1) == KEY.name.asked()
    assert Name62(APPLICATION.aid).to_bytes() == application and Name62.parse(application) == Name62(APPLICATION.aid)


@pytest.mark.parametrize("data", [b"", b"1", b"007", b"1x7", b"1007", "1０7".encode()])
def test_question_for_a_list_that_is_none_is_refused(data: bytes) -> None:
    assert refused(ListAsked62.parse, data).field == 62


@pytest.mark.parametrize("data", [b"", b"1", b"-01", b"0000"])
def test_question_for_cards_that_is_none_is_refused(data: bytes) -> None:
    assert refused(CardsAsked62.parse, data).field == 62


def test_numbers_beyond_their_digits_cannot_be_asked_for() -> None:
    assert "0 to 99" in refused(ListAsked62(100).to_bytes).reason
    assert "0 to 999" in refused(CardsAsked62(1000).to_bytes).reason


@pytest.mark.parametrize(
    ("page", "wire"),
    [
        (List62(), b"0"),
        (List62((Name62(RID, 1, "20301231"), Name62(RID, 2))),
         b"1" + bytes.fromhex("9F0605A0000003339F220101DF050832303330313233319F0605A0000003339F220102")),
        (List62((Name62(APPLICATION.aid),), more=True), b"2" + bytes.fromhex("9F0608A000000333010101")),
    ],
)  # fmt: skip
def test_page_of_a_list(page: List62, wire: bytes) -> None:
    assert page.to_bytes() == wire
    assert List62.parse(wire) == page


def test_last_day_of_four_packed_bytes_is_the_same_day() -> None:
    assert List62.parse(b"1" + bytes.fromhex("9F0605A0000003339F220101DF050420301231")).names[0] == KEY.name


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"3",
        b"1",
        b"0" + Name62(RID, 1).to_bytes(),
        b"1" + bytes.fromhex("9F220101"),
        b"1" + bytes.fromhex("9F0605A0000003339F2201019F220102"),
        b"1" + bytes.fromhex("9F0604A00000039F220101"),
        b"1" + bytes.fromhex("9F0605A0000003339F22020001"),
        b"1" + bytes.fromhex("9F0605A0000003339F220101DF05083230333031333331"),
        b"1" + bytes.fromhex("9F0605A0000003339F220101DF0507323033303132"),
        b"1" + Name62(APPLICATION.aid).to_bytes() * 50,
    ],
)
def test_page_that_is_nonsense_is_refused(wire: bytes) -> None:
    with pytest.raises(Iso8583Error):
        List62.parse(wire)


def test_pages_bring_every_name_once_and_fit_the_field() -> None:
    names = tuple(Name62(RID, index, "20301231") for index in range(64))
    received: tuple[Name62, ...] = ()
    for _ in range(3):
        page = List62.page(names[len(received) :])
        assert len(page.to_bytes()) <= FIELD_BYTES_MAX
        received += page.names
    assert received == names and not page.more
    assert List62.page(()) == List62()


def test_black_list_on_the_wire() -> None:
    wire = b"1" + b"002" + b"16" + b"6299990000000009" + b"19" + b"6299990000000000017"
    assert BlackList62(CARDS).to_bytes() == wire and BlackList62.parse(wire) == BlackList62(CARDS)
    assert BlackList62().to_bytes() == b"0000"
    assert BlackList62.parse(b"0") == BlackList62.parse(b"0000") == BlackList62()


@pytest.mark.parametrize(
    "wire",
    [
        b"", b"1000", b"0001", b"1001", b"1001166299990000000009x", b"1002166299990000000009",
        b"1001176299990000000009", b"10011662999900000000F9", b"100112629999000000", b"100120" + b"6" * 20, b"2001xx",
    ],
)  # fmt: skip
def test_black_list_that_is_nonsense_is_refused_without_saying_a_number(wire: bytes) -> None:
    error = refused(BlackList62.parse, wire)
    assert error.field == 62 and 0 <= error.offset <= len(wire)
    assert "629999" not in repr(error) + str(error)


def test_pages_of_a_full_black_list_fit_the_field() -> None:
    cards = tuple(f"629999{number:013d}" for number in range(999))
    received: tuple[str, ...] = ()
    while len(received) < len(cards):
        page = BlackList62.page(cards[len(received) :])
        assert len(page.to_bytes()) <= FIELD_BYTES_MAX
        received += page.cards
        assert page.more is (len(received) < len(cards))
    assert received == cards


def test_card_numbers_are_not_in_what_is_shown() -> None:
    assert "629999" not in repr(BlackList62(CARDS))
    assert "12345" not in str(refused(BlackList62(("12345",)).to_bytes))


# --- public keys ------------------------------------------------------------------------------------------------------


def test_public_key_on_the_wire() -> None:
    assert KEY.to_bytes() == KEY_WIRE
    assert CaKey62.parse(KEY_WIRE) == KEY


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["index"])
def test_every_published_key_travels(vector: dict[str, str]) -> None:
    key = CaKey62(
        Name62(bytes.fromhex(vector["rid"]), int(vector["index"], 16)), bytes.fromhex(vector["modulus"]),
        bytes.fromhex(vector["exponent"]), bytes.fromhex(vector["check_value"]),
    )  # fmt: skip
    assert CaKey62.parse(key.to_bytes()) == key
    assert len(key.to_bytes()) <= FIELD_BYTES_MAX


@pytest.mark.parametrize("tag", ["9F06", "9F22", "DF02", "DF04", "DF03"])
def test_key_without_one_of_its_parts_is_refused(tag: str) -> None:
    parts = {
        "9F06": "9F0605A000000333", "9F22": "9F220101", "DF02": f"DF028180{PUBLISHED['modulus']}", "DF04": "DF040103",
        "DF03": f"DF0314{PUBLISHED['check_value']}",
    }  # fmt: skip
    with pytest.raises(Iso8583Error):
        CaKey62.parse(without(KEY_WIRE, parts[tag]))


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("9F220101", "9F220102", "62/DF03"),
        ("DF040103", "DF040105", "62/DF02"),
        ("DF060101", "DF060102", "62/DF06"),
        ("DF070101", "DF070104", "62/DF07"),
        (f"DF0314{PUBLISHED['check_value']}", f"DF0313{PUBLISHED['check_value'][2:]}", "62/DF03"),
        ("DF05083230333031323331", "DF05083230333030323330", "62/DF05"),
        (f"DF028180{PUBLISHED['modulus']}", f"DF02818000{PUBLISHED['modulus'][2:]}", "62/DF02"),
    ],
)
def test_key_that_was_changed_is_refused(before: str, after: str, field: str) -> None:
    wire = KEY_WIRE.replace(bytes.fromhex(before), bytes.fromhex(after))
    assert wire != KEY_WIRE and refused(CaKey62.parse, wire).field == field


def test_exponent_may_have_leading_zeros() -> None:
    assert CaKey62.parse(KEY_WIRE.replace(bytes.fromhex("DF040103"), bytes.fromhex("DF0403000003"))) == KEY


def test_damaged_key_is_not_written() -> None:
    assert refused(replace(KEY, exponent=b"\1\0\1").to_bytes).field == "62/DF03"


# --- applications -----------------------------------------------------------------------------------------------------


def test_application_on_the_wire() -> None:
    assert APPLICATION.to_bytes() == APPLICATION_WIRE
    assert Application62.parse(APPLICATION_WIRE) == APPLICATION


def test_parts_that_the_terminal_has_no_use_for_are_read_over() -> None:
    more = bytes.fromhex("DF180101 9F7B06000000100000 DF230100")
    assert Application62.parse(APPLICATION_WIRE + more) == APPLICATION
    terminals = APPLICATION_WIRE.replace(bytes.fromhex("9F0802"), bytes.fromhex("9F0902"))
    assert Application62.parse(terminals) == APPLICATION


def test_limits_of_tapped_cards_may_be_absent() -> None:
    wire = APPLICATION_WIRE[: APPLICATION_WIRE.index(b"\xdf\x19")]
    parsed = Application62.parse(wire)
    assert parsed.contactless_limit is None and parsed.to_bytes() == wire


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ("9F0608A000000333010101", "9F0604A0000003", "62/9F06"),
        ("9F0608A000000333010101", "9F0611A000000333010101A000000333010101A0", "62/9F06"),
        ("DF010101", "DF010102", "62/DF01"),
        ("9F08020030", "9F080130", "62/9F08"),
        ("9F08020030", "", "62/9F08"),
        ("DF1105D84000A800", "DF1104D84000A8", "62/DF11"),
        ("DF1205D84004F800", "DF1206D84004F80000", "62/DF12"),
        ("DF13050010000000", "", "62/DF13"),
        ("9F1B0400000000", "9F1B03000000", "62/9F1B"),
        ("DF160199", "DF16019A", "62/DF16"),
        ("DF160199", "DF160150", "62/DF17"),
        ("DF14039F3704", "DF14039F3604", "62/DF14"),
        ("DF2006999999999999", "DF20069999999999FF", "62/DF20"),
    ],
)
def test_application_that_is_impossible_is_refused_where_it_is(before: str, after: str, field: str) -> None:
    wire = APPLICATION_WIRE.replace(bytes.fromhex(before), bytes.fromhex(after))
    assert wire != APPLICATION_WIRE and refused(Application62.parse, wire).field == field


@pytest.mark.parametrize(
    "changes",
    [{"floor_limit": 2**32}, {"floor_limit": -1}, {"random_max_percent": 100}, {"contactless_limit": 10**12},
     {"aid": b"\xa0"}, {"tac_denial": bytes(4)}],
)  # fmt: skip
def test_application_that_does_not_fit_cannot_be_written(changes: dict[str, int | bytes]) -> None:
    assert str(refused(replace(APPLICATION, **changes).to_bytes).field).startswith("62")  # type: ignore[arg-type]
