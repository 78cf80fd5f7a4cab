"""Certificates and signatures that somebody else has made: the public vector of a combined signature."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.emv.certificates import CertificateError, KeyCertificate, RsaKey, open_key, open_signature

# A test card of Mastercard's test authority A000000004 F1, published with openemv's tests.
F1 = bytes.fromhex(
    "A0DCF4BDE19C3546B4B6F0414D174DDE294AABBB828C5A834D73AAE27C99B0B053A90278007239B6459FF0BBCD7B4B9C6C50AC02CE91368D"
    "A1BD21AAEADBC65347337D89B68F5C99A09D05BE02DD1F8C5BA20E2F13FB2A27C41D3F85CAD5CF6668E75851EC66EDBF98851FD4E42C44C1"
    "D59F5984703B27D5B9F21B8FA0D93279FBBF69E090642909C9EA27F898959541AA6757F5F624104F6E1D3A9532F2A6E51515AEAD1B43B3D7"
    "835088A2FAFA7BE7"
)
ISSUER_CERTIFICATE = bytes.fromhex(
    "3312205B0EFA6715BA18134BB2168A9CA250D268853506D925DD72B2A2E0CF107518DE182F0089B255B7D70A189D90859E741E7D79BB5D36"
    "339B16D9B1508DDBC35E2A3008B923E14417A42E86D3AD0A1AD6DBB394E7BC0BA812F3D4971412DE4997C8B34BA93F3CE0F5AE27E0A052DB"
    "57CD7595C467E831041AC2DBEC91E2EC8D27D4EABAA31322B769415B550B8B18E3B05B32CAE7813AB21D8F3B2BFF3741C6AD967AE694800F"
    "5B24A20EF78013E4"
)
CARD_CERTIFICATE = bytes.fromhex(
    "1BA49B6A034309AA5212D5D39EA0861983E295DFD0052FB0543E3743E4DF5D0CD44FC3FABBC163727C2E3F64ACD670E4B8F1D5C5A6F9C42D"
    "6A02AD24F1D9220661D78489FC89D3D2F017AE0EE080D43F620B863C25470AE8C2632FDA6421D424C29E21653CC56BBBA65F851EBAF1F8C7"
)
SIGNED_DYNAMIC_DATA = bytes.fromhex(
    "7B9F22B297CCEAD536B87C449EEE744C6971AA0EBDD6B611C88E30FFF0A671CC6D6AC45A5555311E30C466863817EA0AA3D13B54BEA68499"
    "76592DFC73DED0BB958D506DF7180FAA7A1FD0540859C0E539035BAB64CE8891353DDD3008A0B446"
)
CARD_REMAINDER = bytes.fromhex("0000000000000006600000000000000000000000000000000055")
CARD_NUMBER = "5413330089020011"
NUMBER = bytes.fromhex("8B55633B")
TODAY = "20250506"


def issuer_key() -> RsaKey:
    given = KeyCertificate("issuer", 2, 4, ISSUER_CERTIFICATE, b"", b"\x03")
    holder, key = open_key(given, RsaKey(F1, 3), TODAY)
    assert holder.hex() == "541333ff"
    return key


def test_keys_of_issuer_and_card() -> None:
    issuer = issuer_key()
    assert issuer.modulus.hex().upper().startswith("99903295DA9DFA7C")
    assert len(issuer.modulus) == 112
    content = issuer.apply(CARD_CERTIFICATE)
    assert content[2:12].hex() == CARD_NUMBER + "ffff"
    # Its static data are not published, so that the certificate's hash cannot be checked here.
    assert content[21:91] + CARD_REMAINDER == card_key().modulus


def card_key() -> RsaKey:
    opened = issuer_key().apply(CARD_CERTIFICATE)
    assert opened[19:21] == bytes((96, 1))
    return RsaKey(opened[21:91] + CARD_REMAINDER, 3)


def test_combined_signature() -> None:
    content = open_signature(SIGNED_DYNAMIC_DATA, card_key(), 5, NUMBER, "")
    dynamic = content[3 : 3 + content[2]]
    assert dynamic[:9].hex().upper() == "08537EB5E03CC433C8"
    assert dynamic[9] == 0
    assert dynamic[10:18].hex().upper() == "55B6408DBC985131"
    assert dynamic[18:38].hex().upper() == "A04620C52455EA8F2370647AF36748A2CA4AA9F6"


def test_altered_signature_does_not_hold() -> None:
    altered = SIGNED_DYNAMIC_DATA[:-1] + b"\x47"
    with pytest.raises(CertificateError):
        open_signature(altered, card_key(), 5, NUMBER, "")
    with pytest.raises(CertificateError):
        open_signature(SIGNED_DYNAMIC_DATA, card_key(), 5, b"\x8b\x55\x63\x3c", "")


@given(st.binary(max_size=300), st.sampled_from([2, 4]), st.binary(max_size=40), st.binary(max_size=4))
def test_garbage_is_refused(certificate: bytes, form: int, remainder: bytes, exponent: bytes) -> None:
    given = KeyCertificate("any", form, 4 if form == 2 else 10, certificate, remainder, exponent)
    with pytest.raises(CertificateError):
        open_key(given, RsaKey(F1, 3), TODAY)


@given(st.binary(min_size=80, max_size=80), st.binary(max_size=4), st.sampled_from([2, 4]))
def test_garbage_under_a_key_that_signs_everything_is_refused(content: bytes, exponent: bytes, form: int) -> None:
    """With the power of one everything is a signature: as if the authority had signed whatever it was given."""
    key = RsaKey(b"\xff" * 104, 3)
    object.__setattr__(key, "exponent", 1)
    frame = b"\x6a" + bytes((form,)) + content + bytes(21) + b"\xbc"
    with pytest.raises(CertificateError):
        open_key(KeyCertificate("any", form, 4 if form == 2 else 10, frame[-104:], b"", exponent), key, TODAY)
