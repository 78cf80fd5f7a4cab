"""A slip is known by what is printed on it, as a shop knows it."""

import pytest

from simulators.printed_slips import PrintedName, SlipName, name_of, printed_twice
from terminal.receipts import settlement_lines, slip_lines
from terminal.slip_layout import plain_text
from tests.terminal.sample_slips import CHIP_SALE, DUPLICATE, SETTLEMENT


def paper(slip: object, columns: int = 32) -> list[str]:
    lines = settlement_lines(SETTLEMENT) if slip is SETTLEMENT else slip_lines(slip)  # type: ignore[arg-type]
    return plain_text(lines, columns).splitlines()


@pytest.mark.parametrize("columns", [32, 42, 48])
def test_a_slip_says_its_batch_voucher_and_copy_and_whether_it_is_one(columns: int) -> None:
    name = SlipName(CHIP_SALE.batch, CHIP_SALE.voucher, "商户存根")
    assert name_of(paper(CHIP_SALE, columns)) == PrintedName(name, duplicate=False)
    found = name_of(paper(DUPLICATE, columns))
    assert found is not None and found.duplicate


def test_a_settlement_has_no_voucher() -> None:
    assert name_of(paper(SETTLEMENT)) == PrintedName(SlipName(SETTLEMENT.batch, "", "结算总计单"), duplicate=False)


def test_a_piece_without_its_numbers_is_nobodys() -> None:
    assert name_of(paper(CHIP_SALE)[:5]) is None
    assert name_of(paper(CHIP_SALE)[-8:]) is None
    assert name_of([]) is None


def test_two_that_do_not_say_duplicate_are_one_too_many() -> None:
    original, torn, copy = paper(CHIP_SALE), paper(CHIP_SALE)[:-4], paper(DUPLICATE)
    assert printed_twice([original, copy, copy]) == []
    assert [slip.voucher for slip in printed_twice([original, copy, torn])] == [CHIP_SALE.voucher]
