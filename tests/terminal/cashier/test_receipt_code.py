"""The receipt as a code on the customer's screen: what it tells, that it can be read, and when it is there."""

import re
from dataclasses import replace

import numpy as np
import pytest
import zxingcpp

from terminal.cashier.display import Screen, screen
from terminal.cashier.receipt_code import QUIET_MODULES, ReceiptCode, receipt_code, receipt_text
from terminal.events import CancelRequested, CodePresented, SaleRequested
from tests.terminal.cashier.test_panels import view
from tests.terminal.rig import CODE as PAYMENT_CODE
from tests.terminal.rig import Till, answer, from_host, ready_till
from tests.terminal.sample_slips import CHIP_SALE, QR_SALE, SLIPS, VOID

CODE = ReceiptCode(1, "M0 0h1v1h-1z")


def read(code: ReceiptCode, dots: int = 4) -> str:
    """What a phone makes of it."""
    image = np.full((code.side, code.side), 255, np.uint8)
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", code.path):
        image[int(y), int(x)] = 0
    (found,) = zxingcpp.read_barcodes(np.kron(image, np.ones((dots, dots), np.uint8)))
    return str(found.text)


def test_it_tells_what_the_paper_tells_in_a_few_lines() -> None:
    assert receipt_text(CHIP_SALE).splitlines() == [
        "晨光便利店(人民路店) MORNING LIGHT STORE", "消费 SALE RMB 25.00", "2026-11-20 14:03:22",
        "商户 MERCHANT 104110053110001", "终端 TERMINAL 10000001", "批次 BATCH 000012", "凭证 VOUCHER 000123",
        "授权码 AUTH A12345", "参考号 REF 140322000123",
    ]  # fmt: skip


def test_what_goes_back_is_negative_and_names_its_sale() -> None:
    assert "消费撤销 VOID RMB -25.00" in receipt_text(VOID) and "原凭证 ORIG. VOUCHER 000123" in receipt_text(VOID)


def test_what_the_bank_has_not_confirmed_says_so() -> None:
    offline = replace(CHIP_SALE, response_texts=("离线交易/OFFLINE", "NOT YET CONFIRMED BY THE BANK"), reference_no="")
    assert "NOT YET CONFIRMED" in receipt_text(offline) and "REF" not in receipt_text(offline)


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS.keys())
def test_no_card_or_code_is_in_it_not_even_masked(slip) -> None:
    text = receipt_text(replace(slip, card="621226******7789"))
    assert not any(part in text for part in ("*", "6212", "7789"))


@pytest.mark.parametrize("slip", [CHIP_SALE, QR_SALE, VOID], ids=["chip", "code", "void"])
def test_a_phone_reads_it_with_its_chinese(slip) -> None:
    assert read(receipt_code(receipt_text(slip))) == receipt_text(slip)


def test_it_has_its_quiet_zone() -> None:
    code = receipt_code("x")
    places = [int(place) for pair in re.findall(r"M(\d+) (\d+)", code.path) for place in pair]
    assert (min(places), max(places)) == (QUIET_MODULES, code.side - QUIET_MODULES - 1)


def shown(till: Till) -> tuple[str, ReceiptCode | None]:
    found = on_screen(till)
    return found.says, found.receipt


def on_screen(till: Till, seen: str = "", later_s: float = 0.0) -> Screen:
    return screen(view(till) | {"test": {"running": False}}, seen, till.now + later_s, lambda _: CODE)


def test_it_is_there_when_money_has_moved_and_at_no_other_time() -> None:
    till = ready_till()
    assert shown(till) == ("welcome", None)
    request = till.sell(2500)
    assert shown(till) == ("host", None)
    till.on(from_host(answer(request, "51")))
    assert shown(till) == ("declined", None)
    till.on(SaleRequested("b", 2500, "01"))
    (*_, key) = till.counter.book.payments
    till.on(CancelRequested(key))
    assert shown(till) == ("cancelled", None)
    till.sell(2500)
    till.wait(61)
    assert shown(till) == ("unconfirmed", None)


def test_it_goes_with_the_result() -> None:
    till = approved()
    assert shown(till) == ("paid", CODE)
    key = next(iter(till.counter.book.payments))
    assert on_screen(till, seen=str(key)).receipt is None
    assert on_screen(till, later_s=61).receipt is None


def approved() -> Till:
    till = ready_till()
    till.on(from_host(answer(till.sell(2500, CodePresented(PAYMENT_CODE)), f38="A1B2C3")))
    return till
