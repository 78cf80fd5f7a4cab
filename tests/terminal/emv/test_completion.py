"""After the host's answer: issuer authentication and the issuer's scripts, and what is reported of them."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import Card, TappedCard
from terminal.emv import OnlineAnswer
from terminal.emv.flags import Tvr
from tests.terminal.emv.rig import GOOD, Counter, Reply, issuer_answer, patched

BEFORE, AFTER = 0x71, 0x72
COMMAND = bytes.fromhex("8424000008") + bytes(8)
IDENTIFIER = bytes.fromhex("11223344")


def script(tag: int, *commands: bytes, identifier: bytes = IDENTIFIER) -> bytes:
    content = build_tlv({0x9F18: identifier}) + b"".join(build_tlv({0x86: command}) for command in commands)
    return build_tlv({tag: content})


def with_scripts(*scripts: bytes) -> Callable[[Card | TappedCard], OnlineAnswer]:
    return lambda card: issuer_answer(card, more=b"".join(scripts))


def run(*scripts: bytes, **replies: Reply) -> tuple[Counter, dict[int, bytes], str]:
    """Run a sale; return it, the data objects of the script result notice, and how it ended."""
    sale = Counter(
        Card(GOOD), replies={name[1:]: reply for name, reply in replies.items()}, host=with_scripts(*scripts)
    )
    outcome = sale.run()
    return sale, parse_tlv(outcome.script_f55), outcome.kind


def test_script_before_the_last_word() -> None:
    sale, notice, kind = run(script(BEFORE, COMMAND), c8424="9000")
    sent = [command[:4] for command in sale.commands]
    assert sent[-3:] == ["0082", "8424", "80AE"]
    assert kind == "approved"
    assert notice[0xDF31] == b"\x20" + IDENTIFIER


def test_script_after_the_last_word() -> None:
    sale, notice, _ = run(script(AFTER, COMMAND, COMMAND), c8424="6200")
    assert [command[:4] for command in sale.commands][-3:] == ["80AE", "8424", "8424"]
    assert notice[0xDF31] == b"\x20" + IDENTIFIER


def test_notice_has_the_listed_objects_in_order() -> None:
    _, notice, _ = run(script(AFTER, COMMAND), c8424="9000")
    assert list(notice) == [0x9F33, 0x95, 0x9F37, 0x9F1E, 0x9F10, 0x9F26, 0x9F36, 0x82, 0xDF31, 0x9F1A, 0x9A]


@pytest.mark.parametrize(
    ("tag", "finding"), [(BEFORE, Tvr.SCRIPT_FAILED_BEFORE), (AFTER, Tvr.SCRIPT_FAILED_AFTER)], ids=["71", "72"]
)
def test_failed_command_ends_its_script_and_is_named(tag: int, finding: Tvr) -> None:
    answers = iter(["9000", "6985", "9000"])
    sale, notice, kind = run(
        script(tag, COMMAND, COMMAND, COMMAND), script(tag, COMMAND), c8424=lambda apdu: bytes.fromhex(next(answers))
    )
    assert kind == "approved"
    assert notice[0xDF31] == b"\x12" + IDENTIFIER + b"\x20" + IDENTIFIER
    assert finding in Tvr.parse(notice[0x95])
    assert len([command for command in sale.commands if command.startswith("8424")]) == 3


def test_sale_stands_when_the_card_leaves_after_its_last_word() -> None:
    _, notice, kind = run(script(AFTER, COMMAND), c8424=None)
    assert kind == "approved"
    assert notice[0xDF31] == b"\x11" + IDENTIFIER


def test_sale_falls_when_the_card_leaves_in_a_script_before() -> None:
    _, notice, kind = run(script(BEFORE, COMMAND), c8424=None, c80AE40=None)
    assert kind == "reverse"
    assert notice[0xDF31] == b"\x11" + IDENTIFIER


@pytest.mark.parametrize("commands", [(b"",), (b"\x84\x24\x00",)], ids=["empty", "cut"])
def test_what_is_no_command_is_not_sent(commands: tuple[bytes, ...]) -> None:
    sale, notice, _ = run(script(AFTER, *commands))
    assert notice[0xDF31] == b"\x11" + IDENTIFIER
    assert sale.commands[-1].startswith("80AE")


def test_unreadable_script_failed_at_no_command() -> None:
    _, notice, _ = run(build_tlv({AFTER: b"\x86"}))
    assert notice[0xDF31] == b"\x10" + bytes(4)


def test_number_of_the_failed_command_stops_at_15() -> None:
    commands = [b"\x00\x01\x02\x03"] * 17
    answers = iter(["9000"] * 16 + ["6985"])
    _, notice, _ = run(
        script(AFTER, *commands, identifier=b"\x01"), c00010203=lambda apdu: bytes.fromhex(next(answers))
    )
    assert notice[0xDF31] == b"\x1f\x00\x00\x00\x01"


def test_scripts_are_carried_out_for_a_declined_sale_too() -> None:
    sale = Counter(
        Card(GOOD), replies={"8424": "9000"}, host=lambda card: issuer_answer(card, "51", script(AFTER, COMMAND))
    )
    outcome = sale.run()
    assert outcome.reason == "declined_by_issuer"
    assert parse_tlv(outcome.script_f55)[0xDF31] == b"\x20" + IDENTIFIER


def test_failed_issuer_authentication_is_found_and_told_to_the_card() -> None:
    wrong = build_tlv({0x91: bytes(8) + b"00"})
    sale = Counter(Card(GOOD), host=lambda card: OnlineAnswer("00", True, wrong))
    outcome = sale.run()
    assert Tvr.ISSUER_AUTHENTICATION_FAILED in Tvr.parse(bytes.fromhex(outcome.receipt["TVR"]))
    assert outcome.receipt["TSI"] == "7800"


def test_issuer_data_of_impossible_length_is_not_sent() -> None:
    sale = Counter(Card(GOOD), host=lambda card: OnlineAnswer("00", True, build_tlv({0x91: bytes(7)})))
    outcome = sale.run()
    assert not [command for command in sale.commands if command.startswith("0082")]
    assert Tvr.ISSUER_AUTHENTICATION_FAILED in Tvr.parse(bytes.fromhex(outcome.receipt["TVR"]))


def test_card_that_checks_by_itself_gets_the_data_in_its_list() -> None:
    card = Card(patched(replace(GOOD, profile=b"\x18\x00"), {0x8D: bytes.fromhex("8A02910A")}))
    sale = Counter(card, replies={"80AE40": "80130000011122334455667788070101032000000190" + "00"})
    sale.run()
    assert not [command for command in sale.commands if command.startswith("0082")]
    assert len(sale.commands[-1]) == 2 * (5 + 12 + 1)


@pytest.mark.parametrize("code", ["", "0", "000", "é0"])
def test_response_code_has_two_characters(code: str) -> None:
    with pytest.raises(ValueError, match="response code"):
        OnlineAnswer(code, False)
