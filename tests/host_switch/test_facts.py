"""What the core asks for before it decides, and which inputs get in each other's way."""

import pytest

from host_switch.channels import ChannelAnswer, ChannelCall
from host_switch.events import (
    ChannelAnswered,
    ChannelUnavailable,
    CommandGiven,
    DownloadGiven,
    Due,
    FrameReceived,
    Input,
    ParametersGiven,
    PhoneGiven,
    PhoneTaken,
    PresenceTold,
    SignerGiven,
    TerminalRegistered,
)
from host_switch.facts import Wanted, reference_number, wanted
from host_switch.frames import decoded
from host_switch.records import Download, Key, SignedKey
from iso8583 import Message
from iso8583.unionpay import Totals
from iso8583.unionpay_fields.field62 import Parameters62
from paycode.signed import claimed
from tests.host_switch.room import Room
from tests.host_switch.signed_phone import ISSUER, signed_phone
from tests.host_switch.till import MASTER_KEY, MERCHANT, Till

TILL = Till(mac_key=bytes(8))
KEY = Key("12345678", "000001", "000001")
CALL = ChannelCall("000000000007", "sale", "12345678", MERCHANT, 1, "156", 0.0)


def received(message: Message) -> FrameReceived:
    return decoded("line", TILL.frame(message.with_({11: "000001"})))


SALE = TILL.sale()
PHONE_CODE = "7710" + "1" * 20
VOID_BY_CODE = TILL.void(TILL.qr_sale(PHONE_CODE), "000000000042").with_({59: f"A3024{PHONE_CODE}"})
SIGNED = ISSUER.phone("Li", 1_800_000_000).show(1_800_000_000)

WANTED: list[tuple[Input, Wanted]] = [
    (received(SALE), Wanted("12345678", KEY, opens=True)),
    (received(TILL.reversal(SALE)), Wanted("12345678", KEY, reversal=True, opens=True)),
    (received(TILL.void(SALE, "000000000042")), Wanted("12345678", KEY, original=42, opens=True)),
    (received(TILL.refund(SALE, "NO REFERENCE", 1)), Wanted("12345678", KEY, opens=True)),
    (received(TILL.sign_on()), Wanted("12345678", fresh_keys=True)),
    (received(TILL.echo()), Wanted("12345678")),
    (received(TILL.settle(Totals())), Wanted("12345678", batch="000001")),
    (received(TILL.upload("0000", "207")), Wanted("12345678", batch="000001")),
    (received(SALE.with_({3: "990000"})), Wanted("12345678")),
    (ChannelAnswered(ChannelAnswer("000000000007", "12345678", "00")), Wanted(number=7)),
    (ChannelAnswered(ChannelAnswer("A00000000007", "12345678", "00")), Wanted()),
    (ChannelUnavailable(CALL), Wanted(number=7)),
    (Due(7), Wanted(number=7)),
    (received(TILL.parameters()), Wanted("12345678")),
    (CommandGiven("12345678", "3"), Wanted("12345678")),
    (ParametersGiven("12345678", Parameters62()), Wanted("12345678")),
    (TerminalRegistered("12345678", MERCHANT, MASTER_KEY), Wanted("12345678", downloads=True)),
    *((received(TILL.asks(code)), Wanted("12345678", downloads=True)) for code in ("370", "372", "380", "382", "390")),
    (DownloadGiven(Download("black-list", ())), Wanted()),
    (received(TILL.qr_sale("6212345678901234567")), Wanted("12345678", KEY, opens=True)),
    (received(TILL.qr_sale("28" + "1" * 22)), Wanted("12345678", KEY, opens=True)),
    (received(TILL.qr_sale("7710" + "1" * 19)), Wanted("12345678", KEY, opens=True)),
    (received(TILL.qr_sale(PHONE_CODE)), Wanted("12345678", KEY, opens=True, code=PHONE_CODE)),
    (received(VOID_BY_CODE), Wanted("12345678", KEY, original=42, opens=True)),
    (PhoneGiven(7, bytes(32), 1), Wanted(phone=7)),
    (PhoneTaken(7), Wanted(phone=7)),
    (received(TILL.offline_code_sale(SIGNED)), Wanted("12345678", KEY, opens=True, signed=claimed(SIGNED))),
    (received(TILL.offline_code_sale("TG1:0")), Wanted("12345678", KEY, opens=True)),
    (SignerGiven(SignedKey(bytes(32), 7)), Wanted()),
]


@pytest.mark.parametrize(("event", "names"), WANTED)
def test_each_input_names_the_facts_it_needs_and_no_others(event: Input, names: Wanted) -> None:
    assert wanted(event) == names


@pytest.mark.parametrize("reference", ["", "42", "00000000004A", "٠٠٠٠٠٠٠٠٠٠٠٤", "0000000000042"])
def test_a_reference_that_is_not_ours_names_nothing(reference: str) -> None:
    assert reference_number(reference) is None


# --- what shares a batch ----------------------------------------------------------------------------------------------


def clash(room: Room, first: Input, second: Input) -> bool:
    one, other = room.store.facts_for([first, second])
    clashes = one.touched.clashes_with(other.touched)
    assert clashes == other.touched.clashes_with(one.touched)
    return clashes


def test_two_requests_of_one_terminal_do_not(room: Room, till: Till) -> None:
    """Else the queue of a terminal that was offline would drain at one commit for each of its sales."""
    assert not clash(room, *(decoded("a", till.frame(till.offline_sale())) for _ in range(2)))


def test_nor_does_the_answer_to_one_of_them(room: Room, till: Till) -> None:
    room.frame(till, till.sale())
    (answer,) = room.asked(room.take_calls()[0])
    assert not clash(room, ChannelAnswered(answer), decoded("a", till.frame(till.sale())))


def test_the_same_request_twice_does_although_nothing_is_known_of_it(room: Room, till: Till) -> None:
    sale = till.sale()
    assert clash(room, *(decoded("a", till.frame(message)) for message in (sale, till.reversal(sale))))


@pytest.mark.parametrize("change", ["sign on", "settle", "presence", "order"])
def test_whatever_changes_the_terminal_waits_for_its_requests_and_they_for_it(
    room: Room, till: Till, change: str
) -> None:
    changes: dict[str, Input] = {
        "sign on": decoded("a", till.frame(till.sign_on())),
        "settle": decoded("a", till.frame(till.settle(Totals()))),
        "presence": PresenceTold(till.id, online=True),
        "order": CommandGiven(till.id, "2"),
    }
    room.frame(till, till.sale())
    (answer,) = room.asked(room.take_calls()[0])
    for event in (decoded("b", till.frame(till.sale())), ChannelAnswered(answer)):
        assert clash(room, event, changes[change])


def test_requests_of_two_terminals_do_not(room: Room, till: Till) -> None:
    other = room.till("87654321")
    assert not clash(room, decoded("a", till.frame(till.sale())), decoded("b", other.frame(other.sale())))


def test_two_refunds_of_one_sale_do_wherever_they_come_from(room: Room, till: Till) -> None:
    other = room.till("87654321")
    third = room.till("11111111")
    sale, reference = room.sold(till)
    refunds = [decoded("line", each.frame(each.refund(sale, reference, 1))) for each in (other, third)]
    assert clash(room, *refunds)
    assert clash(room, decoded("line", till.frame(till.reversal(sale))), refunds[0])


def test_an_answer_and_the_reversal_it_crosses_do(room: Room, till: Till) -> None:
    sale = till.sale()
    room.frame(till, sale)
    (answer,) = room.asked(room.take_calls()[0])
    assert clash(room, ChannelAnswered(answer), decoded("line", till.frame(till.reversal(sale))))


def test_two_codes_of_one_key_do_wherever_they_come_from(room: Room, till: Till) -> None:
    other, phone = room.till("87654321"), signed_phone(room)
    wang = ISSUER.phone("Wang", room.now)
    mine, yours, wangs = (
        decoded("line", each.frame(each.offline_code_sale(code)))
        for each, code in ((till, phone.show(room.now)), (other, phone.show(room.now)), (other, wang.show(room.now)))
    )
    assert clash(room, mine, yours)
    assert not clash(room, mine, wangs)
