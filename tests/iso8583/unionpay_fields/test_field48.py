"""Field 48: settlement totals and batch records."""

import pytest

from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field48 import Detail48, Details48, Totals, Totals48
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN


def test_golden_totals() -> None:
    totals = Totals48.parse(GOLDEN["settle"].text(48))
    assert totals == Totals48(Totals(debit_amount=2468, debit_count=2))
    assert totals.to_text() == GOLDEN["settle"].text(48)


def test_totals_with_results() -> None:
    totals = Totals48(Totals(100, 1, 25, 2, "1"), Totals(7, 3, 0, 0, "2"))
    assert totals.to_text() == "000000000100001000000000025002" + "1" + "000000000007003000000000000000" + "2"
    assert Totals48.parse(totals.to_text()) == totals


@pytest.mark.parametrize(
    "totals", [Totals(-1), Totals(10**12), Totals(0, 1000), Totals(result=""), Totals(result="12")]
)
def test_totals_that_cannot_be_written(totals: Totals) -> None:
    with pytest.raises(Iso8583Error):
        Totals48(totals).to_text()


@pytest.mark.parametrize(
    ("text", "field", "offset"),
    [("", "48.1", 0), ("0" * 61, "48.10", 61), ("0" * 63, "48", 62), ("0" * 61 + "x", "48.10", 61)],
)
def test_totals_that_are_refused(text: str, field: str, offset: int) -> None:
    error = refused(Totals48.parse, text)
    assert (error.field, error.offset) == (field, offset)


RECORDS = (Detail48("000002", "6299990000000009", 1234), Detail48("000003", "4012345678909", 1, foreign=True))


def test_details() -> None:
    text = Details48(RECORDS).to_text()
    assert text == "02" + "00000002" + "00006299990000000009" + "000000001234" + "01000003" + "00000004012345678909" + (
        "000000000001"
    )
    assert Details48.parse(text) == Details48(RECORDS)
    assert "6299990000000009" not in repr(Details48(RECORDS))


def test_details_fill_the_field_and_no_more() -> None:
    assert len(Details48(RECORDS[:1] * 8).to_text()) == 322
    for records in ((), RECORDS[:1] * 9):
        with pytest.raises(Iso8583Error):
            Details48(records).to_text()


@pytest.mark.parametrize(
    ("text", "field", "offset"),
    [
        ("", "48.count", 0),
        ("1", "48.count", 0),
        ("00", "48.count", 0),
        ("09" + "0" * 360, "48.count", 0),
        ("02" + "0" * 40, "48", 2),
        ("01" + "0" * 41, "48", 2),
        ("01" + "02" + "0" * 38, "48.1.1", 2),
        ("02" + "0" * 40 + "00" + "00000x" + "0" * 32, "48.2.2", 49),
    ],
)
def test_details_that_are_refused(text: str, field: str, offset: int) -> None:
    error = refused(Details48.parse, text)
    assert (error.field, error.offset) == (field, offset)


def test_a_record_that_cannot_be_written_is_named() -> None:
    record = Detail48("000001", "6299990000000009", -1)
    assert refused(Details48((RECORDS[0], record)).to_text).field == "48.2.4"
