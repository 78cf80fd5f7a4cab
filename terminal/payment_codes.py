"""Customers' payment codes: whose they are, by how they begin and how long they are.

A code that fits nothing is refused, with the reason.

A code is judged because it was scanned, never by the number alone: 19 digits that begin with 62 could as well be a card
number, so nothing here may be asked about what came from a card or from a keyboard.

Which codes there are is a table, and the first row that fits decides. `SHIPPED` comes with the program; another one is
read from TOML, the rows in the order in which they are tried:

    version = 3

    [[code]]
    wallet = "alipay"
    name_zh = "支付宝"
    name_en = "Alipay"
    begins = "2[5-9]"      # digits, and [a-b] for one digit from a to b
    lengths = "16-24"      # how many digits: numbers and ranges, such as "16-18 24"
    taken = true           # false: known, so that the refusal can say so, but not taken here

Sources of `SHIPPED`: the wallets' rules for merchants as they are quoted in public; Baidu's wallet has closed. The
Tillgate code is that of `docs/paycode.md`, made by a phone without a network; its issuers' prefixes are 7710 to 7719.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TABLE_BYTES_MAX = 64 * 1024
ROWS_MAX = 200
BEGINS_MAX = 8
"""Digits that a row may look at: the longest prefix in any routing table that we know has four."""

DIGITS_MIN, DIGITS_MAX = 12, 40
"""What a row may give as a length. Less is so little that codes could be guessed, more is no code of digits."""

SIGNED = "TG1:"
"""How a code begins that a terminal can verify by itself. While the bank can be asked, none is taken: what it decides
by, such as the balance, a terminal does not know."""

NAME_LENGTH_MAX = 16
"""Names stand on a slip of 32 columns, Chinese beside English."""

_WALLET = re.compile(r"[a-z][a-z0-9_]{0,23}", re.ASCII)
_BEGINS = re.compile(r"(?:[0-9]|\[[0-9]-[0-9]\])+", re.ASCII)
_POSITION = re.compile(r"\[([0-9])-([0-9])\]|([0-9])", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,2})(?:-([0-9]{1,2}))?", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)


class CodeTableError(Exception):
    """A table of codes cannot be used; the text names row and column and says what must stand there."""


@dataclass(frozen=True, slots=True)
class Wallet:
    """One row: a wallet, and the shape of its codes.

    Attributes:
        wallet: a stable key; a wallet with codes of several shapes has several rows.
        name_zh: its name in Chinese.
        name_en: its name in English.
        begins: how its codes begin: digits, and ``[a-b]`` for one digit from a to b.
        lengths: how many digits they have: numbers and ranges, such as ``16-18 24``.
        taken: False for one that is known, but not taken here.
    """

    wallet: str
    name_zh: str
    name_en: str
    begins: str
    lengths: str
    taken: bool = True


class CodeTable:
    """The codes that a terminal knows. Immutable; raises CodeTableError for a row that cannot be used."""

    def __init__(self, rows: Iterable[Wallet], version: int = 0) -> None:
        self.version = version
        self.rows = tuple(rows)
        if not 0 < len(self.rows) <= ROWS_MAX:
            raise CodeTableError(f"a table of codes has 1 to {ROWS_MAX} rows, not {len(self.rows)}")
        self._shapes = tuple((row, *_shape(number, row)) for number, row in enumerate(self.rows, start=1))
        self._shortest = min(min(lengths) for _, _, lengths in self._shapes)

    def wallet_of(self, code: str) -> Wallet | None:
        """Return the first row that a scanned code fits, or None."""
        if not _DIGITS.fullmatch(code):
            return None
        rows = (row for row, begins, lengths in self._shapes if len(code) in lengths and begins.match(code))
        return next(rows, None)

    def refusal_of(self, code: str) -> str:
        """Say why a scanned code cannot pay here; empty if it can."""
        wallet = self.wallet_of(code)
        if wallet is not None:
            return "" if wallet.taken else "code_not_taken"
        if code.startswith(SIGNED):
            return "code_for_outages"
        if not _DIGITS.fullmatch(code):
            return "code_not_payment"
        likely = [lengths for row, begins, lengths in self._shapes if row.taken and begins.match(code)]
        if len(code) < min((min(lengths) for lengths in likely), default=self._shortest):
            return "code_too_short"
        return "code_too_long" if likely and len(code) > max(map(max, likely)) else "code_unknown"

    def wallet_of_masked(self, masked: str) -> Wallet | None:
        """Name the wallet of a code of which only the first two and last four digits are left (its length is kept).

        None also if what is left could be one of several wallets: a slip must not name the wrong one.
        """
        left = masked[:2]
        fits = [row for row, _, lengths in self._shapes if len(masked) in lengths and _may_begin(row.begins, left)]
        return fits[0] if len({row.wallet for row in fits}) == 1 else None


def parse_code_table(data: bytes) -> CodeTable:
    """Read a table from TOML. Raises CodeTableError, which names row and column."""
    if len(data) > TABLE_BYTES_MAX:
        raise CodeTableError(f"a table of codes has at most {TABLE_BYTES_MAX} bytes, not {len(data)}")
    try:
        tree = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CodeTableError(f"the table of codes is not TOML: {error}") from None
    version, rows = tree.pop("version", None), tree.pop("code", None)
    if tree:
        raise CodeTableError(f"a table of codes has only version and code, not {next(iter(tree))!r:.40}")
    if type(version) is not int or version < 1:
        raise CodeTableError("version must be a whole number from 1")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CodeTableError("a table of codes has its rows under [[code]]")
    return CodeTable([_row(number, row) for number, row in enumerate(rows, start=1)], version)


def signed_code_table(data: bytes, signature: bytes, public_key: bytes) -> CodeTable:
    """Read a table if its Ed25519 signature (64 bytes) by the owner of `public_key` (32 bytes) is good.

    Raises CodeTableError, also for a key that is none.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise CodeTableError("the table of codes is not signed by the one who may set it") from None
    return parse_code_table(data)


_COLUMNS: Mapping[str, tuple[type, bool]] = {
    "wallet": (str, True), "name_zh": (str, True), "name_en": (str, True), "begins": (str, True),
    "lengths": (str, True), "taken": (bool, False),
}  # fmt: skip


def _row(number: int, values: dict[str, Any]) -> Wallet:
    for column in values:
        if column not in _COLUMNS:
            raise CodeTableError(f"row {number}, column {column!r:.40}: there is no such column")
    for column, (kind, needed) in _COLUMNS.items():
        if column not in values and needed:
            raise CodeTableError(f"row {number}, column {column}: is missing")
        if column in values and type(values[column]) is not kind:
            wanted = "a text" if kind is str else "true or false"
            raise CodeTableError(f"row {number}, column {column}: must be {wanted}")
    return Wallet(**values)


def _shape(number: int, row: Wallet) -> tuple[re.Pattern[str], frozenset[int]]:
    """Check a row; return what its codes begin with, and their lengths."""

    def refuse(column: str, wanted: str) -> CodeTableError:
        return CodeTableError(f"row {number}, column {column}: must be {wanted}, not {getattr(row, column)!r:.40}")

    if not _WALLET.fullmatch(row.wallet):
        raise refuse("wallet", "1 to 24 small letters, digits or underscores, a letter first")
    for column in ("name_zh", "name_en"):
        name = getattr(row, column)
        if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable() or name != name.strip():
            raise refuse(column, f"1 to {NAME_LENGTH_MAX} characters that can be printed")
    positions = _POSITION.findall(row.begins)
    if not _BEGINS.fullmatch(row.begins) or len(positions) > BEGINS_MAX or any(a > b for a, b, _ in positions):
        raise refuse("begins", f"1 to {BEGINS_MAX} digits, or [a-b] for one from a to b")
    lengths = _lengths(row.lengths)
    if not lengths or min(lengths) < DIGITS_MIN or max(lengths) > DIGITS_MAX:
        raise refuse("lengths", f"numbers and ranges from {DIGITS_MIN} to {DIGITS_MAX}, such as 16-18 24")
    return re.compile(row.begins, re.ASCII), lengths


def _lengths(text: str) -> frozenset[int]:
    """The numbers that are meant; none if it is not such a text."""
    found = [_RANGE.fullmatch(part) for part in text.split()[: DIGITS_MAX + 1]]
    ranges = [(int(part[1]), int(part[2] or part[1])) for part in found if part]
    if len(ranges) != len(found) or any(low > high for low, high in ranges):
        return frozenset()
    return frozenset(length for low, high in ranges for length in range(low, high + 1))


def _may_begin(begins: str, left: str) -> bool:
    """Whether a code that begins so may have `left` as its first digits."""
    pairs = zip(left, _POSITION.findall(begins), strict=False)
    return left.isdigit() and all((low or only) <= digit <= (high or only) for digit, (low, high, only) in pairs)


SHIPPED = CodeTable(
    (
        Wallet("unionpay", "银联云闪付", "UnionPay", "62", "19"),
        Wallet("wechat", "微信支付", "WeChat Pay", "1[0-5]", "18"),
        Wallet("alipay", "支付宝", "Alipay", "2[5-9]", "16-24"),
        Wallet("alipay", "支付宝", "Alipay", "30", "16-24"),
        Wallet("tillgate", "途码", "Tillgate code", "771", "24"),
        Wallet("baidu", "百度钱包", "Baidu Wallet", "31", "16-18", taken=False),
        Wallet("jd", "京东支付", "JD Pay", "18", "18", taken=False),
        Wallet("bestpay", "翼支付", "Bestpay", "51", "18", taken=False),
        Wallet("ecny", "数字人民币", "e-CNY", "01", "19", taken=False),
    )
)
