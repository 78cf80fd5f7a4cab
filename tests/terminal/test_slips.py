"""Slips never hold a clear card number, and come back from the archive as they went in."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.slips import Detail, SettlementSlip, Slip, hide_cards, money
from tests.terminal.sample_slips import CHIP_SALE, SETTLEMENT, SETTLEMENT_UNBALANCED, SETTLEMENTS, SLIPS

PAN = "6212260200012341234"


@pytest.mark.parametrize(
    "card",
    [
        PAN,
        "621226020001234*1234",  # one digit hidden is not masked
        "6212260*****1234",  # 7 + 4
        "621226******12345",  # 6 + 5
        "62122******1234",  # 5 + 4
        "621226**1*1234",
        "621226*1234",  # too short for a card number
        "6212 26** **** 1234",
        "621226******1234\n",
        "281234567890123456",  # a payment code
        "281***********3456",  # 3 + 4
        "28*********3456",  # too short for a code
        "٦٢١٢٢٦******1234",  # digits, but not ASCII's
        "unknown",
        "TG1:6BF0A1B2",  # the beginning of a signed code is not its name
        "TG1:0a1b2c3d4",
    ],
)
def test_a_card_that_is_not_masked_is_refused_without_repeating_it(card: str) -> None:
    for make in (lambda: replace(CHIP_SALE, card=card), lambda: Detail("000001", "S", card, 100)):
        with pytest.raises(ValueError, match="must be masked") as refusal:
            make()
        assert card.strip() not in str(refusal.value)


@pytest.mark.parametrize("card", ["", "621226******1234", "622202*********1234", "28************1234", "TG1:0a1b2c3d"])
def test_a_masked_card_is_taken(card: str) -> None:
    assert replace(CHIP_SALE, card=card).card == card


@pytest.mark.parametrize("written", [PAN, "6212 2602 0001 2341 234", "6212-2602-0001-2341-234"])
def test_card_numbers_in_the_banks_texts_are_masked(written: str) -> None:
    slip = replace(
        CHIP_SALE, issuer=written, acquirer=written, organisation=written, response_texts=(f"卡{written}优惠",)
    )
    assert slip.response_texts == ("卡621226*********1234优惠",)
    assert slip.issuer == slip.acquirer == slip.organisation == "621226*********1234"


@given(st.text("0123456789 -*卡", max_size=40))
def test_no_text_keeps_thirteen_digits_in_a_row(text: str) -> None:
    runs = hide_cards(text).replace(" ", "").replace("-", "")
    hidden = [run for run in runs.replace("*", "卡").split("卡") if 13 <= len(run) <= 19]
    written = [run for run in text.split("卡") for run in run.split("*")]
    assert not hidden or any(len(run.replace(" ", "").replace("-", "")) >= 13 for run in written)


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_a_slip_comes_back_from_the_archive(slip: Slip) -> None:
    assert Slip.from_json(slip.to_json()) == slip
    assert PAN[6:-4] not in slip.to_json()


@pytest.mark.parametrize("slip", SETTLEMENTS.values(), ids=SETTLEMENTS)
def test_a_settlement_comes_back_from_the_archive(slip: SettlementSlip) -> None:
    assert SettlementSlip.from_json(slip.to_json()) == slip


def test_a_slip_archived_before_a_fact_existed_gets_its_default() -> None:
    old = json.loads(CHIP_SALE.to_json())
    del old["qr_payload"], old["small_amount"]
    assert Slip.from_json(json.dumps(old)) == CHIP_SALE


@pytest.mark.parametrize(
    "archived",
    [
        "",
        "[]",
        "{}",
        SETTLEMENT.to_json(),
        CHIP_SALE.to_json().replace('"slip/1"', '"slip/2"'),
        CHIP_SALE.to_json().replace('"batch"', '"bunch"'),
        CHIP_SALE.to_json().replace('"batch"', '"future":1,"batch"'),
        CHIP_SALE.to_json().replace("621226******1234", PAN),
    ],
)
def test_what_is_not_an_archived_slip_is_refused(archived: str) -> None:
    with pytest.raises(ValueError, match="archived slip") as refusal:
        Slip.from_json(archived)
    assert PAN not in str(refusal.value)


@pytest.mark.parametrize(
    ("amount", "currency", "printed"),
    [
        (0, "156", "0.00"),
        (5, "156", "0.05"),
        (-123456, "156", "-1,234.56"),
        (999_999_999_999, "156", "9,999,999,999.99"),
        (-1500, "392", "-1,500"),
    ],
)
def test_money_is_printed_in_its_own_digits(amount: int, currency: str, printed: str) -> None:
    assert money(amount, currency) == printed


@pytest.mark.parametrize(
    "facts", [{"currency": "999"}, {"expiry": "203"}, {"original_date": "19.11"}], ids=["currency", "expiry", "date"]
)
def test_facts_of_another_form_are_refused(facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="slip"):
        replace(CHIP_SALE, **facts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="currency"):
        replace(SETTLEMENT_UNBALANCED, currency="999")
