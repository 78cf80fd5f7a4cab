"""MACs, PIN blocks, working keys and track encryption of the POS network.

Keys are `bytes` in clear: 8 (DES) or 16 (double-length 3DES, EDE) long, 16 for SM4. Nothing here keeps, prints or
compares a secret other than in constant time; buffers that this module makes of PINs and keys are overwritten before it
returns, as far as Python allows. Errors say what was wrong with the shape of an argument, never what was in it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, Literal

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

Algorithm = Literal["3des", "sm4"]

DES_BLOCK: Final = 8
SM4_BLOCK: Final = 16
DES_KEY_LENGTHS: Final = (8, 16, 24)
PIN_LENGTHS: Final = range(4, 13)  # ISO 9564-1
NO_PAN: Final = "0000000000000"  # PIN block of a transaction without a card number, such as a scanned code


class DesKey:
    """A DES key made ready: what ciphers need of it is worked out once, for whoever uses one key thousands of times.

    It takes the place of the key's bytes in the functions that say so. The key lives as long as the object does, which
    is for one thread at a time. Neither shows in `repr`.

    Args:
        key: 8, 16 or 24 bytes.
    """

    def __init__(self, key: bytes) -> None:
        cipher: Cipher[modes.ECB] = Cipher(_des_key(key), modes.ECB())  # noqa: S305 - as in `_des`
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()
        self._chain = Cipher(_des_key(key[:DES_BLOCK]), modes.CBC(bytes(DES_BLOCK))).encryptor()
        self._last = bytes(DES_BLOCK)

    def encryptor(self) -> CipherContext:
        """Encrypts whole blocks, one by one."""
        return self._encryptor

    def decryptor(self) -> CipherContext:
        """Decrypts whole blocks, one by one."""
        return self._decryptor

    def chained(self, blocks: bytes) -> bytes:
        """The last block of `blocks` in cipher block chaining under the first eight bytes of the key; zeros for none.

        The chain goes on from the call before, so what that ended with is taken out of the first block again.
        """
        if not blocks:
            return bytes(DES_BLOCK)
        first = _xor(self._last, blocks[:DES_BLOCK])
        self._last = self._chain.update(first + blocks[DES_BLOCK:])[-DES_BLOCK:]
        return self._last


def unionpay_mac(key: bytes | DesKey, data: bytes) -> bytes:
    """The POS message MAC, eight ASCII characters as field 64 carries them (Q/CUP 006.4, "ECB" algorithm).

    XOR of all zero-padded 8-byte blocks, as 16 hexadecimal characters; the first eight encrypted, XORed with the last
    eight, encrypted again; the first eight hexadecimal characters of the result.

    Args:
        key: the MAC key, 8 bytes (DES) or 16 (3DES), or a `DesKey` of it.
        data: the message from its MTI to field 63, bit 64 set.

    >>> unionpay_mac(bytes.fromhex("C24A8FB57AA20123"), bytes.fromhex("4D08F434464FE7BF"))
    b'8A9E91B8'
    """
    return _folded_mac(_des(key).encryptor(), data, DES_BLOCK)


def sm4_mac(key: bytes, data: bytes) -> bytes:
    """The SM4 form of `unionpay_mac`: 16-byte blocks, `key` of 16 bytes, again the first eight characters."""
    return _folded_mac(_sm4(key).encryptor(), data, SM4_BLOCK)


def _folded_mac(encryptor: CipherContext, data: bytes, block: int) -> bytes:
    folded = _fold(data, block).hex().upper().encode("ascii")
    first = encryptor.update(folded[:block])
    return encryptor.update(_xor(first, folded[block:])).hex().upper().encode("ascii")[:8]


def _fold(data: bytes, block: int) -> bytes:
    """XOR of the blocks of `data`, the last one padded with zeros: one half is laid on the other until one is left."""
    folded = int.from_bytes(data + bytes(-len(data) % block), "big")
    width = 8 * block
    while width < folded.bit_length():
        width *= 2
    while width > 8 * block:
        width //= 2
        folded = (folded >> width) ^ (folded & ((1 << width) - 1))
    return folded.to_bytes(block, "big")


def retail_mac(key: bytes | DesKey, data: bytes, padding: Literal[1, 2] = 1) -> bytes:
    """The eight-byte MAC of ISO 9797-1 algorithm 3 (ANSI X9.19) under a 16-byte key.

    Args:
        key: 16 bytes, or a `DesKey` of them.
        data: what to authenticate.
        padding: 1 adds zeros to a full block (none to a full one); 2 adds 80, then zeros, as cards do.
    """
    if not isinstance(key, DesKey) and len(key) != 16:
        raise ValueError("a retail MAC needs a key of 16 bytes")
    tail = b"\x80" if padding == 2 else b""
    padded = data + tail + bytes(-(len(data) + len(tail)) % DES_BLOCK) or bytes(DES_BLOCK)
    last = _xor(_chained(key, padded[:-DES_BLOCK]), padded[-DES_BLOCK:])
    return _des(key).encryptor().update(last)


def _chained(key: bytes | DesKey, blocks: bytes) -> bytes:
    if isinstance(key, DesKey):
        return key.chained(blocks)
    chained = Cipher(_des_key(key[:DES_BLOCK]), modes.CBC(bytes(DES_BLOCK))).encryptor().update(blocks)
    return chained[-DES_BLOCK:] or bytes(DES_BLOCK)


def equal_macs(expected: bytes, received: bytes) -> bool:
    """Whether two MACs are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(expected, received)


def key_check_value(key: bytes, algorithm: Algorithm = "3des") -> bytes:
    """Four bytes that identify a key without revealing it: a block of zeros encrypted under it."""
    cipher, block = _cipher(key, algorithm)
    return cipher.encryptor().update(bytes(block))[:4]


def wrap_key(master_key: bytes, key: bytes, algorithm: Algorithm = "3des") -> bytes:
    """`key` encrypted under the terminal's master key (ECB), as field 62 of a sign-on answer carries it."""
    cipher, block = _cipher(master_key, algorithm)
    return cipher.encryptor().update(_whole(key, block))


def unwrap_key(master_key: bytes, wrapped: bytes, check_value: bytes, algorithm: Algorithm = "3des") -> bytes:
    """The key inside `wrapped`.

    Raises:
        ValueError: it is not whole blocks; or its check value is not `check_value`, so that master key and working
            key do not belong together.
    """
    cipher, block = _cipher(master_key, algorithm)
    key = cipher.decryptor().update(_whole(wrapped, block))
    if not hmac.compare_digest(key_check_value(key, algorithm), check_value):
        raise ValueError("the key does not have the check value that came with it")
    return key


def pin_block_iso0(pin: bytearray, pan: str) -> bytearray:
    """The clear PIN block of ISO 9564-1 format 0: 0, length, PIN, F fill, XORed with 12 digits of the PAN.

    Args:
        pin: 4 to 12 ASCII digits. The caller overwrites it; so must it the block, once it is encrypted.
        pan: the card number, or `NO_PAN`.

    >>> pin_block_iso0(bytearray(b"1234"), "4012345678909").hex()
    '041274edcba9876f'
    """
    return _pin_block(pin, pan, DES_BLOCK)


def pin_block_sm4(pin: bytearray, pan: str) -> bytearray:
    """The 16-byte clear PIN block for SM4: as format 0, fill and PAN part twice as wide."""
    return _pin_block(pin, pan, SM4_BLOCK)


def _pin_block(pin: bytearray, pan: str, block: int) -> bytearray:
    if len(pin) not in PIN_LENGTHS or not pin.isdigit():
        raise ValueError("a PIN has 4 to 12 digits")
    masks = _pan_part(pan)
    made = bytearray(b"\xff") * block
    made[0] = len(pin)
    for at in range(0, len(pin), 2):
        low = pin[at + 1] & 0x0F if at + 1 < len(pin) else 0x0F
        made[1 + at // 2] = (pin[at] & 0x0F) << 4 | low
    for at, mask in enumerate(masks, block - 6):
        made[at] ^= mask
    return made


def _pan_part(pan: str) -> bytes:
    """The twelve digits left of the check digit."""
    if len(pan) < 13 or not (pan.isascii() and pan.isdigit()):
        raise ValueError("a PIN block needs a PAN of at least 13 digits")
    return bytes.fromhex(pan[-13:-1])


def pin_from_block(block: bytearray, pan: str) -> bytearray:
    """The PIN inside a clear block of either width, as ASCII digits. The caller overwrites both.

    Raises:
        ValueError: this is no PIN block of this PAN: the wrong key, the wrong PAN, or no format 0.
    """
    nibbles = bytearray(block[1:])
    for at, mask in enumerate(_pan_part(pan), len(nibbles) - 6):
        nibbles[at] ^= mask
    digits = bytearray(nibble for byte in nibbles for nibble in (byte >> 4, byte & 0x0F))
    length = block[0]
    good = length in PIN_LENGTHS and max(digits[:length]) <= 9 and min(digits[length:]) == 0x0F
    pin = bytearray(0x30 | digit for digit in digits[:length]) if good else bytearray()
    wipe(nibbles)
    wipe(digits)
    if not good:
        raise ValueError("this is no PIN block of this PAN under this key")
    return pin


def encrypt_pin_block(key: bytes | DesKey, block: bytearray) -> bytes:
    """A clear PIN block under the PIN key: 3DES for 8 bytes, SM4 for 16. `block` is overwritten with zeros."""
    encrypted = _pin_cipher(key, len(block)).encryptor().update(block)
    wipe(block)
    return encrypted


def decrypt_pin_block(key: bytes | DesKey, encrypted: bytes) -> bytearray:
    """The clear PIN block. The caller overwrites it (`wipe`)."""
    return bytearray(_pin_cipher(key, len(encrypted)).decryptor().update(encrypted))


def translate_pin_block(encrypted: bytes, from_key: bytes | DesKey, to_key: bytes | DesKey) -> bytes:
    """A PIN block from under one key to under another (a `DesKey` for 8 bytes), without taking the PIN out of it."""
    return encrypt_pin_block(to_key, decrypt_pin_block(from_key, encrypted))


def _pin_cipher(key: bytes | DesKey, width: int) -> _Ciphers:
    if width == DES_BLOCK:
        return _des(key)
    if width != SM4_BLOCK or isinstance(key, DesKey):
        raise ValueError("a PIN block has 8 or 16 bytes, 16 only under an SM4 key")
    return _sm4(key)


def encrypt_track2(key: bytes | DesKey, track: str) -> str:
    """Track 2 or 3 with its 16 nibbles before the last byte encrypted under the track key; the rest stays clear.

    Args:
        key: the track key, 16 bytes, or a `DesKey` of it.
        track: digits with the separator D (or "=").
    """
    return _recoded_track(track, _des(key).encryptor().update)


def decrypt_track2(key: bytes | DesKey, track: str) -> str:
    """The inverse of `encrypt_track2`."""
    return _recoded_track(track, _des(key).decryptor().update)


def _recoded_track(track: str, recode: Callable[[bytes], bytes]) -> str:
    nibbles = track.replace("=", "D")
    start = len(nibbles) - 18 + len(nibbles) % 2
    if start < 0:
        raise ValueError("track data to encrypt has at least 17 digits")
    middle = recode(bytes.fromhex(nibbles[start : start + 16])).hex().upper()
    return nibbles[:start] + middle + nibbles[start + 16 :]


def ecb_encrypt(key: bytes, blocks: bytes) -> bytes:
    """`blocks`, each of 8 bytes, encrypted one by one under a 3DES key: the step that key derivations are made of."""
    return _des(key).encryptor().update(_whole(blocks, DES_BLOCK))


def wipe(secret: bytearray) -> None:
    """Overwrite `secret` with zeros, in place."""
    secret[:] = bytes(len(secret))


def _whole(blocks: bytes, block: int) -> bytes:
    """`blocks`, if it is whole blocks: a cipher would keep the rest to itself without a word."""
    if not blocks or len(blocks) % block:
        raise ValueError(f"keys and blocks come in multiples of {block} bytes")
    return blocks


def _cipher(key: bytes, algorithm: Algorithm) -> tuple[_Ciphers, int]:
    return (_sm4(key), SM4_BLOCK) if algorithm == "sm4" else (_des(key), DES_BLOCK)


_Ciphers = Cipher[modes.ECB] | DesKey


def _des(key: bytes | DesKey) -> _Ciphers:
    if isinstance(key, DesKey):
        return key
    return Cipher(_des_key(key), modes.ECB())  # noqa: S305 - single blocks, as the network's rules say


def _des_key(key: bytes) -> TripleDES:
    if len(key) not in DES_KEY_LENGTHS:
        raise ValueError("a DES key has 8, 16 or 24 bytes")
    return TripleDES((key * 3)[:24])  # K -> K K K, and K1 K2 -> K1 K2 K1


def _sm4(key: bytes) -> Cipher[modes.ECB]:
    if len(key) != SM4_BLOCK:
        raise ValueError("an SM4 key has 16 bytes")
    return Cipher(SM4(key), modes.ECB())  # noqa: S305


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")
