"""Field 55 of every message: which data objects it carries, in which order."""

from dataclasses import replace

import pytest

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import Card, TappedCard
from terminal.emv import Application, Outcome
from terminal.emv.flags import Tvr
from tests.terminal.emv.rig import FACTS, GOLDEN, GOOD, PARAMETERS, Counter, issuer_answer, patched

REQUEST = [
    0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82, 0x9F1A, 0x9F03, 0x9F33, 0x9F34,
    0x9F35, 0x9F1E, 0x84, 0x9F09, 0x9F41,
]  # fmt: skip
SCRIPT = build_tlv({0x72: build_tlv({0x9F18: bytes(4), 0x86: bytes.fromhex("8424000004") + bytes(4)})})


@pytest.fixture(scope="module")
def sale() -> tuple[Counter, Outcome]:
    made = Counter(Card(GOLDEN), replies={"8424": "9000"}, host=lambda card: issuer_answer(card, more=SCRIPT))
    return made, made.run()


@pytest.mark.parametrize(("kind", "type_code"), [("sale", "00"), ("balance", "31"), ("cash", "01")])
def test_request(kind: str, type_code: str) -> None:
    card = patched(replace(GOLDEN, profile=b"\x1c\x00"), {0x9F07: b"\xff\xc0"})
    made = Counter(Card(card), facts=replace(FACTS, type=type_code))
    sent = made.sent()
    assert (list(sent), sent[0x9C].hex()) == (REQUEST, type_code)


def test_request_of_a_card_that_has_more_to_say() -> None:
    sent = Counter(Card(patched(GOOD, {0x9F63: b"0123456789ABCDEF"}))).sent()
    assert list(sent) == [*REQUEST, 0x9F63]


def test_reversal(sale: tuple[Counter, Outcome]) -> None:
    assert list(parse_tlv(sale[0].online.card.reversal_f55)) == [0x95, 0x9F1E, 0x9F10, 0x9F36]


def test_certificate_upload(sale: tuple[Counter, Outcome]) -> None:
    sent = parse_tlv(sale[1].f55)
    assert (list(sent), sent[0x9F27]) == (REQUEST, b"\x40")
    assert sent[0x9F26].hex().upper() == sale[1].receipt["TC"]


def test_script_result(sale: tuple[Counter, Outcome]) -> None:
    sent = parse_tlv(sale[1].script_f55)
    assert list(sent) == [0x9F33, 0x95, 0x9F37, 0x9F1E, 0x9F10, 0x9F26, 0x9F36, 0x82, 0xDF31, 0x9F1A, 0x9A]


def test_offline_sale() -> None:
    trusting = Application(GOOD.aid, floor_limit=10**6, tac_online=Tvr.NONE)
    card = patched(GOOD, {0x9F0F: bytes(5), 0x9F74: b"ECC001"})
    approves = {"80AE40": "8013400001" + "11" * 8 + "07010103900000019000"}
    outcome = Counter(Card(card), replace(PARAMETERS, applications=(trusting,)), replies=approves).run()
    sent = parse_tlv(outcome.f55)
    assert list(sent) == [*REQUEST, 0x8A, 0x9F74]
    assert (sent[0x8A], sent[0x9F27]) == (b"Y1", b"\x40")


def test_tapped_offline_sale() -> None:
    sent = parse_tlv(Counter(TappedCard(GOLDEN)).run().f55)
    assert list(sent) == [tag for tag in REQUEST if tag != 0x9F34] + [0x8A]
