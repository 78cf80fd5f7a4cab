"""Message: an immutable mapping that never shows card data."""

import pytest

from iso8583 import Message
from iso8583.message import response_mti

SALE = Message("0200", {11: "000001", 2: "6299990000000009", 35: "6299990000000009D30122011234567890", 52: b"12345678"})


def test_is_a_mapping_in_ascending_order() -> None:
    assert list(SALE) == [2, 11, 35, 52]
    assert len(SALE) == 4
    assert 11 in SALE
    assert 12 not in SALE
    assert SALE[11] == "000001"
    assert SALE.get(12) is None
    assert dict(SALE)[52] == b"12345678"
    with pytest.raises(KeyError):
        SALE[12]


def test_typed_reading_refuses_the_other_type() -> None:
    assert SALE.text(11) == "000001"
    assert SALE.text(12, "none") == "none"
    assert SALE.binary(52) == b"12345678"
    assert SALE.binary(55, b"") == b""
    with pytest.raises(TypeError):
        SALE.text(52)
    with pytest.raises(TypeError):
        SALE.binary(11)
    with pytest.raises(KeyError):
        SALE.text(12)
    with pytest.raises(KeyError):
        SALE.binary(12)


def test_does_not_follow_the_dictionary_it_was_made_of() -> None:
    fields: dict[int, str | bytes] = {3: "000000"}
    message = Message("0200", fields)
    fields[3] = "200000"
    assert message[3] == "000000"
    with pytest.raises(TypeError):
        message[3] = "200000"  # type: ignore[index]
    with pytest.raises(AttributeError):
        message.mti = "0400"  # type: ignore[misc]


def test_copies_with_and_without_leave_the_original_alone() -> None:
    assert SALE.with_({39: "00", 11: "000002"}) == Message("0200", {**SALE, 39: "00", 11: "000002"})
    assert list(SALE.without(2, 35, 99)) == [11, 52]
    assert list(SALE) == [2, 11, 35, 52]


def test_equality_looks_at_type_and_fields_but_not_at_order() -> None:
    assert Message("0200", {3: "000000", 4: "1"}) == Message("0200", {4: "1", 3: "000000"})
    assert hash(Message("0200", {3: "000000", 4: "1"})) == hash(Message("0200", {4: "1", 3: "000000"}))
    assert Message("0200", {3: "000000"}) != Message("0201", {3: "000000"})
    assert Message("0200", {3: "000000"}) != Message("0200", {3: "000001"})
    assert Message("0200", {3: "000000"}) != {3: "000000"}


@pytest.mark.parametrize(
    ("request_mti", "answer"),
    [("0200", "0210"), ("0201", "0210"), ("0220", "0230"), ("0221", "0230"), ("0400", "0410"), ("0401", "0410")],
)
def test_response_has_the_mti_of_the_first_answer(request_mti: str, answer: str) -> None:
    response = Message(request_mti, {11: "000001"}).response({39: "00"})
    assert response == Message(answer, {39: "00"})


@pytest.mark.parametrize("mti", ["0210", "0230", "", "02", "02000"])
def test_an_answer_is_not_answered(mti: str) -> None:
    with pytest.raises(ValueError, match="answered"):
        response_mti(mti)


def test_repr_masks_card_data() -> None:
    shown = repr(SALE)
    assert shown == "Message('0200', 2=629999******0009, 11=000001, 35=<34 characters>, 52=<8 bytes>)"
    assert shown == str(SALE)
