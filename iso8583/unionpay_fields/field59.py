"""Field 59: what a terminal adds about itself, and the data of a scanned code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.parts import Part, TextTlv
from iso8583.tlv import TEXT_HEAD, TEXT_LENGTH_MAX, build_text_tlv, iterate_text_tlv

SIGNED_CODE_MAX: Final = 454
"""Characters of the longest code that both sides verify offline: `TG1:` and the Base45 of 300 bytes."""

IDENTITY: Final = TextTlv(
    {
        "01": Part("device type", "n", 2, "show", "设备类型"),
        "02": Part("hardware serial number", "ans", 50, "show", "终端硬件序列号", minimum=1),
        "03": Part("random factor", "ans", 10, "hide", "加密随机因子", minimum=1),  # the last digits of a card number
        "04": Part("serial number ciphertext", "ans", 8, "hide", "硬件序列号密文数据"),
        "05": Part("application version", "ans", 8, "show", "应用程序版本号"),
    }
)
PARTS59: Final = TextTlv(
    {
        "A1": Part("PIN block under SM4", "b", 16, "hide", "国密PIN密文"),
        "A2": Part(
            "terminal identity", "ans", TEXT_LENGTH_MAX, "hide", "终端唯一标识信息", IDENTITY, minimum=0,
            encoding="latin1",
        ),
        "A3": Part("payment code", "ans", 64, "code", "付款码", minimum=1),
        "A4": Part("original voucher number", "ans", 64, "show", "原付款凭证号", minimum=1),
        "A5": Part("location", "ans", TEXT_LENGTH_MAX, "hide", "基站与位置信息", minimum=1, encoding="latin1"),
        "A6": Part("signed payment code", "ans", SIGNED_CODE_MAX, "hide", "离线付款码", minimum=1),  # not UnionPay's
    }
)  # fmt: skip


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
        return cls(*map(str, _values(text, IDENTITY, "59/A2")))

    def to_text(self) -> str:
        """Part A2 as field 59 carries it. Raises Iso8583Error if a part does not fit."""
        values = (self.device_type, self.serial, self.random_factor, self.cipher, self.app_version)
        return _text(values, IDENTITY, "59/A2")


@dataclass(frozen=True, slots=True)
class Data59:
    """Field 59. Parts that are empty are not sent; none of them is shown by `repr`.

    Attributes:
        sm4_pin_block: A1, the encrypted PIN block of a terminal with SM4 keys, 16 bytes.
        terminal: A2.
        payment_code: A3, the customer's payment code.
        original_voucher: A4, the payment voucher number of a scanned payment that is voided or refunded.
        location: A5, base station or position.
        signed_code: A6, the whole code that the terminal has verified offline. A part of our own.
    """

    sm4_pin_block: bytes = field(default=b"", repr=False)
    terminal: TerminalIdentity59 | None = field(default=None, repr=False)
    payment_code: str = field(default="", repr=False)
    original_voucher: str = field(default="", repr=False)
    location: str = field(default="", repr=False)
    signed_code: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Data59:
        """The field taken apart. Raises Iso8583Error if it has other parts, or a part is not as its row says."""
        pin, terminal, *others = _values(text, PARTS59, "59")
        identity = TerminalIdentity59.parse(str(terminal)) if terminal else None
        return cls(bytes(pin) if isinstance(pin, bytes) else b"", identity, *map(str, others))

    def to_text(self) -> str:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        terminal = self.terminal.to_text() if self.terminal else ""
        values = (
            self.sm4_pin_block, terminal, self.payment_code, self.original_voucher, self.location, self.signed_code,
        )  # fmt: skip
        return _text(values, PARTS59, "59")


def _values(text: str, layout: TextTlv, path: str) -> list[str | bytes]:
    """The values of the parts, in the order of their rows; empty text for one that is absent."""
    found = {tag: (at, value) for at, tag, value in iterate_text_tlv(text, path)}
    unknown = len(found.keys() - layout.tags.keys())
    if unknown:
        raise Iso8583Error(path, 0, f"needed no parts but {', '.join(layout.tags)}, there are {unknown} others")
    values: dict[str, str | bytes] = dict.fromkeys(layout.tags, "")
    for tag, (at, value) in found.items():
        piece = value.encode("latin-1", errors="replace")
        values[tag] = layout.tags[tag].read(piece, f"{path}/{tag}", at + TEXT_HEAD)
    return list(values.values())


def _text(values: Sequence[str | bytes], layout: TextTlv, path: str) -> str:
    filled = {tag: value for tag, value in zip(layout.tags, values, strict=True) if value}
    pieces = {tag: layout.tags[tag].write(value, f"{path}/{tag}", 0) for tag, value in filled.items()}
    return build_text_tlv({tag: piece.decode("latin-1") for tag, piece in pieces.items()}, path)
