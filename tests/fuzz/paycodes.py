"""Offline payment codes for a fuzzer: whatever is shown is accepted as what was issued, or refused with one reason.

The first byte of what is fed to the signed code and to the list says who is lying: a stranger with any text, one with
any message, a customer whose phone signs any fields, or an issuer that signs any.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import cbor2

import paycode
from paycode import Accepted, Reason, Refused, Trust, base45, digits, signed, sm2, transit
from paycode.cose import public_key_of, sign
from paycode.issuer_file import IssuerFile, IssuerFileError, NamedIssuer, parse_issuers, write_issuers
from paycode.lists import LIST_CONTEXT, CompactList, ListError, adopt, apply, publish, state
from paycode.transit import Ride, RootKey, Roots, TransitTrust
from paycode.verdict import CodeRefused
from tests.paycode.issuing import ISSUER, KEY_ID, NOW, PHONES, SHOP, code, forged, message, said, text, trust, wallet
from tests.paycode.transit_codes import CODE, ROOT

FILLERS = (b"\0", b"\xff", b"0", b"A", b"\x81", b"\x9f", b"\xd8", b"\xa1")


def _behind(*heads: bytes) -> Callable[[int], list[bytes]]:
    return lambda size: [head + filler * size for head in heads for filler in FILLERS]


# Digits --------------------------------------------------------------------------------------------------------------

DIGIT_ISSUER = ("7710", bytes(range(16)))
PURSE, USER = digits.refresh(DIGIT_ISSUER, 123_456_789, range(8), bytes(range(32)), NOW)
DIGIT_TRUST = Trust(digits=digits.DigitTrust(dict([DIGIT_ISSUER]), {USER.user: USER}))
ISSUED = {
    "7710" + handle + digits.password(PURSE.seed, handle, NOW // 30 + step)
    for handle in PURSE.handles
    for step in (-1, 0, 1)
}
DIGIT_SEEDS = [
    *(one.encode() for one in sorted(ISSUED)[:6]),
    *(b"\0" + bytes(map(int, one[4:])) for one in sorted(ISSUED)),
    b"6212345678901234567",
]
swollen_digits = _behind(b"", b"\0", b"7710" + b"0" * 20)


def run_digits(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not. Behind a zero each byte gives a digit of 7710's."""
    shown = "7710" + "".join(str(byte % 10) for byte in data[1:]) if data[:1] == b"\0" else data.decode("latin-1")
    match paycode.verify(shown, NOW, DIGIT_TRUST):
        case Accepted(says=digits.DigitCode() as says, facts=digits.DigitFacts(user=after)):
            assert shown in ISSUED
            assert after is not None and after.used == {says.slot}
        case Refused(facts=None) as refused:
            assert not digits.is_digits(shown)
            assert refused.reason in {Reason.FORM_UNKNOWN, Reason.NOT_TAKEN, Reason.LENGTH_WRONG}
        case Refused(facts=digits.DigitFacts(terminal=terminal)):
            assert shown not in ISSUED
            assert terminal.failed_at == (NOW,)
        case verdict:
            raise AssertionError(verdict)


# Signed codes --------------------------------------------------------------------------------------------------------

TRUST = trust()
CONTENTS = {
    cbor2.loads(base45.decode(one[4:]))[2]
    for phone in PHONES
    for one in (code(wallet(phone)), code(wallet(phone), amount=2_500, merchant=SHOP))
}
HONEST = code(amount=2_500, merchant=SHOP)
SIGNED_SEEDS = [
    *(b"\x00" + one.encode() for one in (HONEST, code(wallet("es256")))),
    *(b"\x01" + base45.decode(one[4:]) for one in (HONEST, code(wallet("es256")))),
    *(
        b"\x02" + cbor2.dumps(fields)
        for fields in (said(), said(amount=2_500, merchant=SHOP), {**said(), 9: [1, {2: ""}]})
    ),
    b"\x03" + cbor2.loads(wallet().certificate)[2],
    b"\x03" + cbor2.loads(wallet("es256").certificate)[2],
]
swollen_signed = _behind(b"\x00TG1:", b"\x01", b"\x02", b"\x02\xa3", b"\x03\xa5\x01\x82")


def run_signed(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not."""
    shown = _shown(data[:1], data[1:])
    claim = signed.claimed(shown)
    match paycode.verify(shown, NOW, Trust(signed=TRUST)):
        case Accepted(says=signed.SignedCode() as says, facts=signed.Seen(spent=spent)):
            assert claim == signed.Claim(KEY_ID, says.key, says.counter, says.time), "it claims what it does not say"
            content = cbor2.loads(base45.decode(shown[4:]))[2]
            assert data[:1] in {b"\x02", b"\x03"} or content in CONTENTS, "a stranger's code is taken"
            assert says.terms.amount_max >= 2_500 and says.amount in {None, 2_500} and says.merchant in {None, SHOP}
            assert spent[-1].counter == says.counter and cbor2.dumps(cbor2.loads(content), canonical=True) == content
        case Refused(facts=None, evidence=()):
            pass
        case verdict:
            raise AssertionError(verdict)


def _shown(liar: bytes, rest: bytes) -> str:
    if liar == b"\x01":
        return text(rest)
    if liar == b"\x02":
        return forged(rest)
    if liar == b"\x03":
        certificate = message(ISSUER, cbor2.dumps({1: -7, 4: KEY_ID}), rest, signed.CERTIFICATE_CONTEXT)
        return forged(said(certificate=certificate))
    return rest.decode("latin-1")


# Files of issuers ----------------------------------------------------------------------------------------------------

ISSUERS = IssuerFile(
    tuple(NamedIssuer(bytes([at]), "银行", public_key_of(key)) for at, key in enumerate(PHONES.values()))
)
ISSUER_SEEDS = [
    write_issuers(ISSUERS).encode(), write_issuers(replace(ISSUERS, list_signer=public_key_of(ISSUER))).encode(),
]  # fmt: skip
swollen_issuers = _behind(b'{"issuers": [', b'{"issuers": ' + b"[" * 400, b"[" * 60_000)


def run_issuers(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not."""
    try:
        file = parse_issuers(data)
    except IssuerFileError:
        return
    again = parse_issuers(write_issuers(file))
    assert [(one.key_id, one.name, one.key.data) for one in again.issuers] == [
        (one.key_id, one.name, one.key.data) for one in file.issuers
    ]


# Transit codes -------------------------------------------------------------------------------------------------------

ROOTS = Roots({(bytes.fromhex("01010000"), 1): RootKey(sm2.point(ROOT), NOW + 10**9)})
TRANSIT_TRUST = Trust(transit=TransitTrust(ROOTS, Ride(200), {}))
TRANSIT_SEEDS = [CODE, CODE[:198], b"\x81\x00\x00" + CODE[3:], CODE + b"\0"]
swollen_transit = _behind(b"\x81", CODE[:198], CODE)


def run_transit(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not. Signatures take milliseconds: they are tried on a few."""
    parsed = _parsed(data)
    if parsed is not None:
        assert parsed.raw == data and len(data) == transit.BYTES_MIN + len(parsed.custom)
        assert parsed.issuer_signed + parsed.issuer_signature in data and data.endswith(parsed.user_signature)
        assert data[:3] + parsed.issuer_signed + parsed.issuer_signature + data[-69:] == data
        if data == CODE or sha256(data).digest()[0] < 2:
            assert isinstance(paycode.verify(b64encode(data).decode(), NOW, TRANSIT_TRUST), Accepted) == (data == CODE)
    assert isinstance(paycode.verify(data[:40], NOW, TRANSIT_TRUST), Refused)


def _parsed(data: bytes) -> transit.TransitCode | None:
    try:
        return transit.parse(data)
    except CodeRefused:
        return None


# Lists ---------------------------------------------------------------------------------------------------------------

KEY = public_key_of(ISSUER)
EMPTY = CompactList("revoked")
DELTA, LISTED = publish(ISSUER, EMPTY, [b"one", b"two", b"three"])
NEXT_DELTA, NEXT = publish(ISSUER, LISTED, [b"four"], [b"two"])
LIST_SEEDS = [
    *(b"\x00" + one for one in (DELTA, NEXT_DELTA, state(ISSUER, NEXT))),
    *(b"\x01" + cbor2.loads(one)[2] for one in (DELTA, NEXT_DELTA, state(ISSUER, NEXT))),
    b"\x02" + bytes(NEXT.fingerprints),
]
swollen_lists = _behind(b"\x00", b"\x01", b"\x01\xa6\x01\x67revoked", b"\x02")


def run_lists(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not."""
    liar, rest = data[:1], bytes(data[1:])
    try:
        if liar == b"\x02":
            new = adopt(state(ISSUER, CompactList("revoked", 2, rest)), rest, LISTED, KEY)
        else:
            new = apply(sign(ISSUER, rest, LIST_CONTEXT) if liar == b"\x01" else rest, LISTED, KEY)
    except ListError:
        return
    assert new.name == "revoked" and new.version > LISTED.version
    assert liar in {b"\x01", b"\x02"} or new == NEXT
    cut = [bytes(new.fingerprints[at : at + 6]) for at in range(0, len(new.fingerprints), 6)]
    assert all(low < high for low, high in pairwise(cut)) and all(len(one) == 6 for one in cut)
