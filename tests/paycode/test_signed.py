"""Signed codes: what they pay, and every way in which one is refused, each by the name of an attack."""

import sys
from subprocess import run
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paycode
from paycode import Accepted, Refused, base45, cose, signed
from paycode.cose import public_key_of
from paycode.lists import CompactList, publish
from paycode.signed import Issuers, Memory, Payment, Seen, SignedRules, Spent, Terms
from tests.paycode.issuing import (
    CNY,
    ISSUER,
    KEY_ID,
    NOW,
    OTHER_ISSUER,
    PAYMENT,
    PHONES,
    SHOP,
    TERMS,
    THIEF,
    code,
    forged,
    message,
    parts,
    reason,
    said,
    text,
    trust,
    verdict,
    wallet,
)

RULES = SignedRules()
ED25519_HEADER = cbor2.dumps({1: -8})


@pytest.mark.parametrize("phone", PHONES)
def test_a_code_says_who_pays_what_to_whom(phone: str) -> None:
    found = verdict(code(wallet(phone), amount=2_500, merchant=SHOP))
    assert isinstance(found, Accepted)
    assert found.says == signed.SignedCode(public_key_of(PHONES[phone]).data, 7, NOW, 2_500, SHOP, TERMS)


@pytest.mark.parametrize("phone", PHONES)
def test_a_code_that_knows_neither_amount_nor_merchant_pays_up_to_the_limit(phone: str) -> None:
    assert reason(code(wallet(phone)), payment=Payment(20_000, CNY, "any")) == ""


@pytest.mark.parametrize("phone", PHONES)
def test_a_code_fits_into_the_scanners_and_a_qr_code_of_57_modules(phone: str) -> None:
    import qrcode
    from qrcode.constants import ERROR_CORRECT_L

    whole = code(wallet(phone, counter=2**32), amount=19_999, merchant=SHOP)
    assert len(base45.decode(whole[4:])) <= 255
    drawn = qrcode.QRCode(error_correction=ERROR_CORRECT_L, border=0)
    drawn.add_data(whole, optimize=0)
    drawn.make(fit=True)
    assert drawn.data_list[0].mode == qrcode.util.MODE_ALPHA_NUM
    assert drawn.modules_count <= 57


# Forged --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", PHONES)
def test_flipped_at_every_byte(phone: str) -> None:
    honest = base45.decode(code(wallet(phone), amount=2_500, merchant=SHOP)[4:])
    known = trust()
    assert reason(text(honest), issuers=known.issuers) == ""  # its certificate is among those that were verified
    for place in range(len(honest)):
        for bit in (0x01, 0x80):
            changed = honest[:place] + bytes([honest[place] ^ bit]) + honest[place + 1 :]
            assert reason(text(changed), issuers=known.issuers), (place, bit)


@pytest.mark.parametrize("phone", PHONES)
def test_cut_at_every_byte_and_with_bytes_behind(phone: str) -> None:
    honest = base45.decode(code(wallet(phone))[4:])
    assert {reason(text(honest[:length])) for length in range(len(honest))} <= {"cbor_broken", "fields_wrong"}
    assert reason(text(honest + b"\0")) == "cbor_ambiguous"


def test_signed_by_a_thief_with_his_own_key() -> None:
    assert reason(forged(said(), THIEF)) == "signature_wrong"


def test_another_customers_certificate() -> None:
    theirs = wallet("es256").certificate
    assert reason(forged(said(certificate=theirs))) == "algorithm_other"
    second = signed.certify(ISSUER, KEY_ID, public_key_of(THIEF), TERMS)
    assert reason(forged(said(certificate=second))) == "signature_wrong"


def test_a_certificate_by_another_issuer_under_this_ones_name() -> None:
    assert reason(code(wallet(issuer=OTHER_ISSUER))) == "certificate_forged"


def test_an_issuer_that_this_terminal_does_not_know() -> None:
    assert reason(code(), issuers=Issuers({b"other": public_key_of(ISSUER)})) == "issuer_unknown"
    nameless = message(ISSUER, cbor2.dumps({1: -7}), parts_of_certificate()[2], signed.CERTIFICATE_CONTEXT)
    assert reason(forged(said(certificate=nameless))) == "issuer_unknown"


def parts_of_certificate() -> list[bytes]:
    found: list[bytes] = cbor2.loads(wallet().certificate)
    return found


def test_a_certificate_with_a_higher_limit_written_in() -> None:
    header, empty, payload, signature = parts_of_certificate()
    richer = cbor2.dumps({**cbor2.loads(payload), 5: 10_000_000})
    assert reason(forged(said(certificate=cbor2.dumps([header, empty, richer, signature])))) == "certificate_forged"


def test_a_code_in_place_of_a_certificate_and_the_other_way_round() -> None:
    """What is signed for one use is worth nothing in another."""
    passed_off = cbor2.dumps({1: [-8, public_key_of(THIEF).data], 2: 0, 3: 2**40, 4: CNY, 5: 10**9})
    as_code = message(ISSUER, cbor2.dumps({1: -7, 4: KEY_ID}), passed_off, signed.CODE_CONTEXT)
    assert reason(forged(said(certificate=as_code), THIEF)) == "certificate_forged"
    as_certificate = message(PHONES["ed25519"], ED25519_HEADER, cbor2.dumps(said()), signed.CERTIFICATE_CONTEXT)
    assert reason(text(as_certificate)) == "signature_wrong"


def test_es256_over_the_bytes_of_an_ed25519_key_and_the_other_way_round() -> None:
    _, *rest = parts(code())
    assert reason(text(cbor2.dumps([cbor2.dumps({1: -7}), *rest]))) == "algorithm_other"
    _, *rest = parts(code(wallet("es256")))
    assert reason(text(cbor2.dumps([ED25519_HEADER, *rest]))) == "algorithm_other"


@pytest.mark.parametrize("algorithm", [cose.SM2_RESERVED, 0, 5, -1, -37, -257])
def test_an_algorithm_that_is_not_taken_here(algorithm: int) -> None:
    assert reason(forged(said(), header=cbor2.dumps({1: algorithm}))) == "algorithm_unknown"


@pytest.mark.parametrize("algorithm", [cose.SM2_RESERVED, -37])
def test_a_certified_key_of_an_algorithm_that_is_not_taken_here(algorithm: int) -> None:
    assert reason(forged(said(certificate=certificate({1: [algorithm, bytes(33)]})))) == "algorithm_unknown"


def certificate(changes: dict[int, object]) -> bytes:
    """One that the honest issuer should never have signed."""
    fields = {1: [-8, public_key_of(PHONES["ed25519"]).data], 2: NOW, 3: NOW + 9, 4: CNY, 5: 20_000} | changes
    payload = cbor2.dumps({label: value for label, value in fields.items() if value is not None})
    return message(ISSUER, cbor2.dumps({1: -7, 4: KEY_ID}), payload, signed.CERTIFICATE_CONTEXT)


@pytest.mark.parametrize(
    "key", [[-8], [-8, bytes(31)], [-7, bytes(33)], [-7, b"\x02" + b"\xff" * 32], ["", b""], [], [-8, ""]]
)
def test_a_certified_key_that_is_none(key: list[object]) -> None:
    assert reason(forged(said(certificate=certificate({1: key})))) == "fields_wrong"


@pytest.mark.parametrize("phone", PHONES)
def test_unsigned(phone: str) -> None:
    header, empty, payload, _ = parts(code(wallet(phone)))
    assert reason(text(cbor2.dumps([header, empty, payload, b""]))) == "unsigned"
    assert reason(text(cbor2.dumps([header, empty, payload, bytes(64)]))) == "signature_wrong"
    assert reason(text(cbor2.dumps([header, empty, payload, None]))) == "fields_wrong"


# Another spelling, unknown fields: before any signature is looked at --------------------------------------------------


@pytest.fixture
def no_signature_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object) -> None:
        raise AssertionError("a signature was looked at")

    monkeypatch.setattr(cose.Message, "verify", touched)


HONEST = parts(code())


def array(header: bytes = ED25519_HEADER, payload: bytes | None = None, empty: bytes = b"\xa0") -> bytes:
    payload = HONEST[2] if payload is None else payload
    return b"\x84" + cbor2.dumps(header) + empty + cbor2.dumps(payload) + cbor2.dumps(HONEST[3])


SPELLINGS = {
    "array of indefinite length": (b"\x9f" + array()[1:] + b"\xff", "cbor_broken"),
    "bytes of indefinite length": (array(empty=b"\xa0").replace(b"\x43", b"\x5f\x43", 1), "cbor_broken"),
    "map of indefinite length": (array(payload=b"\xbf" + HONEST[2][1:] + b"\xff"), "cbor_broken"),
    "a key twice": (array(payload=b"\xa4" + HONEST[2][1:] + b"\x02\x08"), "cbor_broken"),
    "a key twice in the header": (array(header=b"\xa2\x01\x27\x01\x26"), "cbor_broken"),
    "a longer number than needed": (
        array(payload=HONEST[2].replace(b"\x02\x07\x03", b"\x02\x18\x07\x03")), "cbor_ambiguous"
    ),
    "keys out of order": (array(payload=cbor2.dumps(dict(reversed(said().items())))), "cbor_ambiguous"),
    "keys out of order in the header": (array(header=b"\xa2\x04\x41a\x01\x27"), "cbor_ambiguous"),
    "nested deeply": (array(payload=b"\x81" * 100 + b"\x01"), "cbor_broken"),
    "true for a label": (array(payload=b"\xa3\xf5" + HONEST[2][2:]), "critical_unknown"),
    "a fraction for a label": (array(payload=b"\xa3\xfb\x3f\xf0\0\0\0\0\0\0" + HONEST[2][2:]), "critical_unknown"),
    "a fraction for a number": (array(payload=cbor2.dumps(said(counter=7.0))), "fields_wrong"),
    "true for a number": (array(payload=cbor2.dumps(said(counter=True))), "fields_wrong"),
    "a number beyond 53 bits": (array(payload=cbor2.dumps(said(counter=2**53))), "fields_wrong"),
    "a number of any size": (array(payload=cbor2.dumps(said(counter=2**80))), "fields_wrong"),
    "a text for the certificate": (array(payload=cbor2.dumps(said(certificate="x"))), "fields_wrong"),
    "no certificate": (array(payload=cbor2.dumps(said(certificate=None))), "fields_wrong"),
    "no counter": (array(payload=cbor2.dumps(said(counter=None))), "fields_wrong"),
    "no time": (array(payload=cbor2.dumps(said(time=None))), "fields_wrong"),
    "no map": (array(payload=b"\x80"), "fields_wrong"),
    "nothing": (array(payload=b""), "cbor_broken"),
    "a field that nobody knows": (array(payload=cbor2.dumps({**said(), 6: 0})), "critical_unknown"),
    "a negative field that nobody knows": (array(payload=cbor2.dumps({**said(), -1: 0})), "critical_unknown"),
    "a critical header": (array(header=cbor2.dumps({1: -8, 2: [99], 99: 0})), "critical_unknown"),
    "another header": (array(header=cbor2.dumps({1: -8, 3: 0})), "critical_unknown"),
    "a long name of a key": (array(header=cbor2.dumps({1: -8, 4: bytes(9)})), "fields_wrong"),
    "no algorithm": (array(header=b"\xa0"), "fields_wrong"),
    "no header": (array(header=b""), "cbor_broken"),
    "something in the unprotected header": (array(empty=b"\xa1\x04\x41x"), "fields_wrong"),
    "a tag around it": (b"\xd2" + array(), "fields_wrong"),
    "a regular expression": (array(payload=b"\xd8\x23\x63(a)"), "fields_wrong"),
    "a value that holds itself": (array(payload=b"\xd8\x1c\x81\xd8\x1d\x00"), "cbor_broken"),
    "five parts": (b"\x85" + array()[1:] + b"\x00", "fields_wrong"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "wanted"), SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.usefixtures("no_signature_is_looked_at")
def test_another_spelling_or_other_fields(message: bytes, wanted: str) -> None:
    assert reason(text(message)) == wanted


@pytest.mark.usefixtures("no_signature_is_looked_at")
def test_too_long() -> None:
    assert reason(signed.PREFIX + base45.encode(bytes(302))) == "too_long"
    assert reason("TG1:" + "0" * 10_000_000) == "too_long"
    longest = cbor2.dumps(bytes(297))
    assert len(longest) == 300
    assert reason(text(longest)) == "fields_wrong"


@pytest.mark.parametrize("code", ["TG1:", "TG1:a", "TG1::::", "TG1:é", "TG1:BB"])
def test_text_that_is_not_base45(code: str) -> None:
    assert reason(code) in {"text_broken", "cbor_broken"}


@pytest.mark.parametrize("code", ["", "TG2:BB8", "tg1:BB8", "https://example.org/", "0" * 23, "TG1"])
def test_what_is_no_payment_code(code: str) -> None:
    assert reason(code) == "form_unknown"


def test_without_trust_a_kind_of_code_is_not_taken() -> None:
    found = paycode.verify(code(), NOW, paycode.Trust())
    assert found == Refused(paycode.Reason.NOT_TAKEN)


# Authentic, and still not good for this ------------------------------------------------------------------------------


def test_clocks_may_differ_a_little() -> None:
    life_s = RULES.life_s + RULES.skew_s
    assert [reason(code(), NOW + late) for late in (0, life_s, life_s + 1)] == ["", "", "expired"]
    assert [reason(code(), NOW - early) for early in (RULES.skew_s, RULES.skew_s + 1)] == ["", "future"]


def test_the_certificate_has_its_time() -> None:
    early, late = TERMS.not_before, TERMS.not_after
    assert reason(code(now=late), late) == ""
    assert reason(code(now=late), late + 1) == "certificate_expired"
    assert reason(code(now=early), early - RULES.skew_s) == ""
    assert reason(code(now=early - 21), early - RULES.skew_s - 1) == "certificate_future"


def test_over_the_limit_of_the_certificate() -> None:
    assert reason(code(), payment=Payment(20_001, CNY, SHOP)) == "over_limit"


def test_in_another_currency() -> None:
    assert reason(code(), payment=Payment(2_500, 840, SHOP)) == "currency_other"


def test_for_another_amount() -> None:
    assert reason(code(amount=2_499)) == "amount_other"
    assert reason(code(amount=0)) == "amount_other"


def test_at_another_merchant() -> None:
    assert reason(code(merchant="898110053110002")) == "merchant_other"
    assert reason(code(merchant="")) == "merchant_other"


def test_a_key_that_was_reported_lost_or_whose_quota_is_used_up() -> None:
    key = public_key_of(PHONES["ed25519"]).data
    for name, wanted in (("revoked", "revoked"), ("quota", "quota_used")):
        _, listed = publish(ISSUER, CompactList(name), [key])
        parts: dict[str, Any] = {name: listed}
        assert reason(code(), **parts) == wanted
        assert reason(code(wallet("es256")), **parts) == ""


# Replay --------------------------------------------------------------------------------------------------------------


def accepted(shown: str, memory: Memory, now: int = NOW, payment: Payment = PAYMENT) -> Seen:
    found = verdict(shown, now, memory=memory, payment=payment)
    assert isinstance(found, Accepted)
    assert isinstance(found.facts, Seen)
    memory.remember(found.facts)
    return found.facts


@pytest.mark.parametrize("phone", PHONES)
def test_replayed(phone: str) -> None:
    memory, shown = Memory(), code(wallet(phone))
    accepted(shown, memory)
    assert reason(shown, memory=memory) == "replayed"


def test_replayed_with_the_other_signature_that_es256_has() -> None:
    memory, honest = Memory(), code(wallet("es256"))
    accepted(honest, memory)
    header, empty, payload, signature = parts(honest)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    twin = text(cbor2.dumps([header, empty, payload, signature[:32] + other]))
    assert reason(twin) == ""  # as good as the first
    assert reason(twin, memory=memory) == "replayed"


def test_the_next_code_is_taken_and_an_earlier_one_is_not() -> None:
    memory = Memory()
    first, after = paycode.issue(wallet(), NOW)
    second, _ = paycode.issue(after, NOW + 1)
    accepted(second, memory)
    assert reason(first, memory=memory) == "counter_backwards"
    third, _ = paycode.issue(wallet(counter=9), NOW + 2)
    accepted(third, memory)


def test_a_double_spend_is_proved_by_the_two_codes() -> None:
    memory = Memory()
    one, other = code(merchant=SHOP), code(amount=2_500)
    accepted(one, memory)
    found = verdict(other, memory=memory)
    assert isinstance(found, Refused)
    assert (found.reason, found.evidence) == (paycode.Reason.DOUBLE_SPENT, (one, other))
    said = [signed.check(text, NOW, trust())[0] for text in found.evidence]  # a judge needs the issuer's key alone
    assert said[0].key == said[1].key and said[0].counter == said[1].counter and said[0] != said[1]


def test_a_terminal_remembers_the_last_codes_of_a_key_and_refuses_all_earlier_counters() -> None:
    memory, purse = Memory(), wallet()
    codes = []
    for _ in range(signed.SPENT_MAX + 2):
        shown, purse = paycode.issue(purse, NOW)
        codes.append(shown)
        assert len(accepted(shown, memory).spent) <= signed.SPENT_MAX
    reasons = [reason(shown, memory=memory) for shown in codes]
    assert reasons == ["counter_backwards"] * 2 + ["replayed"] * signed.SPENT_MAX


def seen(number: int, until: int) -> Seen:
    return Seen(bytes([number]), (Spent(1, "TG1:", until),))


def test_a_full_memory_refuses_rather_than_forget_a_code_that_could_come_again() -> None:
    memory = Memory([seen(1, NOW + 80), seen(2, NOW + 80)], keys_max=2)
    shown = code(now=NOW + 1)
    assert reason(shown, NOW + 1, memory=memory) == "memory_full"
    assert reason(shown, NOW + 80, memory=memory) == "memory_full"
    accepted(shown, memory, NOW + 81)
    assert len(memory) == 2
    assert memory.recall(b"\x01") is None
    assert memory.recall(b"\x02") is not None


def test_a_known_key_always_has_room_and_is_heard_of_last() -> None:
    memory = Memory(keys_max=2)
    accepted(code(), memory)
    memory.remember(seen(1, NOW + 999))
    accepted(code(wallet(counter=8)), memory)
    accepted(code(wallet(counter=9)), memory)
    assert len(memory) == 2
    memory.remember(seen(2, NOW + 999))
    assert memory.recall(b"\x01") is None


def test_what_was_persisted_is_remembered_after_a_restart() -> None:
    shown = code()
    kept = accepted(shown, Memory())
    assert reason(shown, memory=Memory([kept])) == "replayed"


def test_verified_certificates_are_bounded_and_one_that_was_dropped_is_verified_again() -> None:
    issuers = Issuers({KEY_ID: public_key_of(ISSUER)}, certificates_max=2)
    purses = [wallet(terms=Terms(NOW, NOW + 60, CNY, limit)) for limit in (3_000, 4_000, 5_000)]
    for purse in [*purses, purses[0]]:
        assert reason(code(purse), issuers=issuers) == ""
        assert "2 certificates" in repr(issuers) or purse is purses[0]


# All that can be said ------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(PHONES)), st.integers(0, 2**53 - 1), st.integers(NOW, NOW + 86_400),
    st.none() | st.integers(0, 20_000), st.none() | st.text(max_size=8),
)  # fmt: skip
def test_whatever_is_issued_is_accepted_and_says_the_same(
    phone: str, counter: int, now: int, amount: int | None, merchant: str | None
) -> None:
    shown = code(wallet(phone, counter=counter), now, amount=amount, merchant=merchant)
    found = verdict(shown, now, payment=Payment(amount or 0, CNY, merchant or ""))
    assert isinstance(found, Accepted)
    assert found.says == signed.SignedCode(public_key_of(PHONES[phone]).data, counter, now, amount, merchant, TERMS)


def test_a_phone_and_an_issuer_are_told_what_they_cannot_make() -> None:
    with pytest.raises(ValueError, match="300 bytes"):
        code(merchant="x" * 100)
    for name in (b"", bytes(9)):
        with pytest.raises(ValueError, match="1 to 8 bytes"):
            signed.certify(ISSUER, name, public_key_of(THIEF), TERMS)


def test_nothing_shows_a_code_or_a_key() -> None:
    memory, shown = Memory(), code()
    kept = accepted(shown, memory)
    twice = verdict(code(amount=2_500), memory=memory)
    told = repr((wallet(), kept, memory, twice, verdict(shown), trust()))
    key = public_key_of(PHONES["ed25519"]).data
    for secret in (shown[4:40], key.hex(), repr(key)[2:20], wallet().certificate.hex()[:20]):
        assert secret not in told


def test_cbor_is_loaded_when_a_code_is_verified_and_no_earlier() -> None:
    lazy = (
        "import sys, paycode, paycode.signed, paycode.lists; assert 'cbor2' not in sys.modules;"
        "paycode.verify('TG1:BB8', 0, paycode.Trust()); assert 'cbor2' not in sys.modules"
    )
    assert run([sys.executable, "-c", lazy], check=False).returncode == 0


def test_a_memory_that_is_filled_code_by_code_remembers_the_last_ones() -> None:
    memory, key = Memory(), b"a key"
    for counter in range(signed.SPENT_MAX + 1):
        memory.add(key, Spent(counter, f"code {counter}", NOW))
    seen = memory.recall(key)
    assert seen is not None and [spent.counter for spent in seen.spent] == list(range(1, signed.SPENT_MAX + 1))


# What a code claims --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phone", PHONES)
def test_what_a_code_claims_is_what_verification_finds(phone: str) -> None:
    whole = code(wallet(phone), amount=2_500, merchant=SHOP)
    claim, found = signed.claimed(whole), verdict(whole)
    assert isinstance(found, Accepted) and isinstance(found.says, signed.SignedCode)
    assert claim == signed.Claim(KEY_ID, found.says.key, 7, NOW)
    assert signed.name_of(claim.key) == found.says.name and len(found.says.name) == 8


def test_a_forged_code_claims_all_the_same_and_shows_no_key() -> None:
    claim = signed.claimed(forged(said(counter=9), THIEF))
    assert claim is not None and claim.counter == 9
    assert claim.key.hex() not in repr(claim) and repr(claim.key) not in repr(claim)


@given(st.text(max_size=500) | st.binary(max_size=300).map(text))
def test_what_cannot_be_read_claims_nothing(anything: str) -> None:
    assert signed.claimed(anything) is None


def test_a_code_whose_certificate_cannot_be_read_claims_nothing() -> None:
    assert signed.claimed(forged(said(certificate=b"\x80"))) is None
    header, empty, payload, signature = parts_of_certificate()
    no_key = cbor2.dumps({**cbor2.loads(payload), 1: [-8]})
    assert signed.claimed(forged(said(certificate=cbor2.dumps([header, empty, no_key, signature])))) is None
