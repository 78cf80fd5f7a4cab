"""What makes one card different from another, and the files that a card reads out for it.

A card is described by a TOML file beside this module; `load_card` reads it. Data objects and their order in the files
are those of a PBOC debit card.
"""

import json
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from iso8583.tlv import build_tlv

_FOLDER = Path(__file__).parent
DECK = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""The names that `load_card` knows."""

CA_KEYS_FILE = _FOLDER / "data" / "test_ca_keys.json"
"""The public half of the authority that has certified the deck's cards: for test terminals, and for no other."""

DOWNLOADS = {
    "ca-keys": CA_KEYS_FILE,
    "applications": _FOLDER / "data" / "test_applications.json",
    "black-list": _FOLDER / "data" / "test_black_list.txt",
}
"""What a host lays down for terminals that shall take these cards, as `tillgate host downloads` takes it. Who stands on
the black list is declined by the terminal itself."""

DIRECTORY = b"1PAY.SYS.DDF01"
PDOL = bytes.fromhex("9F7A019F02065F2A02")
_COMMON_LIST = "9F02069F03069F1A0295055F2A029A039C019F37049F2103"
CDOL1 = bytes.fromhex(_COMMON_LIST + "9F4E14")
CDOL2 = bytes.fromhex("8A02" + _COMMON_LIST)

RecordKey = tuple[int, int]
_HEXADECIMAL_ROW = 100


@dataclass(frozen=True, slots=True)
class Personalisation:
    """One card. Dates YYMMDD; `counter` is the transaction counter before the first sale; keys are of 3DES, 16 bytes.

    `profile` is tag 82 and `cvm_list` tag 8E. `certificates` are further records by "file.record", as they are read.
    `modulus` and `private_exponent` are the key with which the card signs; without them it signs nothing. `pin` is what
    it compares an offline PIN with; without one it knows none; `pin_tries` are those left. `contactless` cards have an
    antenna, too, and tell by radio the `qualifiers` of tag 9F6C; what they decide there is what the terminal wants, or
    `tap_decision`. `refuses_approvals`: at the second GENERATE AC it
    answers AAC whatever the issuer says. Up to `offline_amount_max` it approves without its issuer, if asked to.
    `blocked` is ``application`` or ``card`` when the issuer has blocked it.
    `pulled_out_at` and `silent_at`: the command after a reset (the first is 1) at which somebody pulls the card out, or
    from which on it answers nothing more. A `broken` chip answers every command that something is wrong, a `mute`
    one not even the reset. A card whose `service_code` begins with 2 or 6 has a chip; others have a stripe only.
    `others` are further applications of the same chip, such as credit beside debit, after the first in its directory.
    Raises ValueError for another word in `blocked`.
    """

    pan: str = field(repr=False)
    sequence: str
    expiry: str
    issuer_key: bytes = field(repr=False)
    counter: int = 0
    effective: str = "250101"
    holder: str = "TEST/CARD "
    service_code: str = "220"
    aid: bytes = bytes.fromhex("A000000333010101")
    label: str = "PBOC DEBIT"
    preferred_name: str = "PBOC DEBIT"
    profile: bytes = bytes.fromhex("1C00")
    cvm_list: bytes = bytes.fromhex("000000000000000042031E031F00")
    usage_control: bytes = bytes.fromhex("FF00")
    action_default: bytes = bytes.fromhex("D8609CA800")
    action_denial: bytes = bytes.fromhex("0010000000")
    action_online: bytes = bytes.fromhex("D8689CF800")
    certificates: Mapping[RecordKey, bytes] = field(default_factory=dict)
    modulus: bytes = b""
    private_exponent: bytes = field(default=b"", repr=False)
    pin: str = field(default="", repr=False)
    pin_tries: int = 3
    contactless: bool = False
    qualifiers: bytes = bytes(2)
    tap_decision: str = ""
    refuses_approvals: bool = False
    offline_amount_max: int = 0
    blocked: str = ""
    pulled_out_at: int | None = None
    silent_at: int | None = None
    broken: bool = False
    mute: bool = False
    others: tuple["Personalisation", ...] = ()

    def __post_init__(self) -> None:
        if self.blocked not in ("", "application", "card"):
            raise ValueError("blocked is application or card")

    @property
    def file_control(self) -> bytes:
        """The answer to SELECT of the application."""
        proprietary = {
            0x50: self.label.encode("ascii"), 0x87: b"\x01", 0x9F38: PDOL, 0x5F2D: b"zh", 0x9F11: b"\x01",
            0x9F12: self.preferred_name.encode("latin-1"),
        }  # fmt: skip
        return build_tlv({0x6F: build_tlv({0x84: self.aid, 0xA5: build_tlv(proprietary)})})

    @property
    def directory(self) -> Mapping[RecordKey, bytes]:
        """The directory of applications: a record for each, in the order in which the card prefers them."""
        entries = (
            {0x4F: application.aid, 0x50: application.label.encode("ascii"), 0x87: bytes((priority,))}
            for priority, application in enumerate((self, *self.others), 1)
        )
        return {
            (1, number): build_tlv({0x70: build_tlv({0x61: build_tlv(entry)})})
            for number, entry in enumerate(entries, 1)
        }

    @property
    def records(self) -> Mapping[RecordKey, bytes]:
        """The application's records."""
        contents = {(1, 1): self._magnetic_stripe(), (2, 1): self._static_data(), (2, 2): self._lists()}
        own = {key: build_tlv({0x70: build_tlv(objects)}) for key, objects in contents.items()}
        return {**own, **self.certificates}

    @property
    def has_chip(self) -> bool:
        """Whether there is anything that can be put into a reader."""
        return self.service_code[0] in "26"

    @property
    def tracks(self) -> Mapping[int, str]:
        """The data of the magnetic stripe, track by track, without sentinels."""
        discretionary = "00000000"
        dated = f"{self.expiry[:4]}{self.service_code}{discretionary}"
        return {
            1: f"B{self.pan}^{self.holder}^{dated}",
            2: f"{self.pan}={dated}",
            3: f"99{self.pan}=1561560000000000000000000{self.expiry[:4]}=000000000000=000000000000=0000000",
        }

    @property
    def file_locator(self) -> bytes:
        """Tag 94: all records, file by file; the static data, record 1 of file 2, is what certificates sign."""
        files = sorted({sfi for sfi, _ in self.records})
        return b"".join(bytes((sfi << 3, 1, self._last(sfi), 1 if sfi == 2 else 0)) for sfi in files)

    def _last(self, sfi: int) -> int:
        return max(number for file, number in self.records if file == sfi)

    def _magnetic_stripe(self) -> dict[int, bytes]:
        track2 = self.tracks[2].replace("=", "D")
        return {0x57: bytes.fromhex(track2 + "F" * (len(track2) % 2)), 0x5F20: self.holder.encode("ascii")}

    def _static_data(self) -> dict[int, bytes]:
        return {
            0x5F24: bytes.fromhex(self.expiry), 0x5F25: bytes.fromhex(self.effective),
            0x5A: bytes.fromhex(self.pan + "F" * (len(self.pan) % 2)), 0x5F34: bytes.fromhex(self.sequence),
            0x9F07: self.usage_control, 0x8E: self.cvm_list, 0x9F0D: self.action_default, 0x9F0E: self.action_denial,
            0x9F0F: self.action_online, 0x5F28: b"\x01\x56", 0x9F4A: b"\x82",
        }  # fmt: skip

    def _lists(self) -> dict[int, bytes]:
        service_code = bytes.fromhex(f"0{self.service_code}")
        return {0x8C: CDOL1, 0x8D: CDOL2, 0x9F08: b"\x00\x30", 0x5F30: service_code, 0x9F42: b"\x01\x56"}


_HEXADECIMAL = frozenset({
    "issuer_key", "aid", "profile", "cvm_list", "usage_control", "action_default", "action_denial", "action_online",
    "modulus", "private_exponent", "qualifiers",
})  # fmt: skip


def load_card(name: str) -> Personalisation:
    """Read a card of the deck by name; raise KeyError if it is none, TypeError or ValueError if its file is wrong."""
    if name not in DECK:
        raise KeyError(name)
    return read_card(_FOLDER / f"{name}.toml")


def read_card(path: Path) -> Personalisation:
    """Read a card's file; raise OSError, TypeError or ValueError if it cannot be read or is wrong."""
    return personalise(tomllib.loads(path.read_text("utf-8")))


def personalise(entries: Mapping[str, Any]) -> Personalisation:
    """Make a card of a TOML file's entries: the fields of `Personalisation`, bytes in hexadecimal.

    Each of the tables ``[[others]]`` holds what is different from the first application.
    """
    values: dict[str, Any] = dict(entries)
    values |= {name: bytes.fromhex(values[name]) for name in _HEXADECIMAL & values.keys()}
    values["certificates"] = {
        _record_key(key): bytes.fromhex(record) for key, record in entries.get("certificates", {}).items()
    }
    own = {name: value for name, value in entries.items() if name not in ("others", "certificates")}
    values["others"] = tuple(personalise(own | other) for other in entries.get("others", ()))
    return Personalisation(**values)


def card_file(card: Personalisation, title: str) -> str:
    """The TOML that `read_card` makes this card of, its first application; `title` is its first line, a comment."""
    lines = [f"# {title}"]
    for entry in fields(card):
        value = getattr(card, entry.name)
        if entry.name not in ("certificates", "others") and value != entry.default:
            lines.append(f"{entry.name} = {_written(value)}")
    records = [f'"{sfi}.{number}" = {_written(record)}' for (sfi, number), record in card.certificates.items()]
    return "\n".join([*lines, *(["", "[certificates]", *records] if records else [])]) + "\n"


def _written(value: object) -> str:
    if isinstance(value, bytes):
        rows = textwrap.wrap(value.hex().upper(), _HEXADECIMAL_ROW)
        return f'"{rows[0]}"' if len(rows) == 1 else '"""\n' + "\n".join(rows) + '"""'
    return json.dumps(value)  # whose texts, numbers and truths are TOML's too


def _record_key(text: str) -> RecordKey:
    sfi, number = text.split(".")
    return int(sfi), int(number)
