"""Field 53: how the PIN and the track are protected."""

from typing import Final, Literal

from iso8583.parts import Part, Positional
from iso8583.positional import join

PARTS53: Final = Positional(
    (
        Part("PIN format", "n", 1, "show", "密码格式"),  # 0 no PIN, 1 without the PAN, 2 with it
        Part("PIN algorithm", "n", 1, "show", "加密算法"),
        Part("track encryption", "n", 1, "show", "磁道加密"),  # 0 clear, 1 encrypted
        Part("reserved", "n", 13, "show", "保留"),
    ),
    minimum=4,
)
_ALGORITHM: Final = {"des": "0", "3des": "6", "sm4": "3"}


def security53(*, pin: bool, algorithm: Literal["des", "3des", "sm4"], track_encrypted: bool) -> str:
    """Field 53 for a message with (`pin`) or without a PIN block in ISO format 0.

    Args:
        pin: the message has a PIN block, made with the PAN.
        algorithm: what the PIN block is encrypted with.
        track_encrypted: fields 35 and 36 went through `security.encrypt_track2`.

    >>> security53(pin=True, algorithm="3des", track_encrypted=True)
    '2610000000000000'
    """
    reserved = "0" * PARTS53.parts[-1].length
    return join("53", ("2" if pin else "0", _ALGORITHM[algorithm], "1" if track_encrypted else "0", reserved), PARTS53)
