"""Every way in which a sale with a card can end, from a table of what the card, its holder and the host do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from iso8583.tlv import build_tlv
from simulators.cards import Card, Personalisation, TappedCard, load_card
from terminal.emv import Application, NoAnswer, OnlineAnswer, PinResult, TerminalParameters
from terminal.emv.flags import Tvr
from tests.terminal.emv.rig import FACTS, GOLDEN, GOOD, PARAMETERS, Counter, Reply, issuer_answer, patched

AID = "A000000333010101"


def answer(objects: Mapping[int, bytes]) -> str:
    return build_tlv(objects).hex() + "9000"


def plain(content: str) -> str:
    return answer({0x80: bytes.fromhex(content)})


def cryptogram(kind: str, issuer_data: str = "07010103A0000001") -> str:
    return plain(f"{kind}00011122334455667788{issuer_data}")


def tagged_cryptogram(missing: int) -> str:
    objects = {0x9F27: b"\x80", 0x9F36: b"\x00\x01", 0x9F26: bytes(8), 0x9F10: bytes(8)}
    return answer({0x77: build_tlv({tag: value for tag, value in objects.items() if tag != missing})})


def directory_entry(priority: bytes) -> str:
    return answer({0x70: build_tlv({0x61: build_tlv({0x4F: bytes.fromhex(AID), 0x87: priority})})})


def in_application(reply: str) -> Reply:
    """Answer a record of the application so, not one of the directory, whose first record reads the same."""
    seen: list[bytes] = []

    def answer_from_second_on(apdu: bytes) -> bytes:
        seen.append(apdu)
        return Card(GOOD).personalisation.directory[1, 1] + b"\x90\x00" if len(seen) == 1 else bytes.fromhex(reply)

    return answer_from_second_on


def declined(card: Card | TappedCard) -> OnlineAnswer:
    return issuer_answer(card, "51")


def nothing(card: Card | TappedCard) -> NoAnswer:
    return NoAnswer()


def wrong_authentication(card: Card | TappedCard) -> OnlineAnswer:
    return OnlineAnswer("00", True, build_tlv({0x91: bytes(8) + b"00"}))


def approved_bare(card: Card | TappedCard) -> OnlineAnswer:
    return OnlineAnswer("00", True)


def garbled_field(card: Card | TappedCard) -> OnlineAnswer:
    return OnlineAnswer("00", True, b"\x91\x7f")


# A terminal and a card that let sales below 10,000 stay offline; and that let all stay offline if the host is silent.
TRUSTING = Application(bytes.fromhex(AID), floor_limit=10**6, tac_online=Tvr.NONE, tac_default=Tvr.NONE)
OFFLINE = replace(PARAMETERS, applications=(TRUSTING,))
ONLINE_IF_POSSIBLE = replace(
    PARAMETERS, applications=(replace(TRUSTING, floor_limit=0, tac_online=Tvr.FLOOR_LIMIT_EXCEEDED),)
)
TRUSTED = patched(GOOD, {0x9F0F: bytes(5), 0x9F0D: bytes(5)})
CERTIFICATE = cryptogram("40", "0701010390000001")
BYPASSED = PinResult("bypassed")


@dataclass(frozen=True)
class Case:
    """How the sale ends (kind, reason, where, tag 8A), and what happens."""

    ends: tuple[str, str, str, str]
    card: Personalisation = GOOD
    replies: Mapping[str, Reply] = field(default_factory=dict)
    pin: PinResult = BYPASSED
    choice: int | None = 0
    host: Callable[[Card | TappedCard], OnlineAnswer | NoAnswer] = issuer_answer
    parameters: TerminalParameters = PARAMETERS


def card_error(reason: str, where: str, card: Personalisation = GOOD, **replies: Reply) -> Case:
    """A case in which nothing is sent. Replies by the command's name as keyword: letter c, then its first digits."""
    return Case(("card_error", reason, where, ""), card, {name[1:]: reply for name, reply in replies.items()})


def use_stripe(reason: str, where: str, **replies: Reply) -> Case:
    """A case in which nothing can be begun with the chip."""
    return replace(card_error(reason, where, GOOD, **replies), ends=("use_stripe", reason, where, ""))


def bad_object(reason: str, tag: int, name: str, value: str | None) -> Case:
    return card_error(reason, name, patched(GOOD, {tag: None if value is None else bytes.fromhex(value)}))


HOST_DECIDES = {
    "approves": Case(("approved", "approved_online", "", "00")),
    "declines": Case(("declined", "declined_by_issuer", "", "51"), host=declined),
    "declines, card leaves": Case(
        ("declined", "declined_by_issuer", "GENERATE AC", "51"), replies={"80AE00": None}, host=declined
    ),
    "is silent": Case(("declined", "host_unreachable", "", "Z3"), host=nothing),
    "is silent, card leaves": Case(
        ("declined", "host_unreachable", "GENERATE AC", "Z3"), replies={"80AE00": None}, host=nothing
    ),
    "is silent, both allow": Case(
        ("approved", "approved_offline", "", "Y3"), TRUSTED, {"80AE40": CERTIFICATE}, host=nothing,
        parameters=ONLINE_IF_POSSIBLE,
    ),
    "is silent, card does not allow": Case(
        ("declined", "host_unreachable", "", "Z3"), TRUSTED, host=nothing, parameters=ONLINE_IF_POSSIBLE
    ),
}  # fmt: skip
CARD_GOES_BACK = {
    "refuses": Case(("reverse", "approval_refused", "", "00"), load_card("refuses_approvals")),
    "wrong ARPC": Case(("reverse", "approval_refused", "", "00"), host=wrong_authentication),
    "no ARPC": Case(("reverse", "approval_refused", "", "00"), host=approved_bare),
    "unreadable field 55": Case(("reverse", "approval_refused", "", "00"), host=garbled_field),
    "leaves first": Case(("reverse", "removed", "EXTERNAL AUTHENTICATE", "00"), replies={"0082": None}),
    "leaves last": Case(("reverse", "removed", "GENERATE AC", "00"), replies={"80AE40": None}),
    "error": Case(("reverse", "refused", "GENERATE AC", "00"), replies={"80AE40": "6985"}),
    "asks again": Case(("reverse", "data_inconsistent", "GENERATE AC", "00"), replies={"80AE40": cryptogram("80")}),
    "garbled": Case(("reverse", "malformed", "GENERATE AC", "00"), replies={"80AE40": plain("400001")}),
}
DECIDED_AT_THE_COUNTER = {
    "approved offline": Case(
        ("approved", "approved_offline", "", "Y1"), TRUSTED, {"80AE40": CERTIFICATE}, parameters=OFFLINE
    ),
    "card insists on its issuer": Case(("approved", "approved_online", "", "00"), TRUSTED, parameters=OFFLINE),
    "declined by card": Case(("declined", "declined_by_card", "", "Z1"), replies={"80AE80": cryptogram("00")}),
    "declined by card offline": Case(
        ("declined", "declined_by_card", "", "Z1"), TRUSTED, {"80AE40": cryptogram("00")}, parameters=OFFLINE
    ),
    "declined by terminal": Case(("declined", "declined_by_terminal", "", "Z1"), patched(GOOD, {0x9F07: bytes(2)})),
    "PIN cancelled": Case(("cancelled", "pin_cancelled", "", ""), pin=PinResult("cancelled")),
    "choice cancelled": Case(
        ("cancelled", "choice_cancelled", "", ""), replies={"00B2010C": directory_entry(b"\x81")}, choice=None
    ),
}
NO_APPLICATION = {
    "card blocked": card_error("blocked", "SELECT", c00A404000E="6A81"),
    "card blocked at the application": card_error("blocked", "SELECT", c00A4040008="6A81"),
    "none": use_stripe("no_application", "SELECT", c00A4="6A82"),
    "blocked": card_error("application_blocked", "SELECT", c00A404000E="6A82", c00A4040008="6283"),
    "blocked, and in the directory": card_error("application_blocked", "SELECT", c00A4040008="6283"),
    "will not open": use_stripe("no_application", "SELECT", c00A4040008="6A82"),
    "opens as another": use_stripe("no_application", "SELECT", c00A4040008=answer({0x6F: build_tlv({0x84: bytes(8)})})),
    "has no name": use_stripe("malformed", "SELECT", c00A4040008=answer({0x6F: b""})),
    "refuses conditions": use_stripe("no_application", "SELECT", c80A8="6985"),
}
OPTIONS = "GET PROCESSING OPTIONS"
READ = "READ RECORD"
BROKEN_FILES = {
    "leaves at once": card_error("removed", "SELECT", c00A4=None),
    "status missing": use_stripe("malformed", "SELECT", c00A4="90"),
    "answer too long": use_stripe("malformed", "SELECT", c00A4="00" * 259),
    "options refused": use_stripe("refused", OPTIONS, c80A8="6F00"),
    "options empty": use_stripe("malformed", OPTIONS, c80A8="9000"),
    "options cut": use_stripe("malformed", OPTIONS, c80A8="80059000"),
    "profile cut": use_stripe("malformed", OPTIONS, c80A8=plain("1C")),
    "no files": card_error("malformed", "AFL", c80A8=plain("1C00")),
    "no files tagged": use_stripe("data_missing", "AFL", c80A8=answer({0x77: build_tlv({0x82: b"\x1c\x00"})})),
    "file 0": card_error("malformed", "AFL", c80A8=plain("1C0000010100")),
    "file 31": card_error("malformed", "AFL", c80A8=plain("1C00F8010100")),
    "record 0": card_error("malformed", "AFL", c80A8=plain("1C0008000100")),
    "files backwards": card_error("malformed", "AFL", c80A8=plain("1C0008020100")),
    "more to sign than there is": card_error("malformed", "AFL", c80A8=plain("1C0008010102")),
    "endless records": card_error(
        "too_many_commands", READ, c80A8=plain("1C001001FF00"), c00B2010C=directory_entry(b"\x01"), c00B20="70009000",
        c00B21="70009000", c00B22="70009000", c00B23="70009000", c00B24="70009000", c00B25="70009000",
        c00B26="70009000", c00B27="70009000",
    ),
    "record refused": card_error("refused", f"{READ} 2.1", c00B20114="6A83"),
    "record leaves": card_error("removed", READ, c00B20214=None),
    "record is no template": card_error("malformed", f"{READ} 2.1", c00B20114="6101019000"),
    "record is cut": card_error("malformed", f"{READ} 2.1", c00B20114="70025A089000"),
    "record is two": card_error("malformed", f"{READ} 2.1", c00B20114="700070009000"),
    "object twice in a record": card_error("malformed", f"{READ} 2.1", c00B20114="70065A01005A01009000"),
    "object twice in records": card_error("data_inconsistent", f"{READ} 2.2", c00B20214="70045F3401019000"),
    "stripe data garbled": card_error("malformed", f"{READ} 1.1", c00B2010C=in_application("FFFF9000")),
}  # fmt: skip
BROKEN_OBJECTS = {
    "no expiry": bad_object("data_missing", 0x5F24, "EXPIRY", None),
    "no number": bad_object("data_missing", 0x5A, "PAN", None),
    "no track": bad_object("data_missing", 0x57, "TRACK2", None),
    "no first list": bad_object("data_missing", 0x8C, "CDOL1", None),
    "no second list": bad_object("data_missing", 0x8D, "CDOL2", None),
    "expiry no date": bad_object("malformed", 0x5F24, "EXPIRY", "301331"),
    "expiry too long": bad_object("malformed", 0x5F24, "EXPIRY", "30123100"),
    "effective no date": bad_object("malformed", 0x5F25, "EFFECTIVE", "FF0101"),
    "sequence no number": bad_object("malformed", 0x5F34, "PSN", "0A"),
    "number too short": bad_object("malformed", 0x5A, "PAN", "629999"),
    "number no digits": bad_object("data_inconsistent", 0x5A, "PAN", "62999900ABCD0017"),
    "action code short": bad_object("malformed", 0x9F0E, "IAC_DENIAL", "00"),
    "usage control short": bad_object("malformed", 0x9F07, "USAGE_CONTROL", "FF"),
    "product too long": bad_object("malformed", 0x9F63, "PRODUCT_ID", "00" * 17),
    "track no track": bad_object("malformed", 0x57, "TRACK2", "FF" * 10),
    "track too long": bad_object("malformed", 0x57, "TRACK2", "6299990000000017D301222000000000000000"),
    "track of another": bad_object("data_inconsistent", 0x57, "PAN", "6299990000000025D301222000000000"),
    "CVM amounts cut": bad_object("malformed", 0x8E, "CVM_LIST", "00" * 7),
    "CVM rule cut": bad_object("malformed", 0x8E, "CVM_LIST", "00" * 9),
    "list cut in a tag": bad_object("malformed", 0x8C, "CDOL1", "9F"),
    "list cut in a length": bad_object("malformed", 0x8C, "CDOL1", "9F02"),
    "list too greedy": bad_object("malformed", 0x8C, "CDOL1", "9F027F" * 2),
}
BROKEN_CRYPTOGRAMS = {
    "refused": card_error("refused", "GENERATE AC", c80AE="6985"),
    "leaves": card_error("removed", "GENERATE AC", c80AE=None),
    "cut": card_error("malformed", "GENERATE AC", c80AE=plain("80")),
    "issuer data too long": card_error("malformed", "GENERATE AC", c80AE=cryptogram("80", "00" * 33)),
    "no kind": card_error("data_inconsistent", "GENERATE AC", c80AE=cryptogram("C0")),
    "higher than asked": card_error("data_inconsistent", "GENERATE AC", c80AE=cryptogram("40")),
    "without information": card_error("data_missing", "CRYPTOGRAM_INFORMATION", c80AE=tagged_cryptogram(0x9F27)),
    "without counter": card_error("data_missing", "ATC", c80AE=tagged_cryptogram(0x9F36)),
    "without itself": card_error("data_missing", "CRYPTOGRAM", c80AE=tagged_cryptogram(0x9F26)),
    "without issuer data": card_error("data_missing", "ISSUER_DATA", c80AE=tagged_cryptogram(0x9F10)),
}
TABLES = {
    "host": HOST_DECIDES, "goes back": CARD_GOES_BACK, "counter": DECIDED_AT_THE_COUNTER, "select": NO_APPLICATION,
    "files": BROKEN_FILES, "objects": BROKEN_OBJECTS, "cryptogram": BROKEN_CRYPTOGRAMS,
}  # fmt: skip
CASES = {f"{table}: {name}": case for table, cases in TABLES.items() for name, case in cases.items()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_ending(case: Case) -> None:
    sale = Counter(Card(case.card), case.parameters, FACTS, case.replies, case.pin, case.choice, case.host)
    outcome = sale.run()
    assert (outcome.kind, outcome.reason, outcome.where, outcome.response_code) == case.ends


@pytest.mark.parametrize("card", [GOOD, GOLDEN])
def test_card_that_leaves_at_any_command_ends_the_sale(card: Personalisation) -> None:
    whole = Counter(Card(card))
    whole.run()
    request = next(at for at, command in enumerate(whole.commands, 1) if command.startswith(("80AE80", "80AE90")))
    for at in range(1, len(whole.commands) + 1):
        outcome = Counter(Card(replace(card, pulled_out_at=at))).run()
        assert (outcome.kind, outcome.reason) == ("card_error" if at <= request else "reverse", "removed")


def test_deck_card_is_pulled_out_between_two_records() -> None:
    outcome = Counter(Card(load_card("pulled_out"))).run()
    assert (outcome.kind, outcome.reason, outcome.where) == ("card_error", "removed", "READ RECORD")


def test_nothing_was_sent_for_a_card_error() -> None:
    assert Counter(Card(GOOD), replies={"80AE": "6985"}).run().card is None


def test_an_offline_approval_carries_what_must_be_sent_later() -> None:
    outcome = Counter(Card(TRUSTED), OFFLINE, replies={"80AE40": CERTIFICATE}).run()
    assert outcome.card is not None
    assert outcome.card.masked == "629999******0017"
    assert outcome.f55.endswith(build_tlv({0x8A: b"Y1"}))
