"""Field 62, which means something else in each management message: working keys, terminal parameters, terminal status.

The keys come with a sign-on answer, each encrypted under the terminal's master key. Parameters (answer to 60.3 = 360)
and status (request 362) are parts of a two-digit tag and a value whose length follows from the tag, one after the
other without anything between them, so a tag that nobody knows ends all reading. They bear no MAC.

How sure we are: two independent programs of terminals in the field read and write tags 11 to 26 in these lengths, and a
third and a printed table agree on the status. Tag 24 (n1) is sent by hosts and explained nowhere; 25 is the index of
the master key. None of them has a sign in front that says whether more follows: all fits into one message.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.security import key_check_value, unwrap_key, wrap_key
from iso8583.unionpay_fields.field62_parts import CHECK_BYTES, KEY_LENGTHS, PARAMETERS, STATUS

# Length of the field -> lengths of PIN, MAC and track key in it. 24 answers 60.3 = 001, 40 answers 003, 60 answers 004.
# A single-length MAC key travels with 8 zero bytes behind it; some hosts leave those out, which makes 32 and 52.
LAYOUTS: Final[Mapping[int, tuple[int, int, int]]] = {
    sum(lengths) + CHECK_BYTES * sum(map(bool, lengths)): lengths for lengths in KEY_LENGTHS
}


@dataclass(frozen=True, slots=True)
class WorkingKeys62:
    """The field. Keys are encrypted and yet not shown by `repr`; an absent track key is empty.

    Attributes:
        pin_key, mac_key, track_key: 8 or 16 bytes each.
        pin_check, mac_check, track_check: the check values of the clear keys, 4 bytes each.
    """

    pin_key: bytes = field(repr=False)
    pin_check: bytes
    mac_key: bytes = field(repr=False)
    mac_check: bytes
    track_key: bytes = field(default=b"", repr=False)
    track_check: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> WorkingKeys62:
        """The field taken apart. Raises Iso8583Error if its length is that of no layout."""
        if len(data) not in LAYOUTS:
            raise Iso8583Error("62", 0, f"needed {', '.join(map(str, LAYOUTS))} bytes, there are {len(data)}")
        parts: list[bytes] = []
        at = 0
        for width in filter(None, LAYOUTS[len(data)]):
            check = at + width
            parts += (data[at:check], data[check : check + CHECK_BYTES])
            at = check + CHECK_BYTES
        parts[2] = parts[2][:8] if not any(parts[2][8:]) else parts[2]
        return cls(*parts)

    @classmethod
    def wrap(cls, master_key: bytes, pin_key: bytes, mac_key: bytes, track_key: bytes = b"") -> WorkingKeys62:
        """The field for these clear keys, encrypted under `master_key`, with their check values."""
        keys = filter(None, (pin_key, mac_key, track_key))
        return cls(*(part for key in keys for part in (wrap_key(master_key, key), key_check_value(key))))

    def to_bytes(self) -> bytes:
        """The field as the message carries it, 24, 40 or 60 bytes. Raises Iso8583Error if the keys fit no layout."""
        mac_key = self.mac_key.ljust(len(self.pin_key), b"\0")
        widths = (len(self.pin_key), len(mac_key), len(self.track_key))
        if widths not in LAYOUTS.values():
            raise Iso8583Error("62", 0, "needed keys of 8 or 16 bytes in one of the layouts, there are others")
        return self.pin_key + self.pin_check + mac_key + self.mac_check + self.track_key + self.track_check

    def unwrap(self, master_key: bytes) -> tuple[bytes, bytes, bytes]:
        """PIN, MAC and track key in clear; the track key empty if there is none.

        Raises:
            Iso8583Error: a check value is wrong ("62.1" PIN, "62.2" MAC, "62.3" track key). Use none of the keys then.
        """
        return (
            _unwrapped(1, master_key, self.pin_key, self.pin_check),
            _unwrapped(2, master_key, self.mac_key, self.mac_check),
            _unwrapped(3, master_key, self.track_key, self.track_check) if self.track_key else b"",
        )


def _unwrapped(part: int, master_key: bytes, key: bytes, check: bytes) -> bytes:
    try:
        return unwrap_key(master_key, key, check)
    except ValueError as error:
        raise Iso8583Error(f"62.{part}", 0, str(error)) from None


# --- terminal parameters and terminal status --------------------------------------------------------------------------

# Tag -> bytes of its value. Digits, but for telephone numbers (14 to 17, padded with blanks on the right), the
# merchant's name (22, GBK, padded likewise) and the transactions that may be done (26, a bit each).
PARAMETER_LENGTHS: Final = {tag: part.length for tag, part in PARAMETERS.tags.items()}
STATUS_LENGTHS: Final = {tag: part.length for tag, part in STATUS.tags.items()}
TELEPHONES: Final = frozenset({"14", "15", "16", "17"})
NOT_DIGITS: Final = frozenset({"22", "26"})
NAME_CHARSET: Final = "gbk"
PAPER_BLANK: Final = "\u3000"  # as wide as a Chinese character; the one blank beside the usual that a name may hold


@dataclass(frozen=True, slots=True)
class Parameters62:
    """The field of the answer to a parameter download: the parts that we know what to do with.

    The other parts must be well-formed and are not kept. What the host did not send is None, or empty.

    Attributes:
        reply_timeout_s: tag 12, how long a terminal waits for an answer, 0 to 99 seconds.
        merchant_name: tag 22, as slips show it: up to 40 bytes of GBK, printable, without the blanks of the padding.
    """

    reply_timeout_s: int | None = None
    merchant_name: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Parameters62:
        """The field taken apart.

        Raises:
            Iso8583Error: a tag is unknown, comes again or is cut short ("62"), or a value is not what it must be
                ("62/22": bytes that are no GBK, a control character).
        """
        parts = _parts(data, PARAMETER_LENGTHS)
        return cls(_number(parts.get("12")), _name(parts.get("22", b"")))

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        parts = {"12": _two_digits("12", self.reply_timeout_s), "22": _padded_name(self.merchant_name)}
        return _joined(parts)


@dataclass(frozen=True, slots=True)
class Status62:
    """The field of a status upload: how the terminal is, and the parameters in force. None or empty is not sent.

    Attributes:
        pin_pad: tag 02, whether it works.
        card_reader: tag 03, likewise.
        printer: tag 04, likewise.
        application: tag 11, the application class of the terminal, 2 digits as in the header of its frames.
        reply_timeout_s: tag 12, how long it waits for an answer, 0 to 99 seconds.
    """

    pin_pad: bool | None = None
    card_reader: bool | None = None
    printer: bool | None = None
    application: str = ""
    reply_timeout_s: int | None = None

    @classmethod
    def parse(cls, data: bytes) -> Status62:
        """The field taken apart. Raises as `Parameters62.parse` does."""
        parts = _parts(data, STATUS_LENGTHS)
        return cls(
            _works("02", parts), _works("03", parts), _works("04", parts),
            parts.get("11", b"").decode("ascii"), _number(parts.get("12")),
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        """The field as the message carries it. Raises Iso8583Error if a part does not fit."""
        if self.application and not _is_number(self.application.encode("ascii", "replace"), 2):
            raise Iso8583Error("62/11", 0, "needed 2 digits, there is something else")
        hardware = {"02": self.pin_pad, "03": self.card_reader, "04": self.printer}
        parts = {tag: b"" if works is None else b"%d" % works for tag, works in hardware.items()}
        parts |= {"11": self.application.encode("ascii"), "12": _two_digits("12", self.reply_timeout_s)}
        return _joined(parts)


def _parts(data: bytes, lengths: Mapping[str, int]) -> dict[str, bytes]:
    """The values by their tags, each checked for its characters."""
    parts: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        tag = data[at : at + 2].decode("latin-1")
        if tag not in lengths or tag in parts:
            raise Iso8583Error("62", at, f"needed a tag, each once, of {_listed(lengths)}; there is something else")
        value = data[at + 2 : at + 2 + lengths[tag]]
        if len(value) < lengths[tag]:
            raise Iso8583Error(f"62/{tag}", at + 2, f"needed {lengths[tag]} bytes, {len(value)} are left")
        digits = value.rstrip(b" ") if tag in TELEPHONES else value
        if tag not in NOT_DIGITS and not _is_number(digits, len(digits)):
            raise Iso8583Error(f"62/{tag}", at + 2, "needed digits, there is something else")
        parts[tag] = value
        at += 2 + lengths[tag]
    return parts


def _listed(tags: Collection[str]) -> str:
    return f"{min(tags)} to {max(tags)}"


def _is_number(value: bytes, length: int) -> bool:
    return len(value) == length and not value.translate(None, b"0123456789")


def _number(value: bytes | None) -> int | None:
    return None if value is None else int(value)


def _two_digits(tag: str, number: int | None) -> bytes:
    if number is None:
        return b""
    if not 0 <= number <= 99:
        raise Iso8583Error(f"62/{tag}", 0, "needed a number of at most 2 digits, it is another")
    return b"%02d" % number


def _works(tag: str, parts: Mapping[str, bytes]) -> bool | None:
    value = parts.get(tag)
    if value not in {None, b"0", b"1"}:
        raise Iso8583Error(f"62/{tag}", 0, "needed 0 or 1, there is another digit")
    return None if value is None else value == b"1"


def _name(value: bytes) -> str:
    try:
        name = value.decode(NAME_CHARSET).rstrip(f" {PAPER_BLANK}")
    except UnicodeDecodeError as error:
        raise Iso8583Error("62/22", error.start, "needed GBK text, there is a broken character") from None
    _refuse_unprintable(name)
    return name


def _padded_name(name: str) -> bytes:
    if not name:
        return b""
    try:
        value = name.encode(NAME_CHARSET)
    except UnicodeEncodeError:
        raise Iso8583Error("62/22", 0, "needed text that GBK can carry, there is a character outside it") from None
    if len(value) > PARAMETER_LENGTHS["22"]:
        raise Iso8583Error("62/22", 0, f"needed at most {PARAMETER_LENGTHS['22']} bytes of GBK, there are {len(value)}")
    _refuse_unprintable(name)
    return value.ljust(PARAMETER_LENGTHS["22"])


def _refuse_unprintable(name: str) -> None:
    """No control character, no mark that turns the writing round: this text goes to paper and page."""
    if not name.replace(PAPER_BLANK, " ").isprintable():
        raise Iso8583Error("62/22", 0, "needed printable text, there is a character that is not")


def _joined(parts: Mapping[str, bytes]) -> bytes:
    return b"".join(tag.encode() + value for tag, value in parts.items() if value)
