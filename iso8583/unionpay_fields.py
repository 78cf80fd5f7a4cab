"""The private fields of the UnionPay POS messages as typed values: 48, 53, 54, 59, 60, 61 and 62.

Each class builds (`to_text` or `to_bytes`) and parses (`parse`) one field; both refuse what does not fit, with an
`Iso8583Error` whose path names the part ("60.2") and whose offset counts in the field. Amounts are in minor units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from iso8583.errors import Iso8583Error
from iso8583.masking import mask_pan
from iso8583.security import key_check_value, unwrap_key, wrap_key
from iso8583.tlv import build_text_tlv, parse_text_tlv

DETAILS_MAX: Final = 8  # records in one batch upload message


def _check_digits(path: str, text: str, length: int, at: int = 0) -> str:
    if len(text) != length or not (text.isascii() and text.isdigit()):
        raise Iso8583Error(path, at, f"needed {length} digits, there are {len(text)} characters")
    return text


def _number(path: str, value: int, length: int) -> str:
    if not 0 <= value < 10**length:
        raise Iso8583Error(path, 0, f"needed a number of up to {length} digits, there is a negative or a longer one")
    return f"{value:0{length}d}"


def _cut(number: int, text: str, lengths: Sequence[int]) -> Iterator[str]:
    """The parts of a positional field; parts at the end may be absent and come out empty."""
    at = 0
    for part, length in enumerate(lengths, 1):
        if at == len(text):
            yield ""
            continue
        yield _check_digits(f"{number}.{part}", text[at : at + length], length, at)
        at += length
    if at < len(text):
        raise Iso8583Error(str(number), at, f"needed {at} digits, there are {len(text)}")


def _joined(number: int, parts: Sequence[str], lengths: Sequence[int]) -> str:
    """The inverse of `_cut`: a part may be empty only if all behind it are."""
    used = max((place for place, part in enumerate(parts, 1) if part), default=0)
    for place, (part, length) in enumerate(zip(parts[:used], lengths, strict=False), 1):
        _check_digits(f"{number}.{place}", part, length)
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Block60:
    """Field 60, the batch and type block.

    Attributes:
        type_code: 60.1, transaction type, 2 digits.
        batch: 60.2, batch number given by the host at sign-on, 6 digits.
        management_code: 60.3, 3 digits, 000 for financial messages.
        reader_capability: 60.4: 0 unknown, 2 stripe, 5 contact chip, 6 contact and contactless chip.
        chip_condition: 60.5: 0 normal or no chip, 1 last chip read good, 2 last chip read failed.
        partial_approval: 60.6: 1 if the terminal takes partial approvals.
        account_type: 60.7, 3 digits: 048 issuer's points, 065 alliance's points.

    Management messages end after 60.3, financial ones after 60.5 or later; absent parts are empty.
    """

    type_code: str
    batch: str
    management_code: str = "000"
    reader_capability: str = ""
    chip_condition: str = ""
    partial_approval: str = ""
    account_type: str = ""

    LENGTHS = (2, 6, 3, 1, 1, 1, 3)

    @classmethod
    def parse(cls, text: str) -> Block60:
        """Field 60 taken apart. Raises Iso8583Error if a part is cut or 60.1 to 60.3 are not all there."""
        block = cls(*_cut(60, text, cls.LENGTHS))
        if not block.management_code:
            raise Iso8583Error("60.3", len(text), f"needed 11 digits, there are {len(text)}")
        return block

    def to_text(self) -> str:
        """Field 60 as the message carries it."""
        parts = (self.type_code, self.batch, self.management_code, self.reader_capability, self.chip_condition)
        return _joined(60, (*parts, self.partial_approval, self.account_type), self.LENGTHS)


@dataclass(frozen=True, slots=True)
class Original61:
    """Field 61, the transaction that this one refers to.

    Attributes:
        batch: 61.1, its batch number, 6 digits.
        trace: 61.2, its trace number, 6 digits.
        date: 61.3, its date MMDD; empty in a void of a sale.
        auth_mode: 61.4: 00 POS, 01 telephone, 02 stand-in.
        auth_institution: 61.5, 11 digits.
    """

    batch: str
    trace: str
    date: str = ""
    auth_mode: str = ""
    auth_institution: str = ""

    LENGTHS = (6, 6, 4, 2, 11)

    @classmethod
    def parse(cls, text: str) -> Original61:
        """Field 61 taken apart. Raises Iso8583Error if a part is cut or 61.1 and 61.2 are not both there."""
        original = cls(*_cut(61, text, cls.LENGTHS))
        if not original.trace:
            raise Iso8583Error("61.2", len(text), f"needed 12 digits, there are {len(text)}")
        return original

    def to_text(self) -> str:
        """Field 61 as the message carries it."""
        return _joined(61, (self.batch, self.trace, self.date, self.auth_mode, self.auth_institution), self.LENGTHS)


@dataclass(frozen=True, slots=True)
class Totals:
    """One half of the settlement totals. Amounts in fen; `result`: 0 asked, 1 balanced, 2 unbalanced, 3 error."""

    debit_amount: int = 0
    debit_count: int = 0
    credit_amount: int = 0
    credit_count: int = 0
    result: str = "0"


@dataclass(frozen=True, slots=True)
class Totals48:
    """Field 48 of a settlement (0500): totals of domestic and of foreign cards, 62 digits.

    Debits are sales and completions, credits are voids and refunds.
    """

    domestic: Totals = Totals()
    foreign: Totals = Totals()

    LENGTHS = (12, 3, 12, 3, 1) * 2

    @classmethod
    def parse(cls, text: str) -> Totals48:
        """Field 48 of a 0500 or 0510 taken apart. Raises Iso8583Error unless it is 62 digits."""
        _check_digits("48", text, sum(cls.LENGTHS))
        parts = list(_cut(48, text, cls.LENGTHS))
        return cls(*(Totals(*map(int, half[:4]), half[4]) for half in (parts[:5], parts[5:])))

    def to_text(self) -> str:
        """Field 48 as the message carries it."""
        parts: list[str] = []
        for half in (self.domestic, self.foreign):
            numbers = (half.debit_amount, half.debit_count, half.credit_amount, half.credit_count)
            parts += (_number(f"48.{len(parts) + place}", value, length)
                      for place, (value, length) in enumerate(zip(numbers, self.LENGTHS, strict=False), 1))
            parts.append(half.result)
        return _joined(48, parts, self.LENGTHS)


@dataclass(frozen=True, slots=True)
class Detail48:
    """One transaction in a batch upload. Its `repr` masks the PAN.

    Attributes:
        trace: 6 digits.
        pan: without the zeros that the wire puts to its left.
        amount: fen.
        foreign: the card is a foreign one.
    """

    trace: str
    pan: str = field(repr=False)
    amount: int
    foreign: bool = False

    def __str__(self) -> str:
        return f"{self.trace} {mask_pan(self.pan)} {self.amount}"


@dataclass(frozen=True, slots=True)
class Details48:
    """Field 48 of a batch upload (0320/201): a count of 2 digits, then up to eight records of 40 digits."""

    records: tuple[Detail48, ...]

    LENGTHS = (2, 6, 20, 12)

    @classmethod
    def parse(cls, text: str) -> Details48:
        """Field 48 taken apart. Raises Iso8583Error if the count is not that of the records, or above eight."""
        count = int(_check_digits("48.count", text[:2], 2))
        if not 1 <= count <= DETAILS_MAX or len(text) != 2 + 40 * count:
            raise Iso8583Error("48", 2, f"needed 1 to {DETAILS_MAX} records of 40 digits as counted, there are {len(text) - 2} digits")
        return cls(tuple(cls._record(text[at : at + 40]) for at in range(2, len(text), 40)))

    @classmethod
    def _record(cls, text: str) -> Detail48:
        origin, trace, pan, amount = _cut(48, text, cls.LENGTHS)
        if origin not in {"00", "01"}:
            raise Iso8583Error("48.1", 0, "needed 00 domestic or 01 foreign, there is something else")
        return Detail48(trace, pan.lstrip("0"), int(amount), foreign=origin == "01")

    def to_text(self) -> str:
        """Field 48 as the message carries it."""
        if not 1 <= len(self.records) <= DETAILS_MAX:
            raise Iso8583Error("48", 0, f"needed 1 to {DETAILS_MAX} records, there are {len(self.records)}")
        return f"{len(self.records):02d}" + "".join(map(self._text, self.records))

    def _text(self, record: Detail48) -> str:
        parts = (f"{record.foreign:02d}", record.trace, record.pan.rjust(20, "0"), _number("48.4", record.amount, 12))
        return _joined(48, parts, self.LENGTHS)


@dataclass(frozen=True, slots=True)
class WorkingKeys62:
    """Field 62 of a sign-on answer: the working keys, each encrypted under the terminal's master key.

    Attributes:
        pin_key, mac_key, track_key: 8 or 16 bytes each; the track key is empty unless it was asked for (60.3 = 004).
        pin_check, mac_check, track_check: their check values, 4 bytes.

    The layouts by length: 24 (single DES, 001), 40 (003), 60 (004). A single-length MAC key travels with 8 zero bytes
    behind it; some hosts leave them out, which makes 32 and 52.
    """

    pin_key: bytes
    pin_check: bytes
    mac_key: bytes
    mac_check: bytes
    track_key: bytes = b""
    track_check: bytes = b""

    # Whole length -> lengths of the three keys as they travel.
    LAYOUTS = {24: (8, 8, 0), 32: (16, 8, 0), 40: (16, 16, 0), 52: (16, 8, 16), 60: (16, 16, 16)}

    @classmethod
    def parse(cls, data: bytes) -> WorkingKeys62:
        """Field 62 taken apart; the keys stay encrypted. Raises Iso8583Error for any length not listed above."""
        if len(data) not in cls.LAYOUTS:
            raise Iso8583Error("62", 0, f"needed 24, 32, 40, 52 or 60 bytes, there are {len(data)}")
        parts: list[bytes] = []
        at = 0
        for width in cls.LAYOUTS[len(data)]:
            check = at + width
            at = check + 4 if width else check
            parts += (data[check - width : check], data[check:at])
        if len(parts[2]) == 16 and not any(parts[2][8:]):
            parts[2] = parts[2][:8]
        return cls(*parts)

    def to_bytes(self) -> bytes:
        """Field 62 as the message carries it: 24, 40 or 60 bytes."""
        mac_key = self.mac_key.ljust(len(self.pin_key), b"\0")
        return self.pin_key + self.pin_check + mac_key + self.mac_check + self.track_key + self.track_check

    @classmethod
    def wrap(cls, master_key: bytes, pin_key: bytes, mac_key: bytes, track_key: bytes = b"") -> WorkingKeys62:
        """The field for these clear keys, encrypted under `master_key` with their check values."""
        keys = [key for key in (pin_key, mac_key, track_key) if key]
        return cls(*(part for key in keys for part in (wrap_key(master_key, key), key_check_value(key))))

    def unwrap(self, master_key: bytes) -> tuple[bytes, bytes, bytes]:
        """PIN, MAC and track key in clear; the track key empty if there was none.

        Raises:
            Iso8583Error: a check value is wrong. None of the keys may be used then.
        """
        pairs = ((self.pin_key, self.pin_check), (self.mac_key, self.mac_check), (self.track_key, self.track_check))
        clear = [self._unwrapped(master_key, *pair, f"62.{part}") for part, pair in enumerate(pairs, 1)]
        return clear[0], clear[1], clear[2]

    @staticmethod
    def _unwrapped(master_key: bytes, key: bytes, check: bytes, path: str) -> bytes:
        try:
            return unwrap_key(master_key, key, check) if key else b""
        except ValueError as error:
            raise Iso8583Error(path, 0, str(error)) from None


@dataclass(frozen=True, slots=True)
class TerminalIdentity59:
    """Part A2 of field 59, the terminal's identity (TUSN). Parts that are empty are not sent.

    Attributes:
        device_type: 02 classic POS, 03 mobile, 04 smart.
        serial: hardware serial number.
        random_factor: last six digits of the PAN or of the payment code.
        cipher: the serial number under the TUSN key, 8 hexadecimal characters (`security.sm4_mac`).
        app_version: 8 characters, padded with blanks.
    """

    device_type: str
    serial: str
    random_factor: str = ""
    cipher: str = ""
    app_version: str = ""

    TAGS = ("01", "02", "03", "04", "05")

    @classmethod
    def parse(cls, text: str) -> TerminalIdentity59:
        """Part A2 taken apart. Raises Iso8583Error if it has other parts than these."""
        parts = parse_text_tlv(text, "59/A2")
        _only(parts, cls.TAGS, "59/A2")
        return cls(*(parts.get(tag, "") for tag in cls.TAGS))

    def to_text(self) -> str:
        """Part A2 as field 59 carries it."""
        values = (self.device_type, self.serial, self.random_factor, self.cipher, self.app_version)
        return build_text_tlv({tag: value for tag, value in zip(self.TAGS, values, strict=True) if value}, "59/A2")


@dataclass(frozen=True, slots=True)
class Data59:
    """Field 59: what a terminal adds about itself and about a scanned code. None of it appears in `repr`.

    Attributes:
        sm4_pin_block: A1, the encrypted 16-byte PIN block of a terminal with SM4 keys.
        terminal: A2.
        payment_code: A3, the customer's payment code.
        original_voucher: A4, the payment voucher number of the original, for a void or refund of a scanned payment.
        location: A5.
    """

    sm4_pin_block: bytes = field(default=b"", repr=False)
    terminal: TerminalIdentity59 | None = field(default=None, repr=False)
    payment_code: str = field(default="", repr=False)
    original_voucher: str = field(default="", repr=False)
    location: str = field(default="", repr=False)

    TAGS = ("A1", "A2", "A3", "A4", "A5")

    @classmethod
    def parse(cls, text: str) -> Data59:
        """Field 59 taken apart. Raises Iso8583Error if it has other parts, or a PIN block that is not 16 bytes."""
        parts = parse_text_tlv(text)
        _only(parts, cls.TAGS, "59")
        pin, terminal, code, voucher, location = (parts.get(tag, "") for tag in cls.TAGS)
        if len(pin) not in {0, 16}:
            raise Iso8583Error("59/A1", 0, f"needed 16 bytes, there are {len(pin)}")
        identity = TerminalIdentity59.parse(terminal) if terminal else None
        return cls(pin.encode("latin-1"), identity, code, voucher, location)

    def to_text(self) -> str:
        """Field 59 as the message carries it."""
        terminal = self.terminal.to_text() if self.terminal else ""
        pin = self.sm4_pin_block.decode("latin-1")
        values = (pin, terminal, self.payment_code, self.original_voucher, self.location)
        return build_text_tlv({tag: value for tag, value in zip(self.TAGS, values, strict=True) if value})


def _only(parts: dict[str, str], known: Sequence[str], path: str) -> None:
    unknown = [tag for tag in parts if tag not in known]
    if unknown:
        raise Iso8583Error(path, 0, f"needed the parts {', '.join(known)}, there are {len(unknown)} others")


@dataclass(frozen=True, slots=True)
class Balance54:
    """One balance of field 54. `amount` in minor units, negative if the account is overdrawn (sign D)."""

    account_type: str
    amount_type: str
    currency: str
    amount: int

    LENGTHS = (2, 2, 3)

    @classmethod
    def parse(cls, text: str) -> Balance54:
        """Field 54 taken apart. Raises Iso8583Error unless it is 7 digits, a sign C or D and 12 digits."""
        if len(text) != 20 or text[7] not in "CD":
            raise Iso8583Error("54", 0, "needed 20 characters with a sign C or D at the eighth")
        amount = int(_check_digits("54.5", text[8:], 12, 8))
        return cls(*_cut(54, text[:7], cls.LENGTHS), -amount if text[7] == "D" else amount)

    def to_text(self) -> str:
        """Field 54 as the message carries it."""
        kind = _joined(54, (self.account_type, self.amount_type, self.currency), self.LENGTHS)
        return f"{kind}{'D' if self.amount < 0 else 'C'}{_number('54.5', abs(self.amount), 12)}"


def security53(pin: bool, algorithm: Literal["des", "3des", "sm4"], track_encrypted: bool) -> str:
    """Field 53: whether a PIN block with PAN follows, under which algorithm, and whether the track is encrypted.

    >>> security53(pin=True, algorithm="3des", track_encrypted=True)
    '2610000000000000'
    """
    return f"{'2' if pin else '0'}{SECURITY_ALGORITHMS[algorithm]}{'1' if track_encrypted else '0'}".ljust(16, "0")


SECURITY_ALGORITHMS: Final = {"des": "0", "3des": "6", "sm4": "3"}
