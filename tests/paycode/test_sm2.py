"""SM2 agrees with the example of the standard and with a second implementation, and takes no other signature."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paycode import sm2
from tests.paycode import plain_sm2

# GB/T 32918.5, A.2: the recommended curve, message "message digest", signer 1234567812345678.
X = "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
Y = "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
DIGEST = 0xF0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640
R = "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
S = "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
KEY = sm2.point(bytes.fromhex(X + Y))
SIGNATURE = bytes.fromhex(R + S)


def test_example_of_the_standard() -> None:
    assert sm2.digest(KEY, b"message digest") == DIGEST
    assert sm2.verifies(KEY, SIGNATURE, b"message digest")


def test_another_message_or_a_bit_flipped_anywhere() -> None:
    assert not sm2.verifies(KEY, SIGNATURE, b"message digesT")
    for place in range(64):
        changed = SIGNATURE[:place] + bytes([SIGNATURE[place] ^ 1]) + SIGNATURE[place + 1 :]
        assert not sm2.verifies(KEY, changed, b"message digest")


@pytest.mark.parametrize("r", [0, 1, sm2.N - 1, sm2.N, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, sm2.N - 1, sm2.N, 2**256 - 1])
def test_numbers_at_the_edges(r: int, s: int) -> None:
    assert not sm2.verifies(KEY, r.to_bytes(32, "big") + s.to_bytes(32, "big"), b"message digest")


def test_a_signature_of_another_length() -> None:
    assert not sm2.verifies(KEY, SIGNATURE + b"\0", b"message digest")
    assert not sm2.verifies(KEY, SIGNATURE[:-1], b"message digest")


def test_a_key_has_three_spellings() -> None:
    head = bytes([2 + int(Y, 16) % 2])
    assert sm2.point(bytes.fromhex("04" + X + Y)) == sm2.point(head + bytes.fromhex(X)) == KEY


BROKEN = [
    "",
    "04",
    "02" + X[:-2],
    "05" + X,
    "00" * 64,
    "03" + "FF" * 32,
    X + Y[:-1] + "2",
    "06" + X + Y,
    "02" + "00" * 31 + "04",
]


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_point_of_the_curve_is_no_key(data: str) -> None:
    with pytest.raises(ValueError, match=r"SM2 key|curve"):
        sm2.point(bytes.fromhex(data))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, sm2.N - 2), st.integers(1, sm2.N - 1), st.binary(max_size=100))
def test_both_implementations_take_what_is_signed(d: int, k: int, data: bytes) -> None:
    signature, key = plain_sm2.sign(d, data, k), plain_sm2.compressed(d)
    assert sm2.verifies(sm2.point(key), signature, data)
    assert plain_sm2.verifies(key, signature, data)
    assert not sm2.verifies(sm2.point(key), signature, data + b"x")


def test_where_the_two_products_meet() -> None:
    """The generator itself as the key: its sum with itself is a doubling. Its opposite: the sum is no point."""
    assert sm2.verifies(sm2.G, plain_sm2.sign(1, b"x"), b"x")
    opposite = (sm2.G[0], sm2.P - sm2.G[1])
    halves = (sm2.N - 2).to_bytes(32, "big") + (1).to_bytes(32, "big")  # s = 1, t = n - 1
    assert not sm2.verifies(opposite, halves, b"x")
    same = (7).to_bytes(32, "big") + (3).to_bytes(32, "big")  # s G + t (-G) is -7 G, through both cases
    assert not sm2.verifies(opposite, same, b"x")
