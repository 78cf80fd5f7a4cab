"""The vectors of the format: `paycode` and a second reader, which knows only docs/paycode.md, agree on each of them."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import paycode
from paycode import Accepted, Refused, Trust, digits, lists, signed, transit
from paycode.cose import PrivateKey, public_key
from paycode.signed import Issuers, Memory, Payment, SignedTrust, SignedWallet, Terms
from paycode.transit import CardFacts, Gate, Ride, Roots, TransitTrust
from tests.paycode import second_reader
from tests.paycode.transit_codes import CODE, VECTORS

DIGITS, SIGNED, TRANSIT, LISTS = (VECTORS[kind] for kind in ("digits", "signed", "transit", "lists"))
Case = dict[str, Any]


def cases(kind: dict[str, Any]) -> Any:
    return pytest.mark.parametrize("case", kind["cases"], ids=[case["name"] for case in kind["cases"]])


def reason(verdict: paycode.Verdict) -> str | None:
    return verdict.reason.value if isinstance(verdict, Refused) else None


# Digits --------------------------------------------------------------------------------------------------------------

ISSUER = (DIGITS["prefix"], bytes.fromhex(DIGITS["issuer_key"]))
WALLET, USER = digits.refresh(
    ISSUER, DIGITS["user"], range(*DIGITS["slots"]), bytes.fromhex(DIGITS["seed"]), DIGITS["refreshed_at"]
)


def test_an_issuer_gives_these_handles_and_a_phone_shows_these_codes() -> None:
    assert list(WALLET.handles) == DIGITS["handles"]
    wallet = WALLET
    for shown in DIGITS["codes"]:
        code, wallet = paycode.issue(wallet, shown["at"])
        assert code == shown["code"]


@cases(DIGITS)
def test_digits(case: Case) -> None:
    user = replace(USER, used=frozenset(case["used"]), failed_at=tuple(case["user_failed_at"]))
    terminal = digits.TerminalFacts(tuple(case["terminal_failed_at"]))
    trust = Trust(digits=digits.DigitTrust(dict([ISSUER]), {USER.user: user}, terminal))
    assert reason(paycode.verify(case["code"], case["now"], trust)) == case["reason"]
    assert second_reader.digits(case["code"], case["now"], DIGITS, case) == case["reason"]


# Signed codes --------------------------------------------------------------------------------------------------------


def private_key(kept: dict[str, Any]) -> PrivateKey:
    number = bytes.fromhex(kept["private_key"])
    if kept["algorithm"] == -8:
        return Ed25519PrivateKey.from_private_bytes(number)
    return ec.derive_private_key(int.from_bytes(number, "big"), ec.SECP256R1())


def signed_trust(case: Case, memory: Memory) -> Trust:
    issuer = SIGNED["issuer"]
    key = public_key(issuer["algorithm"], bytes.fromhex(issuer["public_key"]))
    payment = Payment(case["amount"], case["currency"], case["merchant"])
    return Trust(signed=SignedTrust(Issuers({bytes.fromhex(issuer["key_id"]): key}), payment, memory))


@pytest.mark.parametrize("phone", SIGNED["phones"])
def test_an_issuer_gives_these_certificates_and_a_phone_shows_these_codes(phone: str) -> None:
    kept, issuer, terms = SIGNED["phones"][phone], SIGNED["issuer"], Terms(**SIGNED["terms"])
    key = public_key(kept["algorithm"], bytes.fromhex(kept["public_key"]))
    certificate = signed.certify(private_key(issuer), bytes.fromhex(issuer["key_id"]), key, terms)
    assert certificate.hex() == kept["certificate"]
    for case in SIGNED["cases"][:4]:
        says = case["says"]
        if says["key"] == kept["public_key"]:
            wallet = SignedWallet(certificate, private_key(kept), says["counter"])
            code, _ = paycode.issue(wallet, says["time"], says["amount"], says["merchant"])
            assert code == case["code"]


@cases(SIGNED)
def test_signed_codes(case: Case) -> None:
    memory, seen = Memory(), dict[int, bytes]()
    for earlier in case["after"]:
        verdict = paycode.verify(earlier, case["now"], signed_trust(case, memory))
        assert isinstance(verdict, Accepted) and isinstance(verdict.facts, signed.Seen)
        memory.remember(verdict.facts)
        second_reader.signed(earlier, case, SIGNED["issuer"], seen)
    verdict = paycode.verify(case["code"], case["now"], signed_trust(case, memory))
    assert reason(verdict) == case["reason"]
    assert second_reader.signed(case["code"], case, SIGNED["issuer"], seen) == (case["reason"], case.get("says", {}))
    if isinstance(verdict, Accepted):
        assert isinstance(verdict.says, signed.SignedCode)
        assert {name: getattr(verdict.says, name) for name in ("counter", "time", "amount", "merchant")} | {
            "key": verdict.says.key.hex()
        } == case["says"]


# Transit codes -------------------------------------------------------------------------------------------------------


@cases(TRANSIT)
def test_transit_codes(case: Case) -> None:
    changed = bytearray(CODE)
    for place, byte in case["changes"]:
        changed[place] = byte
    record = bytes.fromhex(TRANSIT["root_record"])
    golden = bytes.fromhex(TRANSIT["sha_1"])
    card = CardFacts(case["passed_at"] or 0, Gate(case["last_gate"]), (golden,) if case["seen"] else ())
    cards = {} if case["passed_at"] is None else {transit.parse(CODE).card: card}
    roots = Roots(dict([transit.root_key(record)]))
    trust = Trust(transit=TransitTrust(roots, Ride(case["fare"], Gate(case["gate"])), cards))
    assert reason(paycode.verify(bytes(changed), case["now"], trust)) == case["reason"]
    assert reason(paycode.verify(b64encode(changed).decode(), case["now"], trust)) in {case["reason"], "form_unknown"}
    assert second_reader.transit(bytes(changed), record, case, CODE) == case["reason"]


# Lists ---------------------------------------------------------------------------------------------------------------


def test_lists() -> None:
    key = public_key(-7, bytes.fromhex(LISTS["public_key"]))
    current, version, present = lists.CompactList(LISTS["name"]), 0, set[str]()
    for step in LISTS["steps"]:
        before, fingerprints = current, bytes.fromhex(step["fingerprints"])
        current = lists.apply(bytes.fromhex(step["delta"]), current, key)
        assert (current.version, current.fingerprints) == (step["version"], fingerprints)
        assert lists.adopt(bytes.fromhex(step["statement"]), fingerprints, before, key) == current
        version, present = second_reader.list_after(bytes.fromhex(step["delta"]), version, present, key.data)
        assert (version, "".join(sorted(present))) == (step["version"], step["fingerprints"])
        assert {second_reader.fingerprint(LISTS["name"], entry.encode()) for entry in step["holds"]} == present
        assert all(entry.encode() in current for entry in step["holds"])
    assert not any(entry.encode() in current for entry in LISTS["absent"])
