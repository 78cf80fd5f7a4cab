"""Static, dynamic and combined authentication of a card: what holds, everything that does not, and the bits it sets."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import Card, Personalisation
from simulators.cards.signing import sign
from terminal.emv import Application, NoAnswer, Outcome, TerminalParameters
from terminal.emv.ca_keys import CaKey, check_value_of
from terminal.emv.certificates import RsaKey
from terminal.emv.flags import Tvr
from tests.terminal.emv.authority import CA, CARD, CARD_D, certified
from tests.terminal.emv.rig import CA_KEYS, FACTS, GOLDEN, PARAMETERS, VECTORS, Counter, Reply, patched

ODA = (
    Tvr.ODA_NOT_PERFORMED | Tvr.SDA_FAILED | Tvr.CARD_DATA_MISSING | Tvr.DDA_FAILED | Tvr.CDA_FAILED | Tvr.SDA_SELECTED
)  # fmt: skip
SDA, DDA, CDA = (replace(PARAMETERS, capabilities=bytes.fromhex(f"E068{only}")) for only in ("80", "C0", "C8"))
METHODS = {"SDA": SDA, "DDA": DDA, "CDA": CDA}
FAILED = {"SDA": Tvr.SDA_FAILED | Tvr.SDA_SELECTED, "DDA": Tvr.DDA_FAILED, "CDA": Tvr.CDA_FAILED}
FRESH = certified(GOLDEN)
PERFORMED = 0x8000


def findings(
    card: Personalisation,
    parameters: TerminalParameters = CDA,
    replies: Mapping[str, Reply] | None = None,
    **facts: str,
) -> tuple[Tvr, bool]:
    """The bits of TVR byte 1 as they were sent, and whether the TSI says that authentication was performed."""
    sale = Counter(Card(card), parameters, FACTS, replies or {})
    sent = Tvr.parse(sale.sent()[0x95]) & ODA
    return sent, bool(int(sale.online.card.receipt["TSI"], 16) & PERFORMED)


@pytest.mark.parametrize("card", [GOLDEN, FRESH], ids=["golden", "fresh"])
@pytest.mark.parametrize("method", METHODS)
def test_genuine_card(card: Personalisation, method: str) -> None:
    assert findings(card, METHODS[method]) == (Tvr.SDA_SELECTED if method == "SDA" else Tvr.NONE, True)


@pytest.mark.parametrize(
    ("profile", "capabilities", "command"),
    [("7D00", "C8", "80AE90"), ("7C00", "C8", "0088"), ("5D00", "48", "80AE90"), ("7D00", "40", "0088")],
)
def test_best_common_method_is_taken(profile: str, capabilities: str, command: str) -> None:
    card = certified(replace(GOLDEN, profile=bytes.fromhex(profile)))
    sale = Counter(Card(card), replace(PARAMETERS, capabilities=bytes.fromhex(f"E068{capabilities}")))
    assert not Tvr.parse(sale.sent()[0x95]) & ODA
    assert any(sent.startswith(command) for sent in sale.commands)


def test_card_and_terminal_without_a_common_method() -> None:
    assert findings(replace(GOLDEN, profile=b"\x1c\x00")) == (Tvr.ODA_NOT_PERFORMED, False)
    assert findings(GOLDEN, replace(PARAMETERS, capabilities=b"\xe0\x68\x00")) == (Tvr.ODA_NOT_PERFORMED, False)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tag", [0x8F, 0x90, 0x92, 0x9F32])
def test_issuers_data_missing(method: str, tag: int) -> None:
    missing = FAILED[method] | Tvr.CARD_DATA_MISSING
    assert findings(patched(GOLDEN, {tag: None}), METHODS[method]) == (missing, True)


@pytest.mark.parametrize(
    ("method", "tag"),
    [("SDA", 0x93), *((method, tag) for method in ("DDA", "CDA") for tag in (0x9F46, 0x9F47, 0x9F48))],
)
def test_methods_own_data_missing(method: str, tag: int) -> None:
    missing = FAILED[method] | Tvr.CARD_DATA_MISSING
    assert findings(patched(GOLDEN, {tag: None}), METHODS[method]) == (missing, True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "change",
    [
        {0x8F: b"\xef"}, {0x8F: b""}, {0x8F: b"\xee\xee"}, {0x90: bytes(144)}, {0x90: b"\xff" * 144},
        {0x90: bytes(143)}, {0x90: b"\x01"}, {0x92: bytes(20)}, {0x9F32: b"\x02"}, {0x9F32: b"\x03\x03"},
        {0x9F32: bytes(3)},
        {0x9F4A: b"\x82\x94"}, {0x9F4A: b""}, {0x5F25: b"\x25\x01\x02"},
    ],
    ids=lambda change: "".join(f"{tag:X}={value.hex()[:6]}" for tag, value in change.items()),
)  # fmt: skip
def test_altered_data(method: str, change: dict[int, bytes | None]) -> None:
    assert findings(patched(GOLDEN, change), METHODS[method]) == (FAILED[method], True)


@pytest.mark.parametrize("method", METHODS)
def test_keys_that_the_terminal_does_not_have_or_that_have_expired(method: str) -> None:
    parameters = METHODS[method]
    for keys in ((), (replace(CA_KEYS[0], expires="20260114"),)):
        assert findings(GOLDEN, replace(parameters, ca_keys=keys)) == (FAILED[method], True)
    kept = replace(CA_KEYS[0], expires="20260115")
    assert not findings(GOLDEN, replace(parameters, ca_keys=(kept,)))[0] & FAILED[method] & ~Tvr.SDA_SELECTED


BROKEN_CERTIFICATES: dict[str, dict[str, object]] = {
    "expired": {"expiry": "1225"}, "no month": {"expiry": "1330"}, "no digits": {"expiry": "AB30"},
    "not SHA-1": {"hash_algorithm": 2}, "not RSA": {"key_algorithm": 2}, "exponent 5": {"exponent": "05"},
    "exponent 17 bits": {"exponent": "010003"}, "no header": {"head": 0x5A}, "no trailer": {"tail": 0xBB},
    "too short": {"length": 100}, "too long": {"length": 140}, "empty": {"length": 0}, "another form": {"form": 3},
    "another holder": {"holder": "621234"},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_CERTIFICATES)
@pytest.mark.parametrize("method", METHODS)
def test_issuers_certificate_that_does_not_hold(method: str, name: str) -> None:
    change = BROKEN_CERTIFICATES[name]
    if "form" in change:
        change = change | {"holder": "629999FFFFFFFFFFFFFF"}
    assert findings(certified(GOLDEN, issuer=change), METHODS[method]) == (FAILED[method], True)


@pytest.mark.parametrize("name", BROKEN_CERTIFICATES)
@pytest.mark.parametrize("method", ["DDA", "CDA"])
def test_cards_certificate_that_does_not_hold(method: str, name: str) -> None:
    assert findings(certified(GOLDEN, own=BROKEN_CERTIFICATES[name]), METHODS[method]) == (FAILED[method], True)


@pytest.mark.parametrize(
    "change",
    [{"content": b"\x04\x01\x12\x34"}, {"content": b"\x03\x02\x12\x34"}, {"also": b"other data"}],
    ids=["form", "algorithm", "data"],
)
def test_signed_static_data_that_does_not_hold(change: dict[str, object]) -> None:
    assert findings(certified(GOLDEN, static=change), SDA) == (FAILED["SDA"], True)


def test_certificate_is_good_to_the_end_of_its_month() -> None:
    assert findings(certified(GOLDEN, issuer={"expiry": "0126"}), SDA)[0] == Tvr.SDA_SELECTED
    assert findings(certified(GOLDEN, own={"expiry": "0126"}), DDA)[0] == Tvr.NONE


def test_large_public_exponent() -> None:
    key = RsaKey(CA, 65537)
    ca = CaKey(CA_KEYS[0].rid, 0xEE, key, check_value_of(CA_KEYS[0].rid, 0xEE, key))
    assert findings(GOLDEN, replace(CDA, ca_keys=(ca,))) == (Tvr.CDA_FAILED, True)


def test_static_data_without_a_tag_list_is_the_records_alone() -> None:
    records = parse_tlv(replace(GOLDEN, certificates={}).records[2, 1])[0x70].removesuffix(bytes.fromhex("9F4A0182"))
    for also, sent in ((records, Tvr.SDA_SELECTED), (records + GOLDEN.profile, FAILED["SDA"])):
        card = certified(GOLDEN, static={"also": also}, own={"also": also})
        assert findings(patched(card, {0x9F4A: None}), SDA) == (sent, True)


# --- DDA --------------------------------------------------------------------------------------------------------------


def replied(answer: Mapping[int, bytes]) -> Reply:
    return build_tlv(answer).hex() + "9000"


def run(replies: Mapping[str, Reply], parameters: TerminalParameters) -> Outcome:
    return Counter(Card(GOLDEN), parameters, replies=replies).run()


@pytest.mark.parametrize(
    ("reply", "reason", "where"),
    [
        (None, "removed", "INTERNAL AUTHENTICATE"), ("6985", "refused", "INTERNAL AUTHENTICATE"),
        ("9000", "malformed", "INTERNAL AUTHENTICATE"), ("80709000", "malformed", "INTERNAL AUTHENTICATE"),
        (replied({0x77: build_tlv({0x9F4C: b"12"})}), "data_missing", "SIGNED_DYNAMIC_DATA"),
    ],
)  # fmt: skip
def test_card_that_breaks_the_protocol_of_dda_ends_the_sale(reply: Reply, reason: str, where: str) -> None:
    outcome = run({"0088": reply}, DDA)
    assert (outcome.kind, outcome.reason, outcome.where) == ("card_error", reason, where)


def test_signature_may_come_in_either_format() -> None:
    tagged = replied({0x77: build_tlv({0x9F4B: bytes.fromhex(VECTORS["SDAD_DDA"])})})
    assert findings(GOLDEN, DDA, {"0088": tagged}) == (Tvr.NONE, True)


def test_signature_over_another_unpredictable_number_is_an_old_one() -> None:
    old = replied({0x80: bytes.fromhex(VECTORS["SDAD_DDA"])})
    sale = Counter(Card(GOLDEN), DDA, replace(FACTS, unpredictable_number=b"\x1a\x2b\x3c\x4e"), {"0088": old})
    assert Tvr.parse(sale.sent()[0x95]) & ODA == Tvr.DDA_FAILED


@pytest.mark.parametrize(
    "content", ["0501", "050200", "05010402000700", "050103010007", "05010309000711", "0501FF020007"]
)
def test_signed_dynamic_data_of_another_shape(content: str) -> None:
    signature = sign(bytes.fromhex(content), FACTS.unpredictable_number, CARD, CARD_D)
    good = content == "05010402000700"  # more than the number is allowed
    sent = findings(GOLDEN, DDA, {"0088": replied({0x80: signature})})
    assert sent == (Tvr.NONE if good else Tvr.DDA_FAILED, True)


@pytest.mark.parametrize(
    ("data_list", "default", "sent"),
    [
        (None, "9F3704", Tvr.NONE), (None, "", Tvr.DDA_FAILED), (None, "9A03", Tvr.DDA_FAILED),
        (b"\x9a\x03", "9F3704", Tvr.DDA_FAILED), (b"\x9f", "9F3704", Tvr.DDA_FAILED),
        (b"\x9f\x37\x04\x9a\x03", "", Tvr.NONE),
    ],
)  # fmt: skip
def test_list_of_what_is_to_be_signed(data_list: bytes | None, default: str, sent: Tvr) -> None:
    application = Application(GOLDEN.aid, default_ddol=bytes.fromhex(default))
    parameters = replace(DDA, applications=(application,))
    assert findings(patched(GOLDEN, {0x9F49: data_list}), parameters) == (sent, True)


# --- CDA --------------------------------------------------------------------------------------------------------------


def forged(apdu: bytes, card: Card, old: bytes, new: bytes) -> bytes:
    answer = card.process(apdu)
    assert old in answer
    return answer.replace(old, new)


FORGERIES = {
    "signature": (bytes.fromhex(VECTORS["SDAD_CDA"][:8]), bytes.fromhex("00010203")),
    "counter": (b"\x9f\x36\x02\x00\x07", b"\x9f\x36\x02\x00\x08"),
    "issuer data": (b"\x03\xa0\x00\x00", b"\x03\xa0\x00\x01"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_request_is_declined_and_the_card_is_told(name: str) -> None:
    card = Card(GOLDEN)
    sale = Counter(card, CDA, replies={"80AE90": lambda apdu: forged(apdu, card, *FORGERIES[name])})
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("declined", "not_authentic", "Z1")
    assert sale.commands[-1].startswith("80AE00")
    assert outcome.receipt["TVR"] == "0400048000"
    assert outcome.receipt["TSI"] == "E800"


def test_forger_that_leaves_is_declined_all_the_same() -> None:
    card = Card(GOLDEN)
    forging: Mapping[str, Reply] = {
        "80AE90": lambda apdu: forged(apdu, card, *FORGERIES["signature"]), "80AE00": None
    }  # fmt: skip
    outcome = Counter(card, CDA, replies=forging).run()
    assert (outcome.kind, outcome.reason, dict(outcome.receipt)) == ("declined", "not_authentic", {})


TRUSTING = Application(GOLDEN.aid, floor_limit=10**6, tac_online=Tvr.NONE)
OFFLINE = replace(CDA, applications=(TRUSTING,))
TRUSTED = certified(replace(GOLDEN, action_online=bytes(5), action_default=bytes(5)))


def signed_answer(told: list[bytes], kind: int, apdu: bytes) -> bytes:
    """What a genuine card answers that approves: `told` is what it has been told before, and hears more of now."""
    told.append(apdu[5:-1])
    head = build_tlv({0x9F27: bytes((kind,)), 0x9F36: b"\x00\x07", 0x9F10: bytes.fromhex("0701010390000001")})
    said = hashlib.sha1(b"".join(told) + head).digest()
    dynamic = b"\x02\x00\x07" + bytes((kind,)) + b"TC signd" + said
    content = b"\x05\x01" + bytes((len(dynamic),)) + dynamic
    signature = sign(content, FACTS.unpredictable_number, CARD, CARD_D)
    return build_tlv({0x77: head + build_tlv({0x9F4B: signature})}) + b"\x90\x00"


PDOL_DATA = bytes.fromhex(VECTORS["PDOL_data"])


def test_signed_offline_approval() -> None:
    sale = Counter(Card(TRUSTED), OFFLINE, replies={"80AE50": lambda apdu: signed_answer([PDOL_DATA], 0x40, apdu)})
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("approved", "approved_offline", "Y1")
    assert (outcome.receipt["TC"], outcome.receipt["TVR"]) == (b"TC signd".hex().upper(), "0000041000")


def test_signed_last_word_without_the_host() -> None:
    told = [PDOL_DATA]
    online = replace(TRUSTING, floor_limit=0, tac_online=Tvr.FLOOR_LIMIT_EXCEEDED, tac_default=Tvr.NONE)
    replies: Mapping[str, Reply] = {
        "80AE90": lambda apdu: signed_answer(told, 0x80, apdu), "80AE50": lambda apdu: signed_answer(told, 0x40, apdu),
    }  # fmt: skip
    sale = Counter(Card(TRUSTED), replace(CDA, applications=(online,)), FACTS, replies, host=lambda card: NoAnswer())
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("approved", "approved_offline", "Y3")


def test_forged_offline_approval_is_declined_at_once() -> None:
    claimed = replied({0x77: build_tlv({0x9F27: b"\x40", 0x9F36: b"\x00\x07", 0x9F4B: bytes(112), 0x9F10: bytes(8)})})
    sale = Counter(Card(TRUSTED), OFFLINE, replies={"80AE50": claimed})
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("declined", "not_authentic", "Z1")
    assert sale.commands[-1].startswith("80AE50")


def test_forged_last_word_is_reversed() -> None:
    card = Card(GOLDEN)
    sale = Counter(card, CDA, replies={"80AE50": lambda apdu: forged(apdu, card, b"\x03\x60", b"\x03\x61")})
    outcome = sale.run()
    assert (outcome.kind, outcome.reason) == ("reverse", "not_authentic")


@pytest.mark.parametrize(
    "reply", ["8013800007E59D6F475599E75D07010103A00000019000", "77109F2701809F360200079F100407010103" + "9000"]
)
def test_unsigned_request_is_not_accepted(reply: str) -> None:
    outcome = run({"80AE90": reply}, CDA)
    assert (outcome.kind, outcome.reason, outcome.where) == ("card_error", "data_missing", "SIGNED_DYNAMIC_DATA")


def test_refusal_needs_no_signature() -> None:
    outcome = run({"80AE90": "8013000007E59D6F475599E75D07010103800000019000"}, CDA)
    assert (outcome.kind, outcome.reason) == ("declined", "declined_by_card")


def test_what_is_declined_at_once_is_not_signed_and_says_so() -> None:
    sale = Counter(Card(certified(replace(GOLDEN, usage_control=bytes(2)))), CDA)
    outcome = sale.run()
    assert outcome.reason == "declined_by_terminal"
    assert sale.commands[-1].startswith("80AE00")
    assert outcome.receipt["TVR"] == "8010048000"


def test_without_good_certificates_no_signature_is_asked_for() -> None:
    sale = Counter(Card(patched(GOLDEN, {0x9F46: bytes(128)})), CDA)
    assert sale.run().reason == "approved_online"
    assert any(command.startswith("80AE80") for command in sale.commands)
