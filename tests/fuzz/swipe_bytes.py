"""What atheris feeds to the stripe reader's line cutter: any bytes, in any pieces, give typed swipes and hold little.

The bytes are cut at ``0xFE``, and ``0xFD`` lets a second pass before the next piece; so pauses occur.
"""

import re
from typing import Final

from iso8583.security import encrypt_track2
from simulators.cards import load_card
from simulators.stripe_reader import swipe_of
from terminal.devices.stripe_reader_serial import SwipeLines
from terminal.magnetic_stripe import SWIPE_LENGTH_MAX, Stripe, Swipe, SwipeFailed

PIECE: Final = b"\xfe"
PAUSE: Final = b"\xfd"

KEY: Final = bytes(range(16))
_CARDS = [load_card(name) for name in ("good", "stripe_only")]

SEEDS: Final = [
    *(swipe_of(card, with_lrc=with_lrc) + b"\r" for card in _CARDS for with_lrc in (False, True)),
    swipe_of(_CARDS[0]).replace(b"+", b";") + b"\r\n" + swipe_of(_CARDS[1]) + b"\r\n",
    b";6299990000000017=3012220?\r",
    b";6299990000000017=3012220?+996299990000000017=1?\r",
    b"%E?;E?+E?\r%?;?+?\r",
    b";62999900\xfe00000017=301\xfe2220?\r",
    b";62999900\xfd\xfe00000017=3012220?\r",
]


def swollen(size: int) -> list[bytes]:
    """Inputs of about so many bytes that take it long."""
    return [filler * (size // len(filler)) for filler in (b"1", b"%", b";?", b";E?\r", b"\r", b"1\xfd", b"\xff")]


def run(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not."""
    for with_lrc in (False, True):
        lines, now = SwipeLines(with_lrc=with_lrc), 10.0
        for piece in data.split(PIECE):
            now += 0.001 + piece.count(PAUSE)
            for swipe in lines.feed(piece, now):
                _look(swipe)
            assert len(lines._line) <= SWIPE_LENGTH_MAX + 1, "what has not ended grows without bound"


def _look(swipe: Swipe) -> None:
    match swipe:
        case Stripe(pan, expiry, service_code, track2, track3):
            assert re.fullmatch(r"\d{13,19}", pan, re.ASCII) and len(service_code) == 3
            assert track2.startswith(f"{pan}D{expiry}{service_code}") and len(track2) <= 37 and len(track3) <= 104
            assert repr(swipe) == f"Stripe(service_code='{service_code}')", "a card is not for logs"
            assert pan not in swipe.masked
            assert all(encrypt_track2(KEY, track) for track in (track2, track3) if track), "it could not be sent"
        case SwipeFailed(reason):
            assert reason.startswith("swipe_")
