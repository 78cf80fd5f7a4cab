"""Command APDUs of a card sale and the parts of a response (EMV Book 1 §9, Book 3 §6).

Every command asks for its answer's data with Le 00, except EXTERNAL AUTHENTICATE, which has none.
"""

from dataclasses import dataclass, field

RESPONSE_LENGTH_MAX = 256
STATUS_OK = 0x9000
STATUS_BLOCKED_FILE = 0x6283
STATUS_CARD_BLOCKED = 0x6A81
STATUS_CONDITIONS = 0x6985

NAMES = {
    0xA4: "SELECT",
    0xB2: "READ RECORD",
    0xA8: "GET PROCESSING OPTIONS",
    0xCA: "GET DATA",
    0xAE: "GENERATE AC",
    0x82: "EXTERNAL AUTHENTICATE",
    0x88: "INTERNAL AUTHENTICATE",
    0x84: "GET CHALLENGE",
    0x20: "VERIFY",
    0xC0: "GET RESPONSE",
}


@dataclass(frozen=True, slots=True)
class Response:
    """The data and the status word of a response APDU."""

    data: bytes = field(repr=False)
    status: int

    @classmethod
    def parse(cls, answer: bytes) -> "Response":
        """Split the two bytes of status off; raise ValueError when they are missing or the data is too long."""
        if not 2 <= len(answer) <= RESPONSE_LENGTH_MAX + 2:
            msg = f"{len(answer)} bytes"
            raise ValueError(msg)
        return cls(answer[:-2], int.from_bytes(answer[-2:], "big"))

    @property
    def ok(self) -> bool:
        """The card did what it was asked."""
        return self.status == STATUS_OK


def name_of(command: bytes) -> str:
    """The name of a command, for messages."""
    return NAMES.get(command[1], "issuer script")


def select(name: bytes, *, next_occurrence: bool = False) -> bytes:
    """SELECT by name, the first or the next application that begins with it."""
    return _with_data(b"\x00\xa4\x04" + (b"\x02" if next_occurrence else b"\x00"), name) + b"\x00"


def read_record(sfi: int, number: int) -> bytes:
    """READ RECORD of a short file."""
    return bytes((0x00, 0xB2, number, sfi << 3 | 4, 0x00))


def get_processing_options(pdol_data: bytes) -> bytes:
    """GET PROCESSING OPTIONS with the data that the PDOL asks for."""
    length = bytes((len(pdol_data),)) if len(pdol_data) < 0x80 else bytes((0x81, len(pdol_data)))
    return _with_data(b"\x80\xa8\x00\x00", b"\x83" + length + pdol_data) + b"\x00"


def get_data(tag: int) -> bytes:
    """GET DATA of a two-byte tag."""
    return b"\x80\xca" + tag.to_bytes(2, "big") + b"\x00"


def generate_ac(cryptogram: int, cdol_data: bytes) -> bytes:
    """GENERATE AC; `cryptogram` is the reference control parameter (0x80 asks for an ARQC)."""
    return _with_data(bytes((0x80, 0xAE, cryptogram, 0x00)), cdol_data) + b"\x00"


def external_authenticate(issuer_data: bytes) -> bytes:
    """EXTERNAL AUTHENTICATE with the issuer's authentication data (tag 91)."""
    return _with_data(b"\x00\x82\x00\x00", issuer_data)


def internal_authenticate(ddol_data: bytes) -> bytes:
    """INTERNAL AUTHENTICATE: have the card sign the data that its DDOL asks for."""
    return _with_data(b"\x00\x88\x00\x00", ddol_data) + b"\x00"


def get_challenge() -> bytes:
    """GET CHALLENGE: a random number of the card, for the PIN that is enciphered next."""
    return b"\x00\x84\x00\x00\x00"


def get_response(length: int) -> bytes:
    """GET RESPONSE: fetch `length` bytes (0 means 256) that a T=0 card has ready."""
    return bytes((0x00, 0xC0, 0x00, 0x00, length))


def with_length(command: bytes, length: int) -> bytes | None:
    """Ask again for exactly `length` bytes; None if the command does not ask for data at all."""
    wants_data = len(command) == 5 or (len(command) > 5 and len(command) == 6 + command[4])
    return command[:-1] + bytes((length,)) if wants_data else None


def _with_data(header: bytes, data: bytes) -> bytes:
    return header + bytes((len(data),)) + data
