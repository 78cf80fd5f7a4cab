"""The table of transactions: which message is which, and what a message lacks."""

import pytest

from iso8583 import Message
from iso8583.transactions import TYPES, FieldCheck, missing_fields, type_of
from iso8583.transactions.transaction_type import TransactionType
from tests.iso8583.vectors import GOLDEN

FINANCIAL = ("sale", "sale_void", "refund", "balance_inquiry", "qr_sale", "qr_void", "qr_refund")
EVERY = pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)


def request_of(kind: TransactionType, management_code: str = "") -> Message:
    """The shortest message of a type."""
    fields: dict[int, str | bytes] = dict.fromkeys(kind.mandatory | kind.one_of, "x")
    code = management_code or kind.management_code
    fields |= {3: kind.processing_code, 25: kind.condition_code, 22: "032" if kind.scan else "051"}
    fields |= {60: f"{kind.type_code or '22'}000001{code}"}
    return Message(
        kind.mti, {number: value for number, value in fields.items() if number in kind.mandatory | kind.one_of}
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sign_on", "sign_on"),
        ("sale", "sale"),
        ("chip_sale", "sale"),
        ("reversal", "reversal"),
        ("qr_sale", "qr_sale"),
        ("settle", "settle"),
    ],
)
def test_golden_requests_are_recognised_and_complete(name: str, kind: str) -> None:
    message = Message(GOLDEN[name].mti, GOLDEN[name].fields)
    assert type_of(message) is TYPES[kind]
    assert not missing_fields(message, TYPES[kind])


def test_answers_have_no_type() -> None:
    for name in ("sign_on_answer", "sale_answer"):
        assert type_of(Message(GOLDEN[name].mti, GOLDEN[name].fields)) is None


@EVERY
def test_every_type_is_recognised_with_each_of_its_codes(kind: TransactionType) -> None:
    for code in kind.management_codes:
        assert type_of(request_of(kind, code)) is kind
        assert not missing_fields(request_of(kind, code), kind)


@EVERY
def test_a_repeat_has_the_type_of_the_first(kind: TransactionType) -> None:
    request = request_of(kind)
    assert type_of(Message(request.mti[:3] + "1", request)) is kind


@EVERY
def test_every_mandatory_field_is_missed_and_strangers_are_named(kind: TransactionType) -> None:
    check = missing_fields(Message(kind.mti, {39: "00", 99: "x"} if 39 not in kind.mandatory else {99: "x"}), kind)
    expected = kind.mandatory | ({2} if kind.one_of else set())
    assert check.missing == tuple(sorted(expected))
    assert check.not_allowed == ((39, 99) if 39 not in kind.mandatory else (99,))


@EVERY
def test_the_table_makes_sense(kind: TransactionType) -> None:
    assert not kind.mandatory & kind.conditional
    assert not kind.one_of - kind.mandatory - kind.conditional
    assert (64 in kind.mandatory) == kind.mac
    assert 60 in kind.mandatory
    assert (kind.direction == "none") == (kind.name not in set(FINANCIAL) - {"balance_inquiry"})


def test_recovery_by_type() -> None:
    assert {name: TYPES[name].recovery for name in (*FINANCIAL, "reversal")} == {
        "sale": "reverse",
        "sale_void": "reverse",
        "refund": "repeat",
        "balance_inquiry": "none",
        "qr_sale": "reverse",
        "qr_void": "reverse",
        "qr_refund": "repeat",
        "reversal": "repeat",
    }


def test_a_pin_needs_its_companions() -> None:
    with_pin = request_of(TYPES["sale"]).with_({52: bytes(8)})
    assert missing_fields(with_pin, TYPES["sale"]).missing == (26, 53)
    assert missing_fields(request_of(TYPES["sale"]).with_({26: "12"}), TYPES["sale"]).missing == (52,)


def test_a_sale_needs_a_card_number_somewhere() -> None:
    sale = request_of(TYPES["sale"]).without(2, 35, 36)
    assert missing_fields(sale, TYPES["sale"]) == FieldCheck(missing=(2,), not_allowed=())
    for number in (2, 35, 36):
        assert not missing_fields(sale.with_({number: "6299990000000009"}), TYPES["sale"])


@pytest.mark.parametrize("number", [26, 35, 36, 37, 52, 53])
def test_a_reversal_never_carries_them(number: int) -> None:
    reversal = request_of(TYPES["reversal"]).with_({number: "x"})
    assert missing_fields(reversal, TYPES["reversal"]).not_allowed == (number,)


def test_a_scanned_sale_carries_no_card() -> None:
    sale = request_of(TYPES["qr_sale"]).with_({2: "6299990000000009", 35: "x", 52: bytes(8), 55: b""})
    assert missing_fields(sale, TYPES["qr_sale"]).not_allowed == (2, 35, 52, 55)


@pytest.mark.parametrize(
    "message",
    [
        Message("0200", {}),
        Message("0200", {3: "000000", 25: "00", 22: "051", 60: "99000001000"}),
        Message("0200", {3: b"\0\0\0", 25: b"00", 60: b"22"}),
        Message("0820", {60: "00000001999"}),
        Message("0100", {3: "030000", 25: "06", 60: "10000001000"}),
        Message("", {}),
        Message("1", {}),
    ],
)
def test_unknown_messages_have_no_type(message: Message) -> None:
    assert type_of(message) is None
