"""What atheris feeds to the serial scanner's line cutter: any bytes, in any pieces, give typed scans and hold little.

The bytes are cut at ``0xFE``, and ``0xFD`` lets a second pass before the next piece; so pauses and repeats occur.
"""

from typing import Any, Final

from terminal.devices import ScanIgnored, Scanned
from terminal.devices.scanner_readings import CODE_LENGTH_MAX
from terminal.devices.scanner_serial import ScanLines

PIECE: Final = b"\xfe"
PAUSE: Final = b"\xfd"

CODE_TELLING: Final = 8  # characters; a letter or two stand in the name of the class as well

SETTINGS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"prefixes": ["]C0", "]Q1"], "repeat_window_s": 0.0},
    {"suffixes": ["\t", "#\r", "\x03"], "repeat_window_s": 5.0},
)

SEEDS: Final = [
    b"6212345678901234567\r",
    b"]C06212345678901234567\r\n]Q1134567890123456789\r\n",
    b"\x026212345678901234567\x03\x02134567890123456789#\r28763443825664394\t",
    b"6212345678901234567\r\xfe6212345678901234567\r\xfd\xfd6212345678901234567\r",
    b"62123456789\xfd\xfe01234567\r",
    b"https://qr.example.com/pay?x=1\r62\xff\r" + "券\r".encode(),
]


def swollen(size: int) -> list[bytes]:
    """Inputs of about so many bytes that take it long."""
    return [filler * (size // len(filler)) for filler in (b"1", b"\r", b"1\r", b"#", b"1\xfd", b"]C0", b"\xff")]


def run(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not."""
    for settings in SETTINGS:
        lines, now = ScanLines(**settings), 10.0
        for piece in data.split(PIECE):
            now += 0.001 + piece.count(PAUSE)
            for scan in lines.feed(piece, now):
                _look(scan)
            assert len(lines._line) <= 2 * CODE_LENGTH_MAX + 1, "what has not ended grows without bound"


def _look(scan: object) -> None:
    match scan:
        case Scanned(code):
            assert 0 < len(code) <= CODE_LENGTH_MAX
            assert code.isascii() and code.isprintable() and code == code.strip()
            assert len(code) < CODE_TELLING or code not in repr(scan), "a code is not for logs"
        case ScanIgnored(reason):
            assert reason.startswith("scan_")
        case _:
            raise AssertionError(f"{type(scan).__name__} is no scan")
