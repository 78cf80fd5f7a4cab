"""Field 59: the parts of a terminal and of a scanned code."""

import pytest

from iso8583.unionpay_fields.field59 import Data59, TerminalIdentity59
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN


def test_golden_code() -> None:
    data = Data59.parse(GOLDEN["qr_sale"].text(59))
    assert data == Data59(payment_code="6200000000000000000")
    assert data.to_text() == GOLDEN["qr_sale"].text(59)
    assert "62000" not in repr(data)


def test_every_part() -> None:
    terminal = TerminalIdentity59("04", "SN0000000001", "000009", "1E80F373", "1.0     ")
    data = Data59(bytes(range(0xF0, 0x100)), terminal, "6200000000000000000", "20260115000001", "310000", "TG1:6BF $%*")
    assert Data59.parse(data.to_text()) == data
    assert data.to_text().startswith("A1016ðñò")
    assert repr(data) == "Data59()"


@pytest.mark.parametrize("text", ["A1004abcd", "A6455" + "x" * 455, "A7001x", "A2007" + "06002ab", "A3002a"])
def test_data_that_is_refused(text: str) -> None:
    assert str(refused(Data59.parse, text).field).startswith("59")
