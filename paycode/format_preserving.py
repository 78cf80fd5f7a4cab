"""FF1 of NIST SP 800-38G with AES, for decimal digits: a permutation of the numbers of one length under a key.

Whoever lacks the key cannot tell what it makes of a number from chance, nor which two results belong together. The
tweak is public and separates uses of one key.
"""

from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

DIGITS_MIN, DIGITS_MAX = 6, 56
"""Fewer than 10^6 numbers could be tried out (SP 800-38G Rev. 1); halves of 28 digits keep numbers below 2^96."""

_ROUNDS = 10
_BLOCK_BYTES = 16


def encrypt(key: bytes, tweak: bytes, digits: str) -> str:
    """Encrypt 6 to 56 decimal digits to as many (algorithm 7). The key has 16, 24 or 32 bytes."""
    left, right = _halves(digits)
    for number in range(_ROUNDS):
        mixed = _mixed(key, tweak, number, len(digits), right)
        left, right = right, _shifted(left, mixed)
    return left + right


def decrypt(key: bytes, tweak: bytes, digits: str) -> str:
    """Undo `encrypt` (algorithm 8)."""
    left, right = _halves(digits)
    for number in reversed(range(_ROUNDS)):
        mixed = _mixed(key, tweak, number, len(digits), left)
        left, right = _shifted(right, -mixed), left
    return left + right


def _halves(digits: str) -> tuple[str, str]:
    if not (DIGITS_MIN <= len(digits) <= DIGITS_MAX and digits.isascii() and digits.isdigit()):
        raise ValueError(f"FF1 takes {DIGITS_MIN} to {DIGITS_MAX} decimal digits here")
    middle = len(digits) // 2
    return digits[:middle], digits[middle:]


def _shifted(half: str, by: int) -> str:
    return f"{(int(half) + by) % 10 ** len(half):0{len(half)}d}"


def _mixed(key: bytes, tweak: bytes, number: int, length: int, half: str) -> int:
    """The round function, steps 6 i to 6 iv of the algorithm: a number made of the other half."""
    half_bytes = ((10 ** (length - length // 2) - 1).bit_length() + 7) // 8
    number_bytes = 4 * (-(-half_bytes // 4)) + 4
    head = bytes([1, 2, 1, 0, 0, 10, 10, length // 2]) + length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
    padding = bytes(-(len(tweak) + half_bytes + 1) % _BLOCK_BYTES)
    block = _chained(key, head + tweak + padding + bytes([number]) + int(half).to_bytes(half_bytes, "big"))
    stream = block
    if number_bytes > _BLOCK_BYTES:
        stream += _chained(key, _xor(block, (1).to_bytes(_BLOCK_BYTES, "big")))
    return int.from_bytes(stream[:number_bytes], "big")


def _chained(key: bytes, data: bytes) -> bytes:
    """The last block of CBC without an initial value: PRF of the publication."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(_BLOCK_BYTES))).encryptor()
    return (encryptor.update(data) + encryptor.finalize())[-_BLOCK_BYTES:]


def _xor(left: Iterable[int], right: Iterable[int]) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
