"""What a broken terminal owed, brought to the host: booked once, under the seal of that terminal and no other."""

from host_switch.events import Decide, MessageRescued
from host_switch.rescue import outcome
from iso8583 import Message
from iso8583.rescue import seal
from iso8583.unionpay import Block60
from tests.host_switch.room import Room
from tests.host_switch.till import MASTER_KEY, Till, repeated

NOT_ITS_KEY = bytes(16)


def sealed(till: Till, message: Message, key: bytes = MASTER_KEY, terminal: str = "") -> bytes:
    return seal(key, terminal or till.id, till.frame(message.with_({64: bytes(8)}), protected=False), bytes(12))


def imported(room: Room, event: MessageRescued) -> str:
    """Decide it to the end; what became of it."""
    decision = room.decide(event)
    while decision.goes_on:
        (more,) = (effect.event for effect in decision.effects if isinstance(effect, Decide))
        decision = room.decide(more)
    return outcome(decision)


def rescued(room: Room, till: Till, message: Message) -> str:
    return imported(room, MessageRescued(till.id, sealed(till, message)))


def test_an_offline_sale_is_booked_without_a_mac_and_once(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    assert rescued(room, till, repeated(sale)) == "taken"
    assert rescued(room, till, repeated(sale)) == "known"
    room.issue()
    assert rescued(room, till, repeated(sale)) == "known"
    assert room.owed_to_merchant() == 1234


def test_a_terminal_that_comes_back_is_told_what_became_of_what_was_brought(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    rescued(room, till, repeated(sale))
    room.issue()
    assert till.read(room.sent(room.frame(till, repeated(sale)))[0])[39] == "00"
    assert room.owed_to_merchant() == 1234


def test_what_the_terminal_sent_itself_is_known(room: Room, till: Till) -> None:
    sale = till.offline_sale()
    room.talk(till, sale)
    assert rescued(room, till, repeated(sale)) == "known"
    assert room.owed_to_merchant() == 1234


def test_a_reversal_takes_back_a_sale_that_was_never_answered(room: Room, till: Till) -> None:
    sale, _ = room.sold(till)
    assert rescued(room, till, till.reversal(sale)) == "taken"
    assert room.owed_to_merchant() == 0


def test_a_seal_of_another_key_or_terminal_opens_nothing(room: Room, till: Till) -> None:
    other = room.till("87654321")
    wrong = (
        MessageRescued(till.id, sealed(till, till.offline_sale(), key=NOT_ITS_KEY)),
        MessageRescued(other.id, sealed(till, till.offline_sale())),
        MessageRescued("99999999", sealed(till, till.offline_sale())),
    )
    for event in wrong:
        assert imported(room, event).startswith("refused")
    assert not room.books().transactions


def test_what_is_inside_must_be_a_sale_of_the_terminal_that_sealed_it(room: Room, till: Till) -> None:
    other = room.till("87654321")
    for message in (other.offline_sale(), till.sign_on(), till.echo()):
        event = MessageRescued(till.id, sealed(till, message))
        assert imported(room, event).startswith("refused")
    assert not room.books().transactions


def test_a_neighbour_carries_it_and_is_told_the_hosts_answer(room: Room, till: Till) -> None:
    neighbour, sale = room.till("87654321"), till.offline_sale()
    field62 = till.id.encode() + sealed(till, repeated(sale))
    carrier = Message("0320", {
        11: "000001", 41: neighbour.id, 42: neighbour.merchant, 62: field62,
        60: Block60("00", "000000", "290").to_text(),
    })  # fmt: skip
    decision = room.frame(neighbour, carrier, connection="neighbour")
    while decision.goes_on:
        (more,) = (effect.event for effect in decision.effects if isinstance(effect, Decide))
        decision = room.decide(more)
    (answer,) = room.issue()
    assert till.read(answer)[39] == "00" and room.row(sale).connection == "neighbour"
    assert room.owed_to_merchant() == 1234
