"""Tapped cards: the golden tap byte for byte, and every way in which a tap can end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import Card, Personalisation, TappedCard
from terminal.emv import (
    Application,
    AskPin,
    KnownCards,
    NoAnswer,
    OnlineAnswer,
    PinResult,
    SaleFacts,
    TerminalParameters,
    offers_tap,
)
from terminal.emv.flags import Ttq
from terminal.emv.tap import qualifiers
from tests.terminal.emv.authority import certified
from tests.terminal.emv.rig import (
    ENTERED,
    FACTS,
    GOLDEN,
    PARAMETERS,
    PIN_BLOCK,
    QPBOC,
    Counter,
    Reply,
    issuer_answer,
    patched,
)

AID = GOLDEN.aid
CARD = replace(GOLDEN, counter=7)
TAP = replace(FACTS, unpredictable_number=bytes.fromhex("55667788"))
ONLINE = replace(PARAMETERS, offline_sales=False)
BYPASSED, NO_PIN_PAD, CANCELLED = PinResult("bypassed"), PinResult("no_pin_pad"), PinResult("cancelled")


def qualifying(text: str) -> dict[str, bytes]:
    return {"qualifiers": bytes.fromhex(text)}


# --- the golden tap ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v01", "v00"])
def test_golden_tap(version: str) -> None:
    data = bytes.fromhex(QPBOC["tag9F69"]) if version == "v01" else b""
    sale = Counter(TappedCard(CARD, authentication_data=data), facts=TAP)
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("approved", "approved_offline", "Y1")
    assert sale.commands[:3] == [
        "00A404000E325041592E5359532E444446303100", "00A4040008A00000033301010100", QPBOC["GPO_cmd"]
    ]  # fmt: skip
    assert [command[4:8] for command in sale.commands[3:]] == ["0114", "0214", "0314", "0414", "011C", "021C"]
    assert QPBOC[f"fDDA_{version}"] in sale.answers[2]
    assert version == "v00" or sale.answers[2] == QPBOC["GPO_resp"] + "9000"
    final = parse_tlv(outcome.f55)
    assert (final[0x9F26].hex().upper(), final[0x9F27], final[0x95]) == (QPBOC["TC"], b"\x40", bytes(5))
    assert (outcome.receipt["TC"], outcome.receipt["TSI"]) == (QPBOC["TC"], "0000")
    assert outcome.card is not None
    assert (outcome.card.entry_mode, outcome.card.cvm, outcome.card.psn) == ("072", "not_needed", "001")
    assert outcome.f55.endswith(build_tlv({0x8A: b"Y1"}))


def test_field_55_of_a_tap_that_goes_online() -> None:
    sale = Counter(TappedCard(CARD), ONLINE, TAP)
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("approved", "approved_online", "00")
    sent = parse_tlv(sale.online.card.f55)
    assert list(sent) == [
        0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82, 0x9F1A, 0x9F03, 0x9F33, 0x9F35,
        0x9F1E, 0x84, 0x9F09, 0x9F41,
    ]  # fmt: skip
    assert (sent[0x9F27], sent[0x9F10].hex().upper(), sent[0x95]) == (b"\x80", "07010103A0000001", bytes(5))
    assert (sale.online.card.pan, sale.online.card.expiry) == ("6299990000000009", "3012")
    assert sale.commands[-1].startswith("80A8"), "the card may be gone"


# --- before the tap ---------------------------------------------------------------------------------------------------

LIMITED = Application(AID, contactless_floor_limit=1_000, contactless_limit=3_000, contactless_cvm_limit=2_000)


@pytest.mark.parametrize(
    ("amount", "told"),
    [(1, "26000080"), (1_000, "26000080"), (1_001, "26800080"), (1_999, "26800080"), (2_000, "26C00080"),
     (3_000, "26C00080"), (3_001, None), (0, "26800080")],
)  # fmt: skip
def test_amount_decides_what_the_card_is_told(amount: int, told: str | None) -> None:
    made = qualifiers(PARAMETERS, LIMITED, replace(TAP, amount=amount))
    assert made == (None if told is None else Ttq.parse(bytes.fromhex(told)))
    assert offers_tap(replace(PARAMETERS, applications=(LIMITED,)), replace(TAP, amount=amount)) == (told is not None)


@pytest.mark.parametrize(
    ("parameters", "facts"),
    [(ONLINE, TAP), (replace(PARAMETERS, terminal_type="21"), TAP), (PARAMETERS, replace(TAP, force_online=True))],
)
def test_what_else_wants_the_host(parameters: TerminalParameters, facts: SaleFacts) -> None:
    assert qualifiers(parameters, LIMITED, replace(facts, amount=1)) == Ttq.parse(bytes.fromhex("26800080"))


# --- how a tap ends ---------------------------------------------------------------------------------------------------


def tapped(objects: Mapping[int, bytes | None], card: Personalisation = CARD) -> Reply:
    """The golden answer to GET PROCESSING OPTIONS with some of its objects changed."""
    whole = parse_tlv(parse_tlv(bytes.fromhex(QPBOC["GPO_resp"]))[0x77])
    kept = {tag: value for tag, value in (whole | dict(objects)).items() if value is not None}
    return build_tlv({0x77: build_tlv(kept)}).hex() + "9000"


def control(pdol: bytes | None) -> str:
    proprietary = {0x50: b"PBOC"} | ({} if pdol is None else {0x9F38: pdol})
    return build_tlv({0x6F: build_tlv({0x84: AID, 0xA5: build_tlv(proprietary)})}).hex() + "9000"


def directory(content: bytes) -> str:
    objects = {0x84: b"2PAY.SYS.DDF01", 0xA5: build_tlv({0xBF0C: content})}
    return build_tlv({0x6F: build_tlv(objects)}).hex() + "9000"


def silent(card: Card | TappedCard) -> NoAnswer:
    return NoAnswer()


def declining(card: Card | TappedCard) -> OnlineAnswer:
    return OnlineAnswer("51", False)


@dataclass(frozen=True)
class Case:
    """How the tap ends (kind, reason, where, tag 8A), and what happens. `chip` are keywords of TappedCard."""

    ends: tuple[str, str, str, str]
    replies: Mapping[str, Reply] = field(default_factory=dict)
    chip: Mapping[str, object] = field(default_factory=dict)
    card: Personalisation = CARD
    parameters: TerminalParameters = PARAMETERS
    facts: SaleFacts = TAP
    pin: PinResult = ENTERED
    host: Callable[[Card | TappedCard], OnlineAnswer | NoAnswer] = issuer_answer


APPROVED, ONLINE_APPROVED = ("approved", "approved_offline", "", "Y1"), ("approved", "approved_online", "", "00")
DECLINED = ("declined", "declined_by_card", "", "Z1")
FORGED = ("declined", "not_authentic", "SIGNED_DYNAMIC_DATA", "Z1")
UNVERIFIED = ("declined", "declined_by_terminal", "CARD_QUALIFIERS", "Z1")
NOT_BY_TAP = ("try_another_interface", "contactless_not_possible", "", "")
TOO_MUCH = ("try_another_interface", "contactless_amount", "", "")
FORGERY = {"80A8": tapped({0x9F4B: bytes(112)})}
EXPIRED = replace(TAP, date="310101")
LONG_CERTIFIED = certified(CARD, issuer={"expiry": "1240"}, own={"expiry": "1240"})
REQUEST = bytes.fromhex("07010103A0000001")
OUTDATED = replace(PARAMETERS, ca_keys=tuple(replace(key, expires="20251231") for key in PARAMETERS.ca_keys))
LIMITS = replace(PARAMETERS, applications=(replace(LIMITED, contactless_floor_limit=9_999, contactless_limit=9_999),))
BLACK = KnownCards(lambda pan: b"k" + pan.encode())
BLACKLISTED = replace(PARAMETERS, known_cards=replace(BLACK, blocked=frozenset({BLACK.fingerprint(CARD.pan)})))


def elsewhere(reason: str, where: str, **replies: Reply) -> Case:
    return Case(("try_another_interface", reason, where, ""), {name[1:]: reply for name, reply in replies.items()})


DECIDED = {
    "offline": Case(APPROVED),
    "online": Case(ONLINE_APPROVED, chip={"decision": "ARQC"}),
    "online, declined": Case(("declined", "declined_by_issuer", "", "51"), chip={"decision": "ARQC"}, host=declining),
    "online, silent": Case(("declined", "host_unreachable", "", "Z3"), chip={"decision": "ARQC"}, host=silent),
    "declined by card": Case(DECLINED, chip={"decision": "AAC"}),
    "offline although the host was wanted": Case(ONLINE_APPROVED, chip={"decision": "TC"}, parameters=ONLINE),
    "on the black list": Case(("declined", "declined_by_terminal", "PAN", "Z1"), parameters=BLACKLISTED),
    "too much": Case(TOO_MUCH, parameters=LIMITS, facts=replace(TAP, amount=10_000)),
}
FORGERIES = {
    "signature": Case(FORGED, FORGERY),
    "signature missing": Case(FORGED, {"80A8": tapped({0x9F4B: None})}),
    "another counter": Case(FORGED, {"80A8": tapped({0x9F36: b"\x00\x09"})}),
    "another amount": Case(FORGED, {"80A8": QPBOC["GPO_resp"] + "9000"}, facts=replace(TAP, amount=1235)),
    "an old tap": Case(FORGED, {"80A8": QPBOC["GPO_resp"] + "9000"}, facts=FACTS),
    "another tag 9F69": Case(FORGED, {"80A8": tapped({0x9F69: bytes.fromhex("01A1B2C3D40001")})}),
    "no files": Case(FORGED, {"80A8": tapped({0x94: None})}),
    "no certificates": Case(FORGED, card=patched(CARD, {0x9F46: None})),
    "key expired": Case(FORGED, parameters=OUTDATED),
    "no key": Case(FORGED, parameters=replace(PARAMETERS, ca_keys=())),
    "terminal without version 01": Case(
        FORGED, {"80A8": QPBOC["GPO_resp"] + "9000"},
        parameters=replace(PARAMETERS, transaction_qualifiers=bytes.fromhex("26000000")),
    ),
    "list of the card without a number": Case(
        FORGED, chip={"authentication_data": b""}, card=patched(CARD, {0x9F49: b"\x9a\x03"})
    ),
    "list of the card cut": Case(FORGED, chip={"authentication_data": b""}, card=patched(CARD, {0x9F49: b"\x9f"})),
    "no list": Case(APPROVED, chip={"authentication_data": b""}, card=patched(CARD, {0x9F49: None})),
    "card wants online then": Case(ONLINE_APPROVED, {"80A8": tapped({0x9F4B: bytes(112), 0x9F6C: b"\x20\x00"})}),
    "card wants online then, no files": Case(ONLINE_APPROVED, {"80A8": tapped({0x94: None, 0x9F6C: b"\x30\x00"})}),
    "card wants its chip then": Case(NOT_BY_TAP, {"80A8": tapped({0x9F4B: bytes(112), 0x9F6C: b"\x10\x00"})}),
}  # fmt: skip
EXPIRIES = {
    "expired": Case(("declined", "declined_by_terminal", "EXPIRY", "Z1"), facts=EXPIRED, card=LONG_CERTIFIED),
    "expired, card wants online then": Case(
        ONLINE_APPROVED, chip=qualifying("0800"), facts=EXPIRED, card=LONG_CERTIFIED
    ),
}  # fmt: skip
VERIFIED = {
    "PIN": Case(ONLINE_APPROVED, chip={"decision": "ARQC", **qualifying("8000")}),
    "PIN on an approval goes to the issuer": Case(ONLINE_APPROVED, chip=qualifying("8000")),
    "PIN cancelled": Case(("cancelled", "pin_cancelled", "", ""), chip=qualifying("8000"), pin=CANCELLED),
    "PIN bypassed": Case(UNVERIFIED, chip=qualifying("8000"), pin=BYPASSED),
    "PIN bypassed, signature will do": Case(APPROVED, chip=qualifying("C000"), pin=BYPASSED),
    "no PIN pad": Case(UNVERIFIED, chip={"decision": "ARQC", **qualifying("8000")}, pin=NO_PIN_PAD),
    "signature": Case(APPROVED, chip=qualifying("4000")),
    "device": Case(APPROVED, chip=qualifying("C080"), parameters=LIMITS, facts=replace(TAP, amount=5_000)),
    "wanted, card offers nothing": Case(UNVERIFIED, parameters=LIMITS, facts=replace(TAP, amount=5_000)),
    "wanted, card says nothing": Case(
        ONLINE_APPROVED, {"80A8": tapped({0x9F6C: None, 0x9F27: b"\x80", 0x9F10: REQUEST})},
        parameters=LIMITS, facts=replace(TAP, amount=5_000),
    ),
    "terminal without either": Case(
        UNVERIFIED, chip=qualifying("C000"), parameters=replace(PARAMETERS, transaction_qualifiers=b"\x20\x00\x00\x80")
    ),
    "small amount": Case(
        APPROVED, chip=qualifying("8000"), pin=CANCELLED,
        parameters=replace(PARAMETERS, pin_free_amount_max=1_234, pin_free_prefixes=("629999",)),
    ),
    "not so small an amount": Case(
        ("cancelled", "pin_cancelled", "", ""), chip=qualifying("8000"), pin=CANCELLED,
        parameters=replace(PARAMETERS, pin_free_amount_max=1_233, pin_free_prefixes=("629999",)),
    ),
    "small amount, another bank": Case(
        ("cancelled", "pin_cancelled", "", ""), chip=qualifying("8000"), pin=CANCELLED,
        parameters=replace(PARAMETERS, pin_free_amount_max=1_234, pin_free_prefixes=("621111",)),
    ),
}  # fmt: skip
OPTIONS = "GET PROCESSING OPTIONS"
ELSEWHERE = {
    "no directory": elsewhere("no_application", "SELECT", c00A404000E="6A82"),
    "empty directory": elsewhere("no_application", "SELECT", c00A404000E=directory(b"")),
    "directory cut": elsewhere("malformed", "DIRECTORY", c00A404000E=directory(b"\x61\x05")),
    "nothing of ours": elsewhere(
        "no_application", "SELECT", c00A404000E=directory(bytes.fromhex("61094F07A0000000031010"))
    ),
    "will not open": elsewhere("no_application", "SELECT", c00A4040008="6A82"),
    "refuses conditions": elsewhere("no_application", "SELECT", c80A8="6985"),
    "no PDOL": Case(NOT_BY_TAP, {"00A4040008": control(None)}),
    "PDOL without 9F66": Case(NOT_BY_TAP, {"00A4040008": control(b"\x9f\x37\x04")}),
    "PDOL cut": elsewhere("malformed", "PDOL", c00A4040008=control(b"\x9f")),
    "options refused": elsewhere("refused", OPTIONS, c80A8="6F00"),
    "options empty": elsewhere("malformed", OPTIONS, c80A8="9000"),
    "card of stripes": Case(NOT_BY_TAP, {"80A8": tapped({0x82: b"\x7d\x80"})}),
    "full PBOC wanted": Case(NOT_BY_TAP, {"80A8": tapped({0x9F26: None})}),
    "full PBOC wanted, plain": Case(NOT_BY_TAP, {"80A8": "800E7D000801010010010401180102009000"}),
    "no profile": elsewhere("data_missing", "AIP", c80A8=tapped({0x82: None})),
    "no counter": elsewhere("data_missing", "ATC", c80A8=tapped({0x9F36: None})),
    "no issuer data": elsewhere("data_missing", "ISSUER_DATA", c80A8=tapped({0x9F10: None})),
    "issuer data cut": elsewhere("malformed", "ISSUER_DATA", c80A8=tapped({0x9F10: bytes(7)})),
    "cryptogram cut": elsewhere("malformed", "CRYPTOGRAM", c80A8=tapped({0x9F26: bytes(7)})),
    "qualifiers cut": elsewhere("malformed", "CARD_QUALIFIERS", c80A8=tapped({0x9F6C: b"\x80"})),
    "no decision": elsewhere(
        "data_inconsistent", "ISSUER_DATA", c80A8=tapped({0x9F10: bytes.fromhex("07010103B0000001")})
    ),
    "no results": elsewhere("data_inconsistent", "ISSUER_DATA", c80A8=tapped({0x9F10: bytes(8)})),
    "two decisions": elsewhere("data_inconsistent", "CRYPTOGRAM_INFORMATION", c80A8=tapped({0x9F27: b"\x80"})),
    "request without a track": elsewhere(
        "data_missing", "TRACK2", c80A8=tapped({0x57: None, 0x9F10: REQUEST})
    ),
    "request with a bad track": elsewhere(
        "malformed", "TRACK2", c80A8=tapped({0x57: bytes.fromhex("6299990000000009"), 0x9F10: REQUEST})
    ),
    "request with a track without a date": elsewhere(
        "malformed", "TRACK2", c80A8=tapped({0x57: bytes.fromhex("6299990000000009D30F"), 0x9F10: REQUEST})
    ),
    "approval of another number": elsewhere(
        "data_inconsistent", "PAN", c80A8=tapped({0x57: bytes.fromhex("6299990000000017D30122200000")})
    ),
    "record refused": elsewhere("refused", "READ RECORD 2.1", c00B20114="6A83"),
}  # fmt: skip
AGAIN = {
    "leaves at once": Case(("card_error", "removed", "SELECT", ""), {"00A4": None}),
    "leaves at its decision": Case(("card_error", "removed", OPTIONS, ""), {"80A8": None}),
    "leaves between records": Case(("card_error", "removed", "READ RECORD", ""), {"00B20314": None}),
    "blocked": Case(("card_error", "blocked", "SELECT", ""), {"00A404000E": "6A81"}),
}
TABLES = {
    "decided": DECIDED, "forged": FORGERIES, "expiry": EXPIRIES, "verified": VERIFIED, "elsewhere": ELSEWHERE,
    "again": AGAIN,
}  # fmt: skip
CASES = {f"{table}: {name}": case for table, cases in TABLES.items() for name, case in cases.items()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_ending(case: Case) -> None:
    chip = TappedCard(case.card, **case.chip)  # type: ignore[arg-type]
    sale = Counter(chip, case.parameters, case.facts, case.replies, case.pin, 0, case.host)
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.where, outcome.response_code) == case.ends


@pytest.mark.parametrize(
    ("chip", "cvm", "entry_mode", "pin_block"),
    [("8000", "online_pin", "071", PIN_BLOCK), ("4000", "signature", "072", None), ("0080", "device", "072", None),
     ("0000", "not_needed", "072", None)],
)  # fmt: skip
def test_how_the_holder_was_verified_is_sent(chip: str, cvm: str, entry_mode: str, pin_block: bytes | None) -> None:
    sale = Counter(TappedCard(CARD, decision="ARQC", **qualifying(chip)), ONLINE, TAP)
    sale.run()
    card = sale.online.card
    assert (card.cvm, card.entry_mode, card.pin_block) == (cvm, entry_mode, pin_block)
    assert any(isinstance(step, AskPin) for step in sale.steps) == (cvm == "online_pin")
    assert parse_tlv(card.f55)[0x95] == bytes(5)


def test_tap_may_end_before_a_last_record_that_is_not_needed() -> None:
    record = build_tlv({0x70: build_tlv({0x9F74: b"ECC001"})})
    card = replace(CARD, certificates={**CARD.certificates, (3, 3): record})
    files = tapped({0x94: bytes.fromhex("1001040118010300")})
    read = Counter(TappedCard(card), facts=TAP, replies={"80A8": files})
    assert parse_tlv(read.run().f55)[0x9F74] == b"ECC001"
    gone = Counter(TappedCard(card), facts=TAP, replies={"80A8": files, "00B2031C": None})
    assert gone.run().reason == "approved_offline"


def test_next_application_is_taken_where_one_refuses() -> None:
    entries = b"".join(
        build_tlv({0x61: build_tlv({0x4F: AID[:-1] + bytes((last,)), 0x87: bytes((priority,))})})
        for last, priority in ((2, 1), (1, 2))
    )
    sale = Counter(TappedCard(CARD), facts=TAP, replies={"00A404000E": directory(entries)})
    assert sale.run().reason == "approved_offline"
    assert [command[10:26] for command in sale.commands[1:3]] == ["A000000333010102", "A000000333010101"]


def test_full_flow_by_radio_where_the_terminal_offers_it() -> None:
    parameters = replace(PARAMETERS, transaction_qualifiers=bytes.fromhex("66000080"))
    card = Card(GOLDEN)
    full: Mapping[str, Reply] = {
        "00A404000E": directory(build_tlv({0x61: build_tlv({0x4F: AID, 0x87: b"\x01"})})),
        "00A4040008": lambda apdu: card.process(apdu).replace(b"\x9f\x7a\x01", b"\x9f\x66\x01"),
    }  # fmt: skip
    sale = Counter(card, parameters, FACTS, full, by_radio=True)
    outcome = sale.run()
    assert (outcome.kind, outcome.reason) == ("approved", "approved_online")
    assert sale.online.card.entry_mode == "071"
    assert outcome.receipt["TVR"] == "0000048000"
