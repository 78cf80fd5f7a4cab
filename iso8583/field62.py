"""Field 62 of a sign-on answer: the working keys, each encrypted under the terminal's master key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from iso8583.errors import Iso8583Error
from iso8583.security import key_check_value, unwrap_key, wrap_key

CHECK_BYTES: Final = 4
# Length of the field -> lengths of PIN, MAC and track key in it. 24 answers 60.3 = 001, 40 answers 003, 60 answers 004.
# A single-length MAC key travels with 8 zero bytes behind it; some hosts leave those out, which makes 32 and 52.
LAYOUTS: Final[Mapping[int, tuple[int, int, int]]] = {
    24: (8, 8, 0),
    32: (16, 8, 0),
    40: (16, 16, 0),
    52: (16, 8, 16),
    60: (16, 16, 16),
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
