"""Whose a scanned code is, why it is refused, and tables of codes: the shipped one, the host's, and broken ones."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from terminal.events import CancelRequested, CodeIgnored, CodePresented, SaleRequested
from terminal.payment_codes import (
    ROWS_MAX,
    SHIPPED,
    TABLE_BYTES_MAX,
    CodeTable,
    CodeTableError,
    Wallet,
    parse_code_table,
    signed_code_table,
)
from terminal.start import codes_of
from tests.terminal.rig import CODE, PAN, ready_till

OWNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = OWNER.public_key().public_bytes_raw()

ROW = {"wallet": "tea", "name_zh": "茶付", "name_en": "TeaPay", "begins": "77", "lengths": "16-18 24"}


def table(*rows: Mapping[str, object], version: object = 3) -> bytes:
    lines = [f"version = {version}"]
    for row in rows:
        lines.append("[[code]]")
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in row.items()]  # TOML as well
    return "\n".join(lines).encode()


# --- the shipped table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begins", "length", "wallet"),
    [
        *((f"1{digit}", 18, "wechat") for digit in range(6)),
        *((begins, length, "alipay") for begins in ("25", "26", "27", "28", "29", "30") for length in range(16, 25)),
        ("62", 19, "unionpay"), *((f"771{digit}", 24, "tillgate") for digit in range(10)),
    ],
)
def test_every_shape_of_a_payment_code_is_taken(begins: str, length: int, wallet: str) -> None:
    code = begins.ljust(length, "7")
    found = SHIPPED.wallet_of(code)
    assert found and found.wallet == wallet and SHIPPED.refusal_of(code) == ""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "code_not_payment"), ("https://qr.example.com/1", "code_not_payment"), ("６２" * 9, "code_not_payment"),
        ("62" + "1" * 16 + "\n", "code_not_payment"), ("1234 5678 9012 3456", "code_not_payment"),
        ("1" * 17, "code_too_short"), ("62" + "1" * 16, "code_too_short"), ("28" + "1" * 13, "code_too_short"),
        ("123", "code_too_short"), ("99", "code_too_short"),
        ("6" * 2 + "2" * 17, "code_unknown"), ("9" * 18, "code_unknown"), ("16" + "1" * 16, "code_unknown"),
        ("62" + "1" * 18, "code_too_long"), ("1" * 36, "code_too_long"), ("28" + "1" * 23, "code_too_long"),
        ("7710" + "1" * 19, "code_too_short"), ("7710" + "1" * 21, "code_too_long"), ("772" + "1" * 21, "code_unknown"),
        ("31" + "1" * 14, "code_not_taken"), ("01" + "1" * 17, "code_not_taken"), ("18" + "1" * 16, "code_not_taken"),
    ],
)  # fmt: skip
def test_every_other_is_refused_with_its_reason(code: str, reason: str) -> None:
    assert SHIPPED.refusal_of(code) == reason


@given(st.text(max_size=600) | st.from_regex(r"[0-9]{0,40}", fullmatch=True))
def test_every_code_is_taken_or_refused(code: str) -> None:
    wallet = SHIPPED.wallet_of(code)
    assert (SHIPPED.refusal_of(code) == "") == (wallet is not None and wallet.taken)


def test_nineteen_digits_like_a_cards_are_a_code_because_they_were_scanned() -> None:
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(CodePresented("6299990000000000017"))
    payment = till.counter.book.payments[till.counter.payments.current]  # type: ignore[index]
    assert payment.rules.scan and payment.card == ""
    assert SHIPPED.refusal_of(PAN) == "code_too_short"  # sixteen digits: a card's number is no code


# --- what the counter says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("123", "code_too_short"), ("9" * 18, "code_unknown"), ("62" + "1" * 18, "code_too_long"),
        ("abc" * 6, "code_not_payment"), ("31" + "1" * 14, "code_not_taken"),
    ],
)  # fmt: skip
def test_code_that_cannot_pay_is_refused_with_the_reason_and_the_sale_goes_on_waiting(code, reason):
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    assert till.on(CodePresented(code)) == []
    assert till.said() == reason and till.counter.busy


def test_a_scan_that_was_ignored_is_said_unless_something_else_matters_more():
    till = ready_till()
    till.on(CodeIgnored("scan_repeated"))
    assert till.counter.notice is None
    till.on(SaleRequested("a", 2500, "01"))
    assert till.on(CodeIgnored("scan_repeated")) == [] and till.said() == "scan_repeated"
    assert till.counter.payments.current
    till.on(CancelRequested(till.counter.payments.current))
    till.on(SaleRequested("b", 2500, "01"))
    till.on(CodePresented("9" * 18))
    till.on(CodeIgnored("scan_repeated"))
    assert till.said() == "code_unknown"


def test_what_was_wrong_with_another_code_is_no_longer_said_when_one_is_taken():
    till = ready_till()
    till.on(SaleRequested("a", 2500, "01"))
    till.on(CodePresented("9" * 18))
    till.on(CodePresented(CODE))
    assert till.counter.notice is None
    till.on(CodeIgnored("scan_repeated"))
    assert till.counter.notice is None


# --- naming what is left of a code ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("masked", "wallet"),
    [
        ("62*************4567", "unionpay"), ("13************4567", "wechat"), ("30**************4567", "alipay"),
        ("62************4567", None), ("99************4567", None), ("**************", None), ("", None),
    ],
)  # fmt: skip
def test_the_wallet_of_a_masked_code(masked: str, wallet: str | None) -> None:
    found = SHIPPED.wallet_of_masked(masked)
    assert (found and found.wallet) == wallet


def test_a_masked_code_that_could_be_two_wallets_is_not_named() -> None:
    both = CodeTable([Wallet("a", "甲", "A", "281", "18"), Wallet("b", "乙", "B", "2[5-9]", "18")])
    assert both.wallet_of_masked("28" + "*" * 12 + "0000") is None
    assert both.wallet_of_masked("27" + "*" * 12 + "0000") == both.rows[1]


# --- other tables -----------------------------------------------------------------------------------------------------


def test_the_first_row_that_fits_decides() -> None:
    plus, plain = ROW | {"wallet": "plus", "begins": "771"}, ROW
    for rows, wallet in (((plus, plain), "plus"), ((plain, plus), "tea")):
        found = parse_code_table(table(*rows)).wallet_of("771" + "0" * 13)
        assert found and found.wallet == wallet


def test_the_documented_table_is_read() -> None:
    from terminal import payment_codes

    documented = re.findall(r"^    (.*)$", payment_codes.__doc__ or "", re.MULTILINE)
    read = parse_code_table("\n".join(documented).encode())
    assert read.version == 3 and read.rows == (Wallet("alipay", "支付宝", "Alipay", "2[5-9]", "16-24"),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"wallet": "Tea"}, "row 2, column wallet: must be 1 to 24 small letters"),
        ({"wallet": ""}, "row 2, column wallet"), ({"wallet": 7}, "row 2, column wallet: must be a text"),
        ({"name_zh": ""}, "row 2, column name_zh"), ({"name_en": "x" * 17}, "row 2, column name_en"),
        ({"name_en": "a\tb"}, "row 2, column name_en"), ({"name_zh": " 茶"}, "row 2, column name_zh"),
        ({"begins": ""}, "row 2, column begins: must be 1 to 8 digits"), ({"begins": "7x"}, "row 2, column begins"),
        ({"begins": "[5-2]"}, "row 2, column begins"), ({"begins": "(1+)+$"}, "row 2, column begins"),
        ({"begins": "1" * 9}, "row 2, column begins"), ({"begins": "[1-2"}, "row 2, column begins"),
        ({"begins": "[1-2-3]"}, "row 2, column begins"),
        ({"lengths": ""}, "row 2, column lengths: must be numbers and ranges"), ({"lengths": "11"}, "row 2, column le"),
        ({"lengths": "16-41"}, "row 2, column lengths"), ({"lengths": "18-16"}, "row 2, column lengths"),
        ({"lengths": "16,18"}, "row 2, column lengths"), ({"lengths": 18}, "row 2, column lengths: must be a text"),
        ({"taken": 1}, "row 2, column taken: must be true or false"), ({"colour": "red"}, "row 2, column 'colour'"),
    ],
)  # fmt: skip
def test_a_malformed_row_is_refused_with_row_and_column(changes: dict[str, object], said: str) -> None:
    with pytest.raises(CodeTableError, match=f"^{re.escape(said)}"):
        parse_code_table(table(ROW, ROW | changes))


@pytest.mark.parametrize("column", ROW)
def test_a_column_that_is_missing_is_named(column: str) -> None:
    with pytest.raises(CodeTableError, match=f"^row 1, column {column}: is missing$"):
        parse_code_table(table({key: value for key, value in ROW.items() if key != column}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff", "not TOML"), (b"version = ", "not TOML"), (b"a = " + b"[" * 5000, "not TOML"),
        (table(ROW, version=0), "version must be"), (table(ROW, version="true"), "version must be"),
        (table(), "rows under"), (b"version = 1\ncode = [1]", "rows under"), (b"version = 1\ncode = []", "1 to 200"),
        (b"colour = 1\n" + table(ROW), "not 'colour'"), (table(*[ROW] * (ROWS_MAX + 1)), "1 to 200 rows, not 201"),
        (b"#" * (TABLE_BYTES_MAX + 1), "at most 65536 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(CodeTableError, match=said):
        parse_code_table(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    with suppress(CodeTableError):
        parse_code_table(data)


def test_a_signed_table_is_taken_as_it_was_signed_and_by_nobody_else() -> None:
    data = table(ROW)
    signature = OWNER.sign(data)
    assert signed_code_table(data, signature, PUBLIC_KEY).rows[0].wallet == "tea"
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    for changed, signed, key in (
        (data + b" ", signature, PUBLIC_KEY), (data, signature[:-1], PUBLIC_KEY), (data, b"", PUBLIC_KEY),
        (data, stranger.sign(data), PUBLIC_KEY), (data, signature, b"short"),
    ):  # fmt: skip
        with pytest.raises(CodeTableError, match="not signed"):
            signed_code_table(changed, signed, key)


# --- the terminal's folder --------------------------------------------------------------------------------------------


def test_a_terminal_without_a_table_has_the_shipped_one(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert codes_of(tmp_path, "") is SHIPPED
    assert logs == []


def test_the_table_in_the_folder_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "payment_codes.toml").write_bytes(table(ROW))
    assert codes_of(tmp_path, "").refusal_of("77" + "0" * 14) == ""
    (tmp_path / "payment_codes.sig").write_bytes(OWNER.sign(table(ROW)))
    assert codes_of(tmp_path, PUBLIC_KEY.hex()).version == 3


@pytest.mark.parametrize(
    ("data", "signature", "said"),
    [
        (table(ROW | {"begins": "x"}), b"", "row 1, column begins"), (table(ROW), None, "No such file"),
        (table(ROW), bytes(64), "not signed"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_leaves_the_shipped_one_and_says_why(
    tmp_path: Path, data: bytes, signature: bytes | None, said: str
) -> None:
    (tmp_path / "payment_codes.toml").write_bytes(data)
    if signature is not None:
        (tmp_path / "payment_codes.sig").write_bytes(signature)
    with capture_logs() as logs:
        assert codes_of(tmp_path, "" if signature == b"" else PUBLIC_KEY.hex()) is SHIPPED
    assert [(log["event"], said in log["reason"]) for log in logs] == [("payment_codes_refused", True)]
