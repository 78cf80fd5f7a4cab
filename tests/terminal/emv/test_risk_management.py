"""Floor limit, random selection and velocity, and what the action codes make of the findings."""

import hmac
from dataclasses import replace

import pytest

from iso8583.tlv import build_tlv
from simulators.cards import Card
from terminal.emv import Application, KnownCards, SaleFacts
from terminal.emv.card_session import CardSession
from terminal.emv.cryptogram import Cryptogram, first_request, request_without_host
from terminal.emv.flags import Tvr
from terminal.emv.risk_management import selection_percent
from tests.terminal.emv.rig import FACTS, GOOD, PARAMETERS, Counter, Reply, patched

AID = bytes.fromhex("A000000333010101")
APPLICATION = Application(
    AID, floor_limit=10_000, random_threshold=2_000, random_target_percent=20, random_max_percent=60
)
TERMINAL = replace(PARAMETERS, applications=(APPLICATION,))
RISK = (
    Tvr.FLOOR_LIMIT_EXCEEDED | Tvr.SELECTED_AT_RANDOM | Tvr.MERCHANT_FORCED_ONLINE | Tvr.NEW_CARD
    | Tvr.LOWER_OFFLINE_LIMIT_EXCEEDED | Tvr.UPPER_OFFLINE_LIMIT_EXCEEDED
)  # fmt: skip


def risk(facts: SaleFacts, card: dict[int, bytes | None] | None = None, replies: dict[str, Reply] | None = None) -> Tvr:
    return Tvr.parse(Counter(Card(patched(GOOD, card or {})), TERMINAL, facts, replies or {}).sent()[0x95]) & RISK


@pytest.mark.parametrize(
    ("amount", "chance", "finding"),
    [
        *((10_000, 99, Tvr.FLOOR_LIMIT_EXCEEDED), (10_000, 1, Tvr.FLOOR_LIMIT_EXCEEDED)),
        *((1_999, 20, Tvr.SELECTED_AT_RANDOM), (1_999, 21, Tvr.NONE)),
        *((9_999, 59, Tvr.SELECTED_AT_RANDOM), (9_999, 60, Tvr.NONE)),
    ],
)
def test_floor_limit_and_random_selection(amount: int, chance: int, finding: Tvr) -> None:
    assert risk(replace(FACTS, amount=amount, random_percent=chance)) == finding


@pytest.mark.parametrize(("amount", "percent"), [(0, 20), (1_999, 20), (2_000, 20), (6_000, 40), (9_999, 59)])
def test_selection_rises_from_threshold_to_floor_limit(amount: int, percent: int) -> None:
    assert selection_percent(APPLICATION, replace(FACTS, amount=amount)) == percent


def test_merchant_may_force_a_sale_online() -> None:
    assert Tvr.MERCHANT_FORCED_ONLINE in risk(replace(FACTS, force_online=True))


PAN = "6299990000000017"


def fingerprints(key: bytes) -> KnownCards:
    return KnownCards(lambda pan: hmac.digest(key, pan.encode("ascii"), "sha256"))


KNOWN = fingerprints(b"a key of this terminal")


def test_card_on_the_black_list() -> None:
    blocked = replace(KNOWN, blocked=frozenset({KNOWN.fingerprint(PAN)}))
    elsewhere = replace(fingerprints(b"another"), blocked=blocked.blocked)
    for cards, finding in ((blocked, Tvr.ON_EXCEPTION_FILE), (elsewhere, Tvr.NONE)):
        sent = Counter(Card(GOOD), replace(TERMINAL, known_cards=cards)).sent()
        assert Tvr.parse(sent[0x95]) & Tvr.ON_EXCEPTION_FILE == finding
    assert PAN not in repr(blocked)


@pytest.mark.parametrize(("spent", "finding"), [(9_000, Tvr.FLOOR_LIMIT_EXCEEDED), (8_999, Tvr.NONE)])
def test_what_was_spent_with_the_same_card_counts_towards_the_floor_limit(spent: int, finding: Tvr) -> None:
    cards = replace(KNOWN, recent_amounts={KNOWN.fingerprint(PAN): spent, KNOWN.fingerprint("1"): 10**6})
    sale = Counter(Card(GOOD), replace(TERMINAL, known_cards=cards), replace(FACTS, amount=1_000, random_percent=99))
    assert Tvr.parse(sale.sent()[0x95]) & Tvr.FLOOR_LIMIT_EXCEEDED == finding


def counter_reply(tag: int, value: int) -> str:
    return build_tlv({tag: value.to_bytes(2, "big")}).hex() + "9000"


BOTH = Tvr.LOWER_OFFLINE_LIMIT_EXCEEDED | Tvr.UPPER_OFFLINE_LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("counter", "last_online", "finding"),
    [
        (12, 10, Tvr.NONE),
        (13, 10, Tvr.LOWER_OFFLINE_LIMIT_EXCEEDED),
        (14, 10, Tvr.LOWER_OFFLINE_LIMIT_EXCEEDED),
        (15, 10, BOTH),
        (10, 10, BOTH),
        (2, 0, Tvr.NEW_CARD),
    ],
)
def test_velocity(counter: int, last_online: int, finding: Tvr) -> None:
    replies: dict[str, Reply] = {
        "80CA9F36": counter_reply(0x9F36, counter),
        "80CA9F13": counter_reply(0x9F13, last_online),
    }
    assert risk(FACTS, {0x9F14: b"\x02", 0x9F23: b"\x04"}, replies) == finding


@pytest.mark.parametrize("reply", ["6A88", "9F36019000", "9F360100 9000", "00009000"])
def test_card_that_keeps_its_counters_to_itself_exceeds_both_limits(reply: str) -> None:
    replies: dict[str, Reply] = {"80CA": reply.replace(" ", "")}
    assert risk(FACTS, {0x9F14: b"\x02", 0x9F23: b"\x04"}, replies) == BOTH


def test_card_without_limits_is_not_asked_for_counters() -> None:
    sale = Counter(Card(patched(GOOD, {0x9F14: b"\x02"})))
    sale.run()
    assert not [command for command in sale.commands if command.startswith("80CA")]


def session(tvr: Tvr, card: dict[int, bytes], terminal_type: str = "22", **codes: Tvr) -> CardSession:
    application = replace(Application(AID, tac_default=Tvr.NONE, tac_online=Tvr.NONE, tac_denial=Tvr.NONE), **codes)  # type: ignore[arg-type]
    parameters = replace(PARAMETERS, applications=(application,), terminal_type=terminal_type)
    made = CardSession(parameters, FACTS)
    made.tvr, made.card = tvr, card
    return made


QUIET = {0x9F0D: bytes(5), 0x9F0E: bytes(5), 0x9F0F: bytes(5)}
EXPIRED = Tvr.EXPIRED.to_bytes(5, "big")


@pytest.mark.parametrize(
    ("made", "request_kind"),
    [
        (session(Tvr.EXPIRED, QUIET), Cryptogram.TC),
        (session(Tvr.EXPIRED, QUIET, tac_denial=Tvr.EXPIRED), Cryptogram.AAC),
        (session(Tvr.EXPIRED, {**QUIET, 0x9F0E: EXPIRED}), Cryptogram.AAC),
        (session(Tvr.EXPIRED, {**QUIET, 0x9F0E: EXPIRED}, "21"), Cryptogram.AAC),
        (session(Tvr.EXPIRED, QUIET, tac_online=Tvr.EXPIRED), Cryptogram.ARQC),
        (session(Tvr.EXPIRED, {**QUIET, 0x9F0F: EXPIRED}), Cryptogram.ARQC),
        (session(Tvr.NONE, {**QUIET, 0x9F0F: EXPIRED}, tac_denial=Tvr.EXPIRED), Cryptogram.TC),
        (session(Tvr.NONE, QUIET, "21"), Cryptogram.ARQC),
        (session(Tvr.EXPIRED, {}), Cryptogram.ARQC),
        (session(Tvr.NONE, {}), Cryptogram.TC),
    ],
)
def test_action_analysis(made: CardSession, request_kind: Cryptogram) -> None:
    assert first_request(made) is request_kind


@pytest.mark.parametrize(
    ("made", "request_kind"),
    [
        (session(Tvr.EXPIRED, QUIET), Cryptogram.TC),
        (session(Tvr.EXPIRED, QUIET, tac_default=Tvr.EXPIRED), Cryptogram.AAC),
        (session(Tvr.EXPIRED, {**QUIET, 0x9F0D: EXPIRED}), Cryptogram.AAC),
        (session(Tvr.EXPIRED, {}), Cryptogram.AAC),
        (session(Tvr.NONE, QUIET, "21"), Cryptogram.AAC),
    ],
)
def test_action_analysis_without_host(made: CardSession, request_kind: Cryptogram) -> None:
    assert request_without_host(made) is request_kind


def test_not_authenticated_offline_means_online_under_unionpays_codes() -> None:
    below_floor = replace(PARAMETERS, applications=(Application(AID, floor_limit=10**6),))
    lenient_card = patched(GOOD, {0x9F0F: bytes(5)})
    sale = Counter(Card(lenient_card), below_floor, replace(FACTS, random_percent=99))
    assert sale.run().reason == "approved_online"
