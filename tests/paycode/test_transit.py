"""Transit codes: the golden code byte for byte, and each of the seventeen checks by what breaks it."""

from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import paycode
from paycode import Accepted, Reason, Refused, Trust, sm2, transit
from paycode.lists import CompactList, publish
from paycode.transit import CardFacts, Gate, Ride, RootKey, Roots, TransitTrust
from tests.paycode import plain_sm2
from tests.paycode.issuing import ISSUER, NOW
from tests.paycode.transit_codes import CERTIFICATE, CODE, ROOT, built, certificate, root_record, with_byte

SERVICE = (bytes.fromhex("01010000"), 1)
FAR = NOW + 20 * 366 * 86_400
ROOTS = Roots({SERVICE: RootKey(sm2.point(ROOT), FAR)})
CARD = "00000000000000000001"


def verdict(code: bytes | str, now: int = NOW, known: CardFacts | None = None, **parts: object) -> paycode.Verdict:
    cards = {} if known is None else {CARD: known}
    trust = TransitTrust(ROOTS, Ride(200), cards)
    return paycode.verify(code, now, Trust(transit=replace(trust, **parts)))  # type: ignore[arg-type]


def reason(code: bytes | str, now: int = NOW, known: CardFacts | None = None, **parts: object) -> str:
    found = verdict(code, now, known, **parts)
    return found.reason.value if isinstance(found, Refused) else ""


def test_the_golden_code_says_what_it_says() -> None:
    found = verdict(CODE)
    assert isinstance(found, Accepted)
    assert isinstance(found.says, transit.TransitCode)
    assert found.says == transit.TransitCode(
        certificate=CERTIFICATE, account=b"TESTACCT00000001", card=CARD, institution=bytes.fromhex("01020304"),
        platform=bytes.fromhex("05060708"), account_type=1, ride_max=100_000,
        user_key=bytes.fromhex("0387E99008CB3BF1B7FCFF1201FA12B92474576A9FA4D05C10AF706954E5BB6637"),
        authorised_until=NOW + 7 * 86_400, validity_s=60, custom=b"", made_at=NOW, raw=CODE,
    )  # fmt: skip
    assert isinstance(found.facts, CardFacts)
    assert (found.facts.passed_at, found.facts.gate) == (NOW, Gate.RIDE)
    assert [digest.hex() for digest in found.facts.codes] == ["931c6138185becfe4e621d7259cac0c94aec83eb"]


def test_the_golden_code_is_built_again_byte_for_byte_but_for_its_signatures() -> None:
    again = built()
    parsed, golden = transit.parse(again), transit.parse(CODE)
    assert replace(parsed, raw=b"") == replace(golden, raw=b"")
    assert reason(again) == ""


def test_it_may_be_shown_as_base64_and_its_bytes_may_come_as_they_are() -> None:
    assert reason(b64encode(CODE).decode()) == reason(CODE) == ""


@pytest.mark.parametrize(
    "code", [b"", b"\x02\x01" + bytes(330), b"\x54\x01" + bytes(330), b"TX", b64encode(b"\x7f" * 332).decode()]
)
def test_other_transit_codes_are_not_taken_for_it(code: bytes | str) -> None:
    assert reason(code) == "form_unknown"


def test_it_is_not_taken_without_roots() -> None:
    assert paycode.verify(CODE, NOW, Trust()) == Refused(Reason.NOT_TAKEN)


# The checks in their order: each code breaks one rule, and all rules after it -----------------------------------------


def test_1_length_and_version() -> None:
    for code in (CODE[:-1], CODE + b"\0", with_byte(0, 0x80), with_byte(2, 0), with_byte(197, 1), CODE[:3], b"\x81"):
        assert reason(code) == "length_wrong"


@pytest.mark.parametrize("place", [3, 9, 19, 20, 21, 22])
def test_2_head_of_the_certificate(place: int) -> None:
    assert reason(with_byte(place, 0xEE)) == "certificate_wrong"


@pytest.mark.parametrize("month", ["0035", "1335", "1A35", "12FF"])
def test_2_month_of_the_certificate(month: str) -> None:
    assert reason(CODE[:14] + bytes.fromhex(month) + CODE[16:]) == "certificate_wrong"


def test_2_key_of_the_certificate() -> None:
    assert reason(CODE[:23] + b"\x05" + CODE[24:]) == "certificate_wrong"
    assert reason(CODE[:24] + b"\xff" * 32 + CODE[56:]) == "certificate_wrong"


def test_2_the_certificate_lives_until_the_end_of_its_month_in_beijing() -> None:
    end = 2_082_729_600 - 1  # 2035-12-31, 23:59:59 in Beijing
    assert reason(CODE, end) == "authorisation_expired"
    assert reason(CODE, end + 1) == "certificate_expired"
    november = certificate(expiry="1125")
    assert reason(built(certificate=november), NOW) == "certificate_expired"


def test_3_root_key() -> None:
    assert reason(with_byte(8, 2)) == "root_unknown"
    assert reason(with_byte(4, 2)) == "root_unknown"
    expired = Roots({SERVICE: RootKey(sm2.point(ROOT), NOW)})
    assert reason(CODE, roots=expired) == "root_expired"
    assert reason(CODE, NOW - 1, roots=expired) == ""


def test_4_signature_of_the_certificate() -> None:
    assert reason(with_byte(10, 0xEE)) == "certificate_forged"
    thief = certificate(issuer=0x5EC2E7, root=0x5EC2E7)
    assert reason(built(certificate=thief, issuer=0x5EC2E7)) == "certificate_forged"


def test_5_account() -> None:
    for byte in (0x00, 0x1F, 0x7F, 0xB0):
        assert reason(with_byte(120, byte)) == "account_unprintable"


def test_6_account_type() -> None:
    assert reason(with_byte(154, 0)) == "account_type_zero"


def test_7_authorisation() -> None:
    late = NOW + 7 * 86_400
    assert reason(CODE, late) == "authorisation_expired"
    assert reason(CODE, late - 1) == "expired"


def test_8_custom_data() -> None:
    assert reason(built(custom=bytes(32))) == ""
    assert reason(built(custom=bytes(33))) == "custom_data_too_long"
    assert reason(built(custom=bytes(255))) == "custom_data_too_long"


def test_9_validity() -> None:
    assert reason(built(validity_s=1_200)) == ""
    assert reason(built(validity_s=1_201)) == "validity_too_long"


def test_10_future() -> None:
    assert reason(CODE, NOW - 20) == ""
    assert reason(CODE, NOW - 21) == "future"


def test_11_expired() -> None:
    assert reason(CODE, NOW + 60) == ""
    assert reason(CODE, NOW + 61) == "expired"


def test_12_signature_of_the_issuer() -> None:
    assert reason(with_byte(156, 0xFF)) == "issuer_signature_wrong"
    assert reason(with_byte(198, 0x16)) == "issuer_signature_wrong"
    assert reason(built(issuer=0x5EC2E7)) == "issuer_signature_wrong"


def test_13_signature_of_the_user() -> None:
    assert reason(with_byte(264, CODE[264] ^ 1), NOW - 65_536) == "signature_wrong"  # as if made 65,536 s earlier
    assert reason(with_byte(266, CODE[266] ^ 1)) == "signature_wrong"
    assert reason(with_byte(267, 0x16)) == "signature_wrong"
    assert reason(built(user=0x5EC2E7, user_key=transit.parse(CODE).user_key)) == "signature_wrong"
    assert reason(built(user_key=b"\x05" * 33)) == "signature_wrong"


def test_14_shown_again_at_once() -> None:
    assert reason(CODE, NOW + 2, CardFacts(NOW)) == "shown_again"
    assert reason(CODE, NOW, CardFacts(NOW + 1_000)) == "shown_again"


def test_15_replayed() -> None:
    first = verdict(CODE)
    assert isinstance(first, Accepted) and isinstance(first.facts, CardFacts)
    assert reason(CODE, NOW + 3, first.facts) == "replayed"
    assert reason(CODE, NOW + 60, first.facts) == "replayed"


def test_16_passed_back_to_the_next_passenger() -> None:
    assert reason(CODE, NOW + 3, CardFacts(NOW)) == "passed_back"
    assert reason(CODE, NOW + 60, CardFacts(NOW)) == ""


def test_17_on_the_black_list() -> None:
    _, listed = publish(ISSUER, CompactList("transit"), [bytes.fromhex(CARD)])
    assert reason(CODE, revoked=listed) == "revoked"
    assert reason(CODE, revoked=CompactList("transit")) == ""


def test_17_over_the_limit_of_a_ride() -> None:
    assert reason(CODE, ride=Ride(100_000)) == ""
    assert reason(CODE, ride=Ride(100_001)) == "over_limit"


@pytest.mark.parametrize(
    ("last", "gate", "wanted"),
    [
        (Gate.RIDE, Gate.IN, ""), (Gate.OUT, Gate.IN, ""), (Gate.IN, Gate.OUT, ""), (Gate.IN, Gate.RIDE, ""),
        (Gate.IN, Gate.IN, "gate_order"), (Gate.OUT, Gate.OUT, "gate_order"), (Gate.RIDE, Gate.OUT, "gate_order"),
    ],
)  # fmt: skip
def test_17_in_and_out_in_turn(last: Gate, gate: Gate, wanted: str) -> None:
    assert reason(CODE, ride=Ride(200, gate), known=CardFacts(NOW - 600, last)) == wanted


# Every check has its number, all are taken in order, and what is verified is kept ------------------------------------


def test_numbers_follow_the_checks() -> None:
    assert sorted(set(transit.NUMBERS.values()), reverse=True) == list(range(-101, -118, -1))


def test_flipped_at_every_byte() -> None:
    accepted = [place for place in range(len(CODE)) if reason(with_byte(place, CODE[place] ^ 1)) == ""]
    assert accepted == []


def test_one_signature_is_left_when_certificate_and_issuers_signature_were_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roots, count = Roots({SERVICE: RootKey(sm2.point(ROOT), FAR)}), 0

    def counted(*signed: object) -> bool:
        nonlocal count
        count += 1
        return sm2.verifies(*signed)  # type: ignore[arg-type]

    monkeypatch.setattr(transit, "verifies", counted)
    assert [(reason(CODE, roots=roots), count) for _ in range(2)] == [("", 3), ("", 4)]
    assert repr(roots) == "Roots(1 keys, 2 signatures)"


def test_verified_signatures_are_bounded() -> None:
    roots = Roots({SERVICE: RootKey(sm2.point(ROOT), FAR)}, verified_max=2)
    for custom in (b"", b"1", b"2", b""):
        assert reason(built(custom=custom), roots=roots) == ""
        assert repr(roots) == "Roots(1 keys, 2 signatures)"


def test_as_many_codes_of_a_card_are_remembered_as_one_code_can_outlive() -> None:
    rules = transit.TransitRules()
    assert rules.codes_max * rules.interval_s > transit.VALIDITY_MAX_S + transit.FUTURE_MAX_S
    full = CardFacts(NOW - 60, codes=tuple(bytes([number]) for number in range(rules.codes_max)))
    found = verdict(CODE, NOW, full)
    assert isinstance(found, Accepted) and isinstance(found.facts, CardFacts)
    assert len(found.facts.codes) == rules.codes_max


def test_a_root_record_is_read_if_it_signs_itself() -> None:
    record = root_record()
    assert transit.root_key(record) == (SERVICE, RootKey(sm2.point(ROOT), 2_082_729_600))
    for place in range(len(record)):
        with pytest.raises(ValueError, match=r"root record|SM2 key|curve"):
            transit.root_key(record[:place] + bytes([record[place] ^ 1]) + record[place + 1 :])
    with pytest.raises(ValueError, match="144 bytes"):
        transit.root_key(record + b"\0")


@given(st.binary(max_size=40), st.integers(0, 40))
def test_bytes_of_any_kind_are_refused_and_nothing_is_raised(data: bytes, place: int) -> None:
    assert reason(b"\x81" + data)
    assert reason(CODE[:place] + data + CODE[place + len(data) :]) or data == CODE[place : place + len(data)]


def test_nothing_shows_the_account() -> None:
    told = repr((verdict(CODE), transit.parse(CODE)))
    for secret in ("TESTACCT", CARD, CODE.hex()[:40], repr(CODE)[2:20]):
        assert secret not in told
    assert transit.parse(CODE).name == "************0001"


def test_the_plain_signer_of_these_tests_has_the_golden_keys() -> None:
    assert (
        plain_sm2.compressed(0x3A9A445029A3313A8678F075127F89C3193FF733E3C9C6B71DD511FF678949C3) == CERTIFICATE[20:53]
    )
