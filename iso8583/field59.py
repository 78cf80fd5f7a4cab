"""Field 59: what a terminal adds about itself, and the data of a scanned code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.tlv import build_text_tlv, parse_text_tlv

IDENTITY_TAGS: Final = ("01", "02", "03", "04", "05")
TAGS: Final = ("A1", "A2", "A3", "A4", "A5")
SM4_PIN_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class TerminalIdentity59:
    """Part A2, the terminal's identity (TUSN). Parts that are empty are not sent.

    Attributes:
        device_type: 02 classic POS, 03 mobile, 04 smart.
        serial: hardware serial number.
        random_factor: last six digits of the PAN or of the payment code.
        cipher: serial and random factor under the TUSN key: the 8 characters of `security.sm4_mac`.
        app_version: 8 characters, padded with blanks.
    """

    device_type: str
    serial: str
    random_factor: str = field(default="", repr=False)
    cipher: str = field(default="", repr=False)
    app_version: str = ""

    @classmethod
    def parse(cls, text: str) -> TerminalIdentity59:
        """Part A2 taken apart. Raises Iso8583Error if it has other parts than these."""
        return cls(*_values(parse_text_tlv(text, "59/A2"), IDENTITY_TAGS, "59/A2"))

    def to_text(self) -> str:
        """Part A2 as field 59 carries it."""
        values = (self.device_type, self.serial, self.random_factor, self.cipher, self.app_version)
        return build_text_tlv(_filled(IDENTITY_TAGS, values), "59/A2")


@dataclass(frozen=True, slots=True)
class Data59:
    """Field 59. Parts that are empty are not sent; none of them is shown by `repr`.

    Attributes:
        sm4_pin_block: A1, the encrypted PIN block of a terminal with SM4 keys, 16 bytes.
        terminal: A2.
        payment_code: A3, the customer's payment code.
        original_voucher: A4, the payment voucher number of a scanned payment that is voided or refunded.
        location: A5, base station or position.
    """

    sm4_pin_block: bytes = field(default=b"", repr=False)
    terminal: TerminalIdentity59 | None = field(default=None, repr=False)
    payment_code: str = field(default="", repr=False)
    original_voucher: str = field(default="", repr=False)
    location: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Data59:
        """The field taken apart. Raises Iso8583Error if it has other parts, or a PIN block that is not 16 bytes."""
        pin, terminal, code, voucher, location = _values(parse_text_tlv(text), TAGS, "59")
        if len(pin) not in {0, SM4_PIN_BYTES}:
            raise Iso8583Error("59/A1", 0, f"needed {SM4_PIN_BYTES} bytes, there are {len(pin)}")
        identity = TerminalIdentity59.parse(terminal) if terminal else None
        return cls(pin.encode("latin-1"), identity, code, voucher, location)

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part is too long."""
        terminal = self.terminal.to_text() if self.terminal else ""
        pin = self.sm4_pin_block.decode("latin-1")
        return build_text_tlv(_filled(TAGS, (pin, terminal, self.payment_code, self.original_voucher, self.location)))


def _values(parts: dict[str, str], known: Sequence[str], path: str) -> tuple[str, ...]:
    unknown = len(parts.keys() - set(known))
    if unknown:
        raise Iso8583Error(path, 0, f"needed no parts but {', '.join(known)}, there are {unknown} others")
    return tuple(parts.get(tag, "") for tag in known)


def _filled(tags: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    return {tag: value for tag, value in zip(tags, values, strict=True) if value}
