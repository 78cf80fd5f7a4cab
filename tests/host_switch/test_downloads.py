"""The download loops at the host: pages, items, MACs, and what a terminal is asked for one after the other."""

import pytest

from host_switch.events import CommandGiven, DownloadGiven, ParametersGiven, TerminalRegistered
from host_switch.records import APPLICATIONS, BLACK_LIST, CA_KEYS, Download
from iso8583 import Message
from iso8583.unionpay_fields.field62 import Parameters62
from iso8583.unionpay_fields.field62_downloads import BlackList62, CardsAsked62, List62, ListAsked62, Name62
from tests.host_switch.room import Room, command_of
from tests.host_switch.till import MASTER_KEY, MERCHANT, Till
from tests.iso8583.downloads import APPLICATION, APPLICATION_WIRE, KEY, KEY_WIRE, RID

CARDS = tuple(b"629999%010d" % number for number in range(60))


@pytest.fixture
def laid_down(room: Room, till: Till) -> Till:
    for kind, items in ((CA_KEYS, (KEY_WIRE,)), (APPLICATIONS, (APPLICATION_WIRE,)), (BLACK_LIST, CARDS)):
        room.decide(DownloadGiven(Download(kind, items)))
    return till


def asked(room: Room, till: Till, code: str, field62: bytes = b"") -> Message:
    """The answer to a question, whose MAC is good and which names the question."""
    answer = room.talk(till, till.asks(code, field62))
    assert (answer[39], answer[11], 64 in answer) == ("00", "000042", True)
    return answer


def test_keys_are_listed_and_served(room: Room, laid_down: Till) -> None:
    listed = asked(room, laid_down, "372", ListAsked62().to_bytes())
    assert (listed.mti, List62.parse(listed.binary(62))) == ("0830", List62((KEY.name,)))
    key = asked(room, laid_down, "370", KEY.name.asked().to_bytes())
    assert (key.mti, key.binary(62)) == ("0810", KEY_WIRE)


def test_applications_are_listed_and_served(room: Room, laid_down: Till) -> None:
    listed = asked(room, laid_down, "382", ListAsked62().to_bytes())
    assert List62.parse(listed.binary(62)) == List62((Name62(APPLICATION.aid),))
    assert asked(room, laid_down, "380", Name62(APPLICATION.aid).to_bytes()).binary(62) == APPLICATION_WIRE


def test_black_list_comes_in_pages_that_say_whether_more_follow(room: Room, laid_down: Till) -> None:
    received: list[str] = []
    pages = 0
    more = True
    while more:
        page = BlackList62.parse(asked(room, laid_down, "390", CardsAsked62(len(received)).to_bytes()).binary(62))
        received += page.cards
        pages, more = pages + 1, page.more
    assert (pages, [card.encode() for card in received]) == (3, list(CARDS))
    beyond = asked(room, laid_down, "390", CardsAsked62(999).to_bytes())
    assert BlackList62.parse(beyond.binary(62)) == BlackList62()


def test_what_was_never_laid_down_is_an_empty_list(room: Room, till: Till) -> None:
    assert asked(room, till, "372", ListAsked62().to_bytes()).binary(62) == b"0"
    assert asked(room, till, "390", CardsAsked62().to_bytes()).binary(62) == b"0000"


@pytest.mark.parametrize(
    ("code", "field62", "refusal"),
    [("370", Name62(RID, 2).to_bytes(), "25"), ("380", Name62(RID).to_bytes(), "25"), ("370", b"\x9f", "30"),
     ("370", b"", "30"), ("372", b"1", "30"), ("390", b"x", "30"), ("372", b"", "30")],
)  # fmt: skip
def test_question_for_nothing_is_refused(code: str, field62: bytes, refusal: str, room: Room, laid_down: Till) -> None:
    assert room.talk(laid_down, laid_down.asks(code, field62))[39] == refusal


def test_nothing_is_served_before_the_sign_on(room: Room, laid_down: Till) -> None:
    """Without working keys there is no MAC to send it with."""
    stranger = room.till("87654321", signed_on=False)
    for code, field62 in (("372", b"100"), ("370", KEY.name.asked().to_bytes()), ("390", b"000")):
        (answer,) = room.sent(room.frame(stranger, stranger.asks(code, field62)))
        assert (stranger.read(answer)[39], command_of(answer), 62 in stranger.read(answer)) == ("A0", "3", False)


def test_a_new_set_takes_the_place_of_the_old(room: Room, laid_down: Till) -> None:
    room.decide(DownloadGiven(Download(BLACK_LIST, ())))
    assert asked(room, laid_down, "390", CardsAsked62().to_bytes()).binary(62) == b"0000"


# --- orders -----------------------------------------------------------------------------------------------------------


def test_a_terminal_is_asked_for_one_thing_after_the_other(room: Room, laid_down: Till) -> None:
    for command in ("4", "7", "4"):
        room.decide(CommandGiven(laid_down.id, command))
    assert command_of(room.sent(room.frame(laid_down, laid_down.echo()))[0]) == "4"
    assert command_of(room.sent(room.frame(laid_down, laid_down.asks("372", b"100")))[0]) == "4"
    assert command_of(room.sent(room.frame(laid_down, laid_down.asks("371")))[0]) == "7"
    assert command_of(room.sent(room.frame(laid_down, laid_down.asks("391")))[0]) == "0"


def test_the_end_of_a_download_takes_back_no_other_command(room: Room, laid_down: Till) -> None:
    room.decide(CommandGiven(laid_down.id, "5"))
    assert command_of(room.sent(room.frame(laid_down, laid_down.asks("371")))[0]) == "5"
    assert room.books().terminals[0].commands == "5"


def test_all_commands_are_taken_back_together(room: Room, laid_down: Till) -> None:
    for command in ("4", "3", "0"):
        room.decide(CommandGiven(laid_down.id, command))
    assert room.books().terminals[0].commands == ""


def test_newest_order_stands_before_what_a_terminal_may_not_be_able_to_do(room: Room, laid_down: Till) -> None:
    room.decide(CommandGiven(laid_down.id, "4"))
    room.decide(ParametersGiven(laid_down.id, Parameters62(45)))
    assert room.books().terminals[0].commands == "14"


def test_a_new_terminal_and_one_with_new_keys_are_asked_to_download_all_there_is(room: Room, laid_down: Till) -> None:
    new = room.till("87654321", signed_on=False)
    assert command_of(room.sent(room.frame(new, new.sign_on()))[0]) == "4"
    room.decide(TerminalRegistered(laid_down.id, MERCHANT, MASTER_KEY))
    assert [sorted(terminal.commands) for terminal in room.books().terminals] == [["4", "5", "7"]] * 2
