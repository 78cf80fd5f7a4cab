"""`tillgate iso describe`, `diff`, `bench` and `dialects`: what is said of a message, and of two."""

from __future__ import annotations

import json
import re

import pytest

from iso8583 import Message, load_dialect
from iso8583.dialects import NAMES
from iso8583.tool.description import LANGUAGES, TRANSACTIONS
from iso8583.tool.envelope import HEADS, LENGTHS
from iso8583.tool.meanings import OPERATIONS, PARTS, Words
from iso8583.tool.self_measure import sample
from iso8583.transactions import TYPES
from tests.iso8583.card_data import leaks
from tests.iso8583.iso_command import Run
from tests.iso8583.vectors import GOLDEN, Golden

ALL = pytest.mark.parametrize("golden", GOLDEN.values(), ids=GOLDEN)
SALE, ANSWER, CHIP_SALE = GOLDEN["sale"], GOLDEN["sale_answer"], GOLDEN["chip_sale"]
REVERSAL = GOLDEN["reversal"]
PIN_ZH, PIN_EN = "密码用卡号加密、双倍长 3DES", "PIN block made with the card number, double-length 3DES"
CVM_ZH, CVM_EN = "联机加密 PIN(终端支持时)", "enciphered PIN, checked online (if the terminal supports it)"
CHINESE = re.compile("[\u4e00-\u9fff]")


def pos(message: Message) -> str:
    """A UnionPay POS message without a frame."""
    return load_dialect("unionpay_pos").encode(message).hex()


@pytest.mark.parametrize(
    ("golden", "path", "zh", "en"),
    [
        (SALE, "3", "消费", "goods and services"),
        (SALE, "4", "12.34 CNY", "12.34 CNY"),
        (SALE, "22", "读磁条、有密码", "magnetic stripe, with PIN"),
        (SALE, "25", "正常", "normal"),
        (SALE, "26", "密码最长 12 位", "PIN of up to 12 digits"),
        (SALE, "49", "CNY 人民币", "CNY Chinese yuan"),
        (SALE, "53", f"{PIN_ZH}、磁道加密", f"{PIN_EN}, track encrypted"),
        (SALE, "60.1", "消费", "sale"),
        (SALE, "60.3", "金融交易", "financial"),
        (SALE, "60.4", "可读接触和非接触芯片", "contact and contactless chip reader"),
        (ANSWER, "39", "交易成功", "Approved"),
        (ANSWER, "12", "10:30:46", "10:30:46"),
        (ANSWER, "13", "01-15", "01-15"),
        (REVERSAL, "39", "未收到应答", "no answer came"),
        (CHIP_SALE, "55/95", "已输入联机 PIN", "online PIN was entered"),
        (CHIP_SALE, "55/9F34", f"{CVM_ZH}:结果未知", f"{CVM_EN}: result unknown"),
        (CHIP_SALE, "55/9F27", "ARQC,请求联机", "ARQC, wants to go online"),
        (CHIP_SALE, "55/9F33", "手工输入", "manual key entry"),
        (CHIP_SALE, "55/5F2A", "CNY 人民币", "CNY Chinese yuan"),
        (CHIP_SALE, "55/84", "银联借记", "UnionPay debit"),
        (CHIP_SALE, "55/9A", "2026-01-15", "2026-01-15"),
        (GOLDEN["sign_on"], "60.3", "签到,双倍长密钥和磁道密钥", "sign-on, double-length keys and track key"),
        (GOLDEN["settle"], "48.1", "24.68 CNY", "24.68 CNY"),
    ],
)  # fmt: skip
def test_codes_are_told_in_words(iso: Run, golden: Golden, path: str, zh: str, en: str) -> None:
    for language, told in (("zh", zh), ("en", en)):
        (row,) = iso("describe", "--json", "--lang", language, golden.wire.hex()).rows
        means = {field["path"]: field["means"] for field in row["fields"]}
        assert means[path][:1] == [told]


@ALL
def test_every_field_has_a_name_in_both_languages(iso: Run, golden: Golden) -> None:
    for language in LANGUAGES:
        (row,) = iso("describe", "--json", "--lang", language, golden.wire.hex()).rows
        assert [field["path"] for field in row["fields"] if not field["name"]] == []
        chinese = [field["path"] for field in row["fields"] if CHINESE.search(field["name"])]
        assert (chinese == []) is (language == "en")


def test_bits_stand_one_under_the_other(iso: Run) -> None:
    shown = iso("describe", CHIP_SALE.wire.hex()).out
    tvr = shown.index("0000048000")
    first, second = (shown.index(words) for words in ("online PIN was entered", "transaction exceeds the floor limit"))
    assert tvr < first < second
    starts = [place - shown.rfind("\n", 0, place) for place in (first, second)]
    assert starts[0] == starts[1]


def test_the_transaction_is_named_and_what_it_lacks(iso: Run) -> None:
    assert "Transaction: sale\n" in iso("describe", SALE.wire.hex()).out
    assert "Transaction: answer to a sale\n" in iso("describe", ANSWER.wire.hex()).out
    message = load_dialect("unionpay_pos").decode(SALE.message)
    lacking = pos(message.without(49, 53).with_({61: "000001000002"}))
    shown = iso("describe", lacking).out
    assert "Its fields: missing: 49 currency, 53 security control, which goes with 52; not allowed: 61 origin" in shown
    (row,) = iso("describe", "--json", lacking).rows
    assert row["transaction"] == {"name": "sale", "answer": False, "missing": [49, 53], "not_allowed": [61]}
    answer = load_dialect("unionpay_pos").decode(ANSWER.message)
    (row,) = iso("describe", "--json", pos(answer.without(37))).rows
    assert row["transaction"] == {"name": "sale", "answer": True, "missing": [37], "not_allowed": []}
    assert "字段检查: 缺少:49 交易货币代码" in iso("describe", "--lang", "zh", lacking).out


def test_every_known_transaction_has_its_words() -> None:
    assert set(TRANSACTIONS) == set(TYPES)


def tables() -> list[Words]:
    words = [form.words for form in LENGTHS.values()] + [form.words for form in HEADS.values()]
    return [
        *words,
        *TRANSACTIONS.values(),
        *OPERATIONS.values(),
        *(row for table in PARTS.values() for row in table.values()),
    ]


def test_no_words_are_left_in_one_language() -> None:
    assert [words for words in tables() if bool(words[0]) != bool(words[1]) or CHINESE.search(words[1])] == []


def test_a_field_that_cannot_be_cut_says_why_and_spoils_nothing(iso: Run) -> None:
    message = load_dialect("unionpay_pos").decode(CHIP_SALE.message).with_({55: bytes.fromhex("9F2608E59D")})
    outcome = iso("describe", pos(message))
    assert outcome.code == 0
    assert "it cannot be cut into parts: 55/9F26: needed 8 bytes, 2 are left" in outcome.out


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_is_described(iso: Run, name: str) -> None:
    dialect = load_dialect(name)
    message = sample(dialect, "purchase")
    outcome = iso("describe", "--json", "--dialect", name, dialect.encode(message).hex())
    assert outcome.code == 0
    paths = [field["path"] for field in outcome.rows[0]["fields"]]
    assert [int(path) for path in paths if path.isdigit()] == list(message)
    assert leaks(outcome.everything, ["6299990000000009D3012201"]) == set()


# --- diff ------------------------------------------------------------------------------------------------------------


@ALL
def test_a_message_does_not_differ_from_itself(iso: Run, golden: Golden) -> None:
    outcome = iso("diff", golden.wire.hex(), golden.wire.hex())
    assert (outcome.code, outcome.out, outcome.err) == (0, "The two messages are the same.\n", "")
    assert iso("diff", "--json", golden.wire.hex(), golden.wire.hex()).rows == [{"differ": False, "differences": []}]


def test_what_differs_is_listed_down_to_the_sub_field(iso: Run) -> None:
    message = load_dialect("unionpay_pos").decode(SALE.message)
    other = message.with_({4: "000000009999", 60: "2200000200060"}).without(26)
    outcome = iso("diff", pos(message), pos(other))
    assert outcome.code == 1
    assert outcome.err == ""
    assert outcome.out.splitlines() == [
        "                          first         second",
        "4     amount              000000001234  000000009999",
        "26    PIN capture length  12            -",
        "60.2  batch number        000001        000002",
    ]
    (row,) = iso("diff", "--json", pos(message), pos(other)).rows
    assert [found["path"] for found in row["differences"]] == ["4", "26", "60.2"]
    assert row["differences"][1] == {"path": "26", "name": "PIN capture length", "left": "12", "right": None}


def test_masked_values_that_differ_do_not_look_the_same(iso: Run) -> None:
    message = load_dialect("unionpay_pos").decode(SALE.message)
    outcome = iso("diff", pos(message), pos(message.with_({52: bytes(8), 2: "6299991000000009"})))
    assert outcome.code == 1
    assert "52  PIN block               <8 bytes>         <8 bytes> (≠)" in outcome.out
    assert "629999******0009  629999******0009 (≠)" in outcome.out


def test_type_frame_and_dialect_are_compared_too(iso: Run) -> None:
    outcome = iso("diff", SALE.wire.hex(), ANSWER.wire.hex())
    assert outcome.code == 1
    assert re.search(r"MTI +message type +0200 +0210", outcome.out)
    assert re.search(r"tpdu +TPDU +6000030000 +6000000003", outcome.out)
    assert leaks(outcome.everything) == set()


def test_the_two_may_stand_in_one_input(iso: Run) -> None:
    outcome = iso("diff", "--json", stdin=f"{SALE.wire.hex()}\n{ANSWER.wire.hex()}\n")
    assert outcome.rows[0]["differ"] is True


@pytest.mark.parametrize("count", [1, 3])
def test_not_two_messages_is_a_refusal(iso: Run, count: int) -> None:
    outcome = iso("diff", *[SALE.wire.hex()] * count)
    assert outcome.code == 1
    assert f"Two messages are needed, there are {count}" in outcome.sentence()


def test_a_message_that_does_not_decode_cannot_be_compared(iso: Run) -> None:
    outcome = iso("diff", SALE.wire.hex(), SALE.wire.hex()[:-8])
    assert outcome.code == 1
    assert "does not decode" in outcome.sentence()


# --- bench and dialects ----------------------------------------------------------------------------------------------


def test_bench_measures_every_dialect(iso: Run) -> None:
    outcome = iso("bench", "--json", "--seconds", "0.001")
    assert outcome.code == 0
    assert [row["dialect"] for row in outcome.rows] == [name for name in NAMES for _ in range(2)]
    assert all(row["decode_ns"] > 0 and row["encode_ns"] > 0 and row["fields"] >= 3 for row in outcome.rows)
    table = iso("bench", "--seconds", "0.001", "--dialect", "iso87_ascii").out.splitlines()
    assert len(table) == 3
    assert re.fullmatch(r"iso87_ascii +purchase +\d+ +\d+ +[\d,]+ ns +[\d,]+ ns", table[1])


def test_dialects_are_listed(iso: Run) -> None:
    assert [row["dialect"] for row in iso("dialects", "--json").rows] == list(NAMES)
    assert all(name in iso("dialects").out for name in NAMES)


def test_json_is_one_object_a_line(iso: Run) -> None:
    for line in iso(
        "describe", "--json", stdin="\n".join(golden.wire.hex() for golden in GOLDEN.values())
    ).out.splitlines():
        assert isinstance(json.loads(line), dict)
