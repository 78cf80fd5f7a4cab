"""FF1 agrees with the sample data that NIST publishes beside SP 800-38G, and is a permutation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycode.format_preserving import DIGITS_MAX, DIGITS_MIN, decrypt, encrypt

KEY_128 = "2B7E151628AED2A6ABF7158809CF4F3C"
KEY_192 = KEY_128 + "EF4359D8D580AA4F"
KEY_256 = KEY_192 + "7F036D6F04FC6A94"

# Samples 1, 2, 4, 5, 7 and 8: those in radix 10.
SAMPLES = [
    (KEY_128, "", "0123456789", "2433477484"),
    (KEY_128, "39383736353433323130", "0123456789", "6124200773"),
    (KEY_192, "", "0123456789", "2830668132"),
    (KEY_192, "39383736353433323130", "0123456789", "2496655549"),
    (KEY_256, "", "0123456789", "6657667009"),
    (KEY_256, "39383736353433323130", "0123456789", "1001623463"),
]


@pytest.mark.parametrize(("key", "tweak", "plain", "encrypted"), SAMPLES)
def test_published_samples(key: str, tweak: str, plain: str, encrypted: str) -> None:
    assert encrypt(bytes.fromhex(key), bytes.fromhex(tweak), plain) == encrypted
    assert decrypt(bytes.fromhex(key), bytes.fromhex(tweak), encrypted) == plain


@given(
    st.text("0123456789", min_size=DIGITS_MIN, max_size=DIGITS_MAX),
    st.binary(max_size=20),
    st.binary(min_size=16, max_size=16),
)
def test_decrypting_undoes_encrypting_and_keeps_the_length(digits: str, tweak: bytes, key: bytes) -> None:
    encrypted = encrypt(key, tweak, digits)
    assert len(encrypted) == len(digits)
    assert decrypt(key, tweak, encrypted) == digits


@pytest.mark.parametrize("digits", ["", "12345", "1" * 57, "12345x", "１２３４５６"])
def test_what_is_too_short_too_long_or_no_digits_is_refused(digits: str) -> None:
    with pytest.raises(ValueError, match="6 to 56"):
        encrypt(bytes(16), b"", digits)
