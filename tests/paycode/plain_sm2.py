"""SM2 once more, written for its formulas alone and slow: what signs in the tests, and checks beside `paycode.sm2`."""

import hashlib

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
Point = tuple[int, int] | None


def add(p: Point, q: Point) -> Point:
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0] and (p[1] + q[1]) % P == 0:
        return None
    slope = (3 * p[0] ** 2 + A) * pow(2 * p[1], -1, P) if p == q else (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope**2 - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k: int, p: Point) -> Point:
    total = None
    for bit in f"{k:b}":
        total = add(total, total)
        total = add(total, p) if bit == "1" else total
    return total


def e(key: tuple[int, int], data: bytes) -> int:
    za = b"\x00\x80" + b"1234567812345678" + b"".join(n.to_bytes(32, "big") for n in (A, B, *G, *key))
    return int.from_bytes(hashlib.new("sm3", hashlib.new("sm3", za).digest() + data).digest(), "big")


def public(d: int) -> tuple[int, int]:
    point = times(d, G)
    assert point is not None
    return point


def compressed(d: int) -> bytes:
    x, y = public(d)
    return bytes([2 + y % 2]) + x.to_bytes(32, "big")


def sign(d: int, data: bytes, k: int = 0x1234567) -> bytes:
    x = public(k)[0]
    r = (e(public(d), data) + x) % N
    s = pow(1 + d, -1, N) * (k - r * d) % N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def verifies(key: bytes, signature: bytes, data: bytes) -> bool:
    """`key` compressed or X and Y."""
    x = int.from_bytes(key[1:33] if len(key) == 33 else key[:32], "big")
    y = pow(x**3 + A * x + B, (P + 1) // 4, P) if len(key) == 33 else int.from_bytes(key[32:], "big")
    if len(key) == 33 and y % 2 != key[0] % 2:
        y = P - y
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    point = add(times(s, G), times((r + s) % N, (x, y)))
    return 0 < r < N and 0 < s < N and point is not None and (e((x, y), data) + point[0]) % N == r
