"""The table of transactions: which message is which, and what a message lacks."""

import pytest

from iso8583 import Message, load_dialect
from iso8583.transactions import TYPES, FieldCheck, missing_fields, missing_in_answer, type_of, type_of_answer
from iso8583.transactions.transaction_type import TransactionType
from tests.iso8583.vectors import GOLDEN

FINANCIAL = (
    "sale", "sale_void", "refund", "balance_inquiry", "qr_sale", "qr_void", "qr_refund", "offline_sale",
    "offline_code_sale",
)  # fmt: skip
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
        "offline_sale": "repeat",
        "offline_code_sale": "repeat",
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


# --- answers ----------------------------------------------------------------------------------------------------------

ROWS = load_dialect("unionpay_pos").table.fields


def approval_of(kind: TransactionType) -> Message:
    """The shortest approval of a type."""
    fields: dict[int, str | bytes] = dict.fromkeys(kind.answer_mandatory, "x")
    return Message(request_of(kind).response({}).mti, fields | ({39: "00"} if 39 in fields else {}))


@pytest.mark.parametrize(("name", "kind"), [("sign_on_answer", "sign_on"), ("sale_answer", "sale")])
def test_golden_answers_are_recognised_and_complete(name: str, kind: str) -> None:
    answer = Message(GOLDEN[name].mti, GOLDEN[name].fields)
    assert type_of_answer(answer) is TYPES[kind]
    assert not missing_in_answer(answer, TYPES[kind])


@EVERY
def test_every_answer_is_recognised(kind: TransactionType) -> None:
    request = request_of(kind)
    answer = request.response({number: request[number] for number in (3, 25, 60) if number in request})
    like_by_card = {
        "qr_sale": "sale", "qr_void": "sale_void", "qr_refund": "refund", "offline_code_sale": "offline_sale",
    }  # fmt: skip
    assert type_of_answer(answer) is TYPES[like_by_card.get(kind.name, kind.name)]
    assert type_of_answer(request) is None


@EVERY
def test_every_field_of_an_approval_is_missed_and_strangers_are_named(kind: TransactionType) -> None:
    approval = approval_of(kind)
    assert not missing_in_answer(approval, kind)
    for number in kind.answer_mandatory - {39}:
        assert missing_in_answer(approval.without(number), kind).missing == (number,)
    assert missing_in_answer(approval.with_({52: bytes(8), 35: "x"}), kind).not_allowed == (35, 52)
    every = approval.with_(dict.fromkeys(kind.answer_conditional, "x")).with_({39: "00"})
    assert not missing_in_answer(every, kind)


@EVERY
def test_a_refusal_says_no_and_to_whom(kind: TransactionType) -> None:
    refusal = Message("0210", dict.fromkeys(kind.refusal_mandatory, "x")).with_({39: "30"})
    assert not missing_in_answer(refusal, kind)
    assert missing_in_answer(refusal.without(41), kind).missing == (41,)
    assert missing_in_answer(refusal.with_({39: "00"}), kind).missing


def test_what_counts_as_an_approval() -> None:
    partial = approval_of(TYPES["sale"]).with_({39: "10"}).without(37)
    assert missing_in_answer(partial, TYPES["sale"]).missing == (37,)
    assert not missing_in_answer(partial.with_({39: "51"}), TYPES["sale"])
    assert not missing_in_answer(partial.with_({39: b"00"}), TYPES["sale"])
    nothing_to_reverse = approval_of(TYPES["reversal"]).with_({39: "25"}).without(37)
    assert missing_in_answer(nothing_to_reverse, TYPES["reversal"]).missing == (37,)


def test_an_inquiry_brings_a_balance_and_no_amount_a_settlement_no_code() -> None:
    assert missing_in_answer(approval_of(TYPES["sale"]), TYPES["balance_inquiry"]).missing == (54,)
    assert 39 not in approval_of(TYPES["settle"])
    assert not missing_in_answer(approval_of(TYPES["settle"]).with_({39: "00"}), TYPES["settle"])


@pytest.mark.parametrize(("mti", "numbers"), load_dialect("unionpay_pos").table.messages)
def test_the_messages_that_the_dialect_declares_are_complete(mti: str, numbers: tuple[int, ...]) -> None:
    message = Message(mti, dict.fromkeys(numbers, "x"))
    is_answer = mti[2] in "135"
    check = missing_in_answer if is_answer else missing_fields
    kinds = [kind for kind in TYPES.values() if (f"{mti[:2]}{int(mti[2]) - is_answer}0") == kind.mti]
    assert any(not check(message, kind) for kind in kinds)


# --- in words ---------------------------------------------------------------------------------------------------------


def test_a_check_in_words() -> None:
    check = missing_fields(
        request_of(TYPES["sale"]).without(2, 35, 36, 4).with_({52: bytes(8), 99: "x"}), TYPES["sale"]
    )
    assert check.in_words(ROWS) == (
        "missing: 2 primary account number, or 35 or 36 instead, 4 amount, 26 PIN capture length, which goes with 52, "
        "53 security control, which goes with 52; not allowed: 99"
    )
    assert check.in_words(ROWS, "zh") == (
        "缺少:2 主账号(或35、36)、4 交易金额、26 服务点PIN获取码(须与52同时出现)、"
        "53 安全控制信息(须与52同时出现);不允许:99"
    )


def test_nothing_wrong_in_words() -> None:
    check = missing_fields(request_of(TYPES["echo"]), TYPES["echo"])
    assert (check.in_words(ROWS), check.in_words(ROWS, "zh")) == ("nothing is missing, nothing is too much", "字段完整")


def test_words_without_names() -> None:
    check = missing_in_answer(Message("0830", {4: "x"}), TYPES["echo"])
    assert check.in_words({}) == "missing: 39, 41, 42, 60; not allowed: 4"
    assert check == FieldCheck((39, 41, 42, 60), (4,))


def test_an_offline_sale_by_a_signed_code_is_told_from_one_by_a_chip() -> None:
    kind = TYPES["offline_code_sale"]
    by_code = request_of(kind)
    assert type_of(by_code.with_({22: "052"})) is TYPES["offline_sale"]
    assert kind.is_offline and kind.scan
    assert missing_fields(by_code.with_({2: "x", 52: "x", 55: "x"}), kind).not_allowed == (2, 52, 55)
