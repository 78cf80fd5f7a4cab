"""How the customer proves to be the holder: the card's list of methods, rule by rule."""

from dataclasses import replace

import pytest

from simulators.cards import Card
from terminal.emv import AskPin, PinResult, TerminalParameters
from terminal.emv.flags import Tvr
from tests.terminal.emv.rig import ENTERED, FACTS, GOOD, PARAMETERS, PIN_BLOCK, Counter, patched

BYPASSED, NO_PIN_PAD = PinResult("bypassed"), PinResult("no_pin_pad")
NO_AMOUNTS = bytes(8)


def sale(rules: str, pin: PinResult = ENTERED, parameters: TerminalParameters = PARAMETERS, **facts: object) -> Counter:
    card = patched(GOOD, {0x8E: NO_AMOUNTS + bytes.fromhex(rules), 0x9F07: b"\xff\xc0"})
    return Counter(Card(card), parameters, replace(FACTS, **facts), pin=pin)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "pin", "cvm", "results", "findings"),
    [
        ("42031E031F00", ENTERED, "online_pin", "420300", Tvr.ONLINE_PIN_ENTERED),
        ("42031E031F00", BYPASSED, "signature", "1E0300", Tvr.PIN_NOT_ENTERED),
        ("42031E031F00", NO_PIN_PAD, "signature", "1E0300", Tvr.PIN_PAD_MISSING),
        ("0203", BYPASSED, "none", "020301", Tvr.PIN_NOT_ENTERED | Tvr.CVM_NOT_SUCCESSFUL),
        ("4203", BYPASSED, "none", "420301", Tvr.PIN_NOT_ENTERED | Tvr.CVM_NOT_SUCCESSFUL),
        ("1E00", ENTERED, "signature", "1E0000", Tvr.NONE),
        ("1F00", ENTERED, "not_needed", "1F0002", Tvr.NONE),
        ("0000", ENTERED, "none", "000001", Tvr.CVM_NOT_SUCCESSFUL),
        ("40001F00", ENTERED, "none", "400001", Tvr.CVM_NOT_SUCCESSFUL),
        ("41001E00", ENTERED, "signature", "1E0000", Tvr.PIN_PAD_MISSING),
        ("01031E00", ENTERED, "signature", "1E0000", Tvr.NONE),
        ("44001E00", ENTERED, "signature", "1E0000", Tvr.PIN_PAD_MISSING),
        ("60001E00", ENTERED, "signature", "1E0000", Tvr.NONE),
        ("69001E00", ENTERED, "signature", "1E0000", Tvr.CVM_UNKNOWN),
        ("29001E00", ENTERED, "none", "290001", Tvr.CVM_UNKNOWN | Tvr.CVM_NOT_SUCCESSFUL),
        ("1E011E041E05", ENTERED, "none", "3F0001", Tvr.CVM_NOT_SUCCESSFUL),
        ("1E0A1F00", ENTERED, "not_needed", "1F0002", Tvr.NONE),
    ],
)
def test_rules(rules: str, pin: PinResult, cvm: str, results: str, findings: Tvr) -> None:
    verified = sale(rules, pin)
    assert verified.findings() == (findings, results)
    assert verified.online.card.cvm == cvm
    assert verified.online.card.entry_mode == ("051" if cvm == "online_pin" else "052")
    assert verified.online.card.pin_block == (PIN_BLOCK if cvm == "online_pin" else None)


@pytest.mark.parametrize(
    ("type_code", "condition", "holds"),
    [
        *(("00", "02", True), ("01", "02", False), ("09", "02", False)),
        *(("00", "04", False), ("01", "04", True), ("09", "05", True), ("00", "05", False), ("00", "01", False)),
    ],
)
def test_conditions_on_the_kind_of_sale(type_code: str, condition: str, holds: bool) -> None:
    _, results = sale(f"1E{condition}", type=type_code).findings()
    assert results == (f"1E{condition}00" if holds else "3F0001")


@pytest.mark.parametrize(
    ("amount", "condition", "holds"),
    [
        *((99, 6, True), (100, 6, False), (100, 7, False), (101, 7, True)),
        *((199, 8, True), (200, 8, False), (200, 9, False), (201, 9, True)),
    ],
)
def test_conditions_on_the_amount(amount: int, condition: int, holds: bool) -> None:
    rules = bytes.fromhex(f"00000064000000C81E0{condition}")
    _, results = Counter(Card(patched(GOOD, {0x8E: rules})), facts=replace(FACTS, amount=amount)).findings()
    assert results == (f"1E0{condition}00" if holds else "3F0001")


def test_amounts_in_another_currency_are_not_compared() -> None:
    card = patched(GOOD, {0x8E: bytes.fromhex("00000064000000C81E07"), 0x9F42: b"\x08\x40"})
    assert Counter(Card(card)).findings()[1] == "3F0001"


def test_methods_that_the_terminal_does_not_have_are_passed_over() -> None:
    nothing = replace(PARAMETERS, capabilities=bytes.fromhex("E00000"))
    assert sale("42031E031F03", parameters=nothing).findings() == (Tvr.CVM_NOT_SUCCESSFUL, "3F0001")
    assert sale("42001E001F00", parameters=nothing).findings() == (
        Tvr.CVM_NOT_SUCCESSFUL | Tvr.PIN_PAD_MISSING,
        "1E0001",
    )


def test_card_that_wants_no_verification_gets_none() -> None:
    verified = Counter(Card(replace(GOOD, profile=b"\x0c\x00")))
    assert verified.findings() == (Tvr.NONE, "3F0000")
    assert not any(isinstance(step, AskPin) for step in verified.steps)
    assert verified.online.card.receipt["TSI"] == "2800"


@pytest.mark.parametrize("cvm_list", [None, NO_AMOUNTS], ids=["absent", "no rules"])
def test_card_without_a_list_is_lacking_data(cvm_list: bytes | None) -> None:
    assert Counter(Card(patched(GOOD, {0x8E: cvm_list}))).findings() == (Tvr.CARD_DATA_MISSING, "3F0000")


@pytest.mark.parametrize(("kind", "block"), [("entered", None), ("bypassed", PIN_BLOCK), ("cancelled", PIN_BLOCK)])
def test_pin_block_belongs_to_an_entered_pin(kind: str, block: bytes | None) -> None:
    with pytest.raises(ValueError, match="PIN block"):
        PinResult(kind, block)  # type: ignore[arg-type]
