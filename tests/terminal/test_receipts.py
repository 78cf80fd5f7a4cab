"""Slips read as UnionPay's slips do; the golden texts are what a person has looked at and approved."""

from dataclasses import replace
from pathlib import Path

import pytest

from terminal.receipts import settlement_lines, slip_lines
from terminal.slip_layout import Line, Qr, Text, plain_text
from terminal.slips import Slip
from tests.terminal.sample_slips import (
    CHIP_SALE,
    DUPLICATE,
    FAULT,
    QR_SALE,
    REFUND,
    SETTLEMENT,
    SETTLEMENTS,
    SLIPS,
    VOID,
)

GOLDEN = Path(__file__).parent / "golden_slips"
PRINTED: dict[str, list[Line]] = {name: slip_lines(slip) for name, slip in SLIPS.items()} | {
    name: settlement_lines(slip) for name, slip in SETTLEMENTS.items()
}


def text_of(slip: Slip, columns: int = 32) -> str:
    return plain_text(slip_lines(slip), columns)


@pytest.mark.parametrize("name", PRINTED)
def test_the_slip_is_the_golden_one(name: str) -> None:
    assert plain_text(PRINTED[name], 32) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_golden_slip_of_80_mm() -> None:
    assert text_of(CHIP_SALE, 48) == (GOLDEN / "chip_sale_80mm.txt").read_text(encoding="utf-8")


def test_every_golden_slip_is_tested() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == PRINTED.keys() | {"chip_sale_80mm"}


@pytest.mark.parametrize("fact", ["original_voucher", "original_auth_no", "original_reference_no"])
def test_the_original_is_named_only_where_there_is_one(fact: str) -> None:
    assert "ORIG" not in text_of(CHIP_SALE)
    assert "ORIG" in text_of(replace(CHIP_SALE, **{fact: "777777"}))  # type: ignore[arg-type]
    assert "777777" in text_of(replace(CHIP_SALE, **{fact: "777777"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("expiry", "printed"), [("3012", "2030/12"), ("4901", "2049/01"), ("5001", "1950/01")])
def test_expiry_years_from_50_on_are_of_the_last_century(expiry: str, printed: str) -> None:
    assert printed in text_of(replace(CHIP_SALE, expiry=expiry))


@pytest.mark.parametrize(("date", "printed"), [("1119", " 11/19\n"), ("20261119", "2026/11/19")])
def test_the_original_date_is_printed_as_far_as_it_is_known(date: str, printed: str) -> None:
    assert printed in text_of(replace(REFUND, original_date=date))


def test_the_cardholder_signs_only_where_needed_and_never_on_the_own_copy() -> None:
    copies = {copy: text_of(replace(CHIP_SALE, copy=copy)) for copy in ("merchant", "bank", "cardholder", "fault")}
    assert {copy for copy, text in copies.items() if "CARDHOLDER SIGNATURE" in text} == {"merchant", "bank"}
    assert "SIGNATURE" not in text_of(replace(CHIP_SALE, signature_needed=False))


def test_a_duplicate_says_so_before_and_after_the_amount() -> None:
    before, after = text_of(DUPLICATE).split("RMB 25.00")
    assert "DUPLICATED" in before
    assert "DUPLICATED" in after
    assert "DUPLICATED" not in text_of(CHIP_SALE)


def test_money_that_goes_back_is_printed_with_a_minus() -> None:
    assert "RMB -25.00" in text_of(VOID)
    assert "RMB -1,234.56" in text_of(REFUND)


def test_the_amount_and_the_type_are_the_largest_things_below_the_title() -> None:
    large = [line.text for line in slip_lines(CHIP_SALE) if isinstance(line, Text) and line.size == "large"]
    assert large == ["银联POS签购单", "6212 26** **** 1234 I", "消费/SALE", "RMB 25.00"]


def test_only_the_cardholders_copy_carries_the_code_of_the_electronic_slip() -> None:
    codes = {
        copy: [line.payload for line in slip_lines(replace(DUPLICATE, copy=copy)) if isinstance(line, Qr)]
        for copy in ("merchant", "bank", "cardholder", "fault")
    }
    assert codes == {"merchant": [], "bank": [], "cardholder": [DUPLICATE.qr_payload], "fault": []}


def test_a_scan_sale_names_wallet_and_pay_voucher_instead_of_bank_and_card() -> None:
    text = text_of(QR_SALE)
    assert "WALLET" in text
    assert "PAY CODE" in text
    assert QR_SALE.pay_voucher in text
    assert "ISSUER" not in text
    assert "CARD NO" not in text


def test_a_fault_slip_does_not_pass_for_a_receipt() -> None:
    text = text_of(FAULT)
    assert text.startswith("     冲正不成功,请人工处理\n")
    assert "签购单" not in text
    assert "DO NOT CHARGE AGAIN" in text


@pytest.mark.parametrize(("result", "words"), [("balanced", "对账平"), ("unbalanced", "对账不平"), ("error", "对账错")])
def test_a_settlement_states_the_hosts_verdict(result: str, words: str) -> None:
    lines = plain_text(settlement_lines(replace(SETTLEMENT, result=result)), 32).splitlines()  # type: ignore[arg-type]
    assert words in [line.strip() for line in lines]


def test_totals_are_added_up() -> None:
    rows = [line.split() for line in plain_text(settlement_lines(SETTLEMENT), 32).splitlines() if "TOTAL" in line]
    assert rows == [["合计", "TOTAL", "137", "1,235,678.39"], ["合计", "TOTAL", "1", "88.00"]]
