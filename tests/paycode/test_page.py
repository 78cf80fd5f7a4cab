"""docs/paycode.md says what the code does: reasons, numbers, sizes and examples."""

import re
from pathlib import Path

import pytest
import qrcode

from paycode import Reason, transit
from tests.paycode.issuing import SHOP, code, text, wallet
from tests.paycode.transit_codes import VECTORS

PAGE = (Path(__file__).parents[2] / "docs" / "paycode.md").read_text("utf-8")


def test_every_reason_stands_on_the_page() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+|[a-z]+)`", PAGE))
    assert [reason.value for reason in Reason if reason.value not in named] == []


def test_the_numbers_of_the_transit_checks() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (`.*`) \| (-\d+) \|$", PAGE, re.MULTILINE)
    told = {Reason(name): int(number) for _, names, number in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == transit.NUMBERS
    assert [int(place) for place, _, _ in rows] == list(range(1, 18))


def test_the_example_is_the_first_code_of_the_vectors() -> None:
    assert VECTORS["digits"]["codes"][0]["code"] in PAGE.replace(" ", "")


ROWS = {
    "open": code(wallet("es256")),
    "with amount": code(wallet("es256", counter=2**32), amount=19_999, merchant=SHOP),
    "the longest": text(b"\xff" * 300),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_sizes_of_the_qr_codes(row: str) -> None:
    shown = ROWS[row]
    sizes = []
    for level in (qrcode.ERROR_CORRECT_L, qrcode.ERROR_CORRECT_M, qrcode.ERROR_CORRECT_Q):
        drawn = qrcode.QRCode(error_correction=level, border=0)
        drawn.add_data(shown, optimize=0)
        drawn.make(fit=True)
        sizes.append(f"{drawn.version} ({drawn.modules_count})")
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {row}"))
    size_bytes = (len(shown) - 4) // 3 * 2 + (len(shown) - 4) % 3 // 2
    assert line.split(" | ")[1:] == [str(size_bytes), str(len(shown)), *sizes[:2], f"{sizes[2]} |"]
