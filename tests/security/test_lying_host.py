"""A liar between terminal and host, or a host that lies: the terminal loses nothing, doubles nothing, and approves only
what the host has approved. After each lie the truth is told again, and all three sides must agree to the last fen."""

from typing import Any

import pytest

from iso8583 import Message
from iso8583.framing import with_length
from iso8583.unionpay import Frame
from simulators.issuer import Mood
from tests.in_a_loop import in_a_loop
from tests.security.liar import Liar, Say, about, changed, honest, message_of, once, shop_with_liar, then_closed

CODE = "6288123456789012345"
# What a liar without keys can make of an approval, and how the sale must end.
WITHOUT_KEYS: dict[str, tuple[Say, str]] = {
    "nothing": (lambda _: [], "reversed"),
    "half of it": (lambda frame: [with_length(frame)[:40]], "reversed"),
    "no MAC": (changed(without=[64]), "reversed"),
    "a MAC of zeros": (changed(f64=bytes(8)), "reversed"),
    "another amount": (changed(f4="000000000001"), "reversed"),
    "a refusal": (changed(f39="51"), "reversed"),
    "another reference": (changed(f37="999999999999"), "reversed"),
    "another trace number": (changed(f11="999999"), "reversed"),
    "another terminal": (changed(f41="87654321"), "reversed"),
    "another merchant": (changed(f42="898110053110009"), "reversed"),
    "no terminal": (changed(without=[41]), "reversed"),
    "no batch": (changed(without=[60]), "reversed"),
    "an answer to an advice": (changed(mti="0230"), "reversed"),
    "an answer to a reversal": (changed(mti="0410"), "reversed"),
    "an answer to a settlement": (changed(mti="0510"), "reversed"),
    "a request": (changed(mti="0200"), "reversed"),
    "a chip that is told something else": (changed(f55=bytes.fromhex("910A00000000000000003030")), "reversed"),
    "garbage": (lambda _: [bytes(range(1, 200))], "reversed"),
    "a frame of garbage": (lambda _: [with_length(b"\x60" + bytes(100))], "reversed"),
    "an empty frame": (lambda frame: [b"\x00\x00", *honest(frame)], "reversed"),
    "a giant frame": (lambda frame: [b"\xff\xff" + bytes(65535)], "reversed"),
    "a length one too long": (lambda frame: [(len(frame) + 1).to_bytes(2, "big") + frame], "reversed"),
    "a length one too short": (lambda frame: [(len(frame) - 1).to_bytes(2, "big") + frame], "reversed"),
    "one byte at a time": (lambda frame: [bytes([byte]) for byte in with_length(frame)], "approved"),
    "five times": (lambda frame: honest(frame) * 5, "approved"),
    "first right, then refused": (lambda frame: [*honest(frame), *changed(f39="51")(frame)], "approved|reversed"),
    "first right, then garbage": (lambda frame: [*honest(frame), b"\xff\xff"], "approved|reversed"),
    "first for another, then right": (lambda frame: [*changed(f41="87654321")(frame), *honest(frame)], "approved"),
}  # fmt: skip


@pytest.mark.parametrize("lie", WITHOUT_KEYS)
@pytest.mark.parametrize("scan", [False, True])
@in_a_loop
async def test_an_approval_that_was_tampered_with(tmp_path, lie, scan):
    say, end = WITHOUT_KEYS[lie]
    if end == "reversed":
        say = then_closed(say)
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = once("0210", say)
        key = await s.charge(2500)
        s.scan(CODE) if scan else await s.present("good")
        payment = await s.until_final(key)
        await s.take_card()
        assert payment["state"] in end.split("|")
        await s.until_ready()
        await s.prove()
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()


@pytest.mark.parametrize("lie", ["with the old MAC", "without a MAC", "with a MAC of zeros"])
@in_a_loop
async def test_a_refusal_that_was_turned_into_an_approval(tmp_path, lie):
    says = {
        "with the old MAC": changed(f39="00"),
        "without a MAC": changed(f39="00", without=[64]),
        "with a MAC of zeros": changed(f39="00", f64=bytes(8)),
    }
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = once("0210", says[lie])
        assert (await s.sell_by_card(2500, card="lost"))["state"] == "reversed"
        assert s.slips == []
        await s.prove()


@pytest.mark.parametrize("lie", [lie for lie in WITHOUT_KEYS if lie != "an answer to an advice"])
@in_a_loop
async def test_a_refund_whose_answer_was_tampered_with_is_given_once(tmp_path, lie):
    say, _ = WITHOUT_KEYS[lie]
    async with shop_with_liar(tmp_path) as (s, liar):
        sale = await s.sell_by_card(2500)
        liar.say = once("0230", then_closed(say))
        assert (await s.refund(sale["key"], 1000))["state"] == "approved"
        await s.prove()


@pytest.mark.parametrize("lie", WITHOUT_KEYS)
@in_a_loop
async def test_a_reversal_whose_answer_was_tampered_with_is_asked_for_until_it_is_true(tmp_path, lie):
    say, _ = WITHOUT_KEYS[lie]
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = once("0410", then_closed(say))
        payment = await s.sell_by_card(2500, card="refuses_approvals")
        assert payment["state"] == "reversed"
        await s.prove()


@in_a_loop
async def test_answers_of_an_earlier_day_approve_nothing(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        sale = await s.sell_by_card(2500)
        await s.refund(sale["key"], 2500)
        await s.sell_by_code(2500, CODE)
        await s.settle()
        await s.prove()
        yesterday = [with_length(frame) for frame in liar.said]
        liar.say = once("0210", lambda _: [*yesterday * 2, b""])
        payment = await s.sell_by_card(2500)
        assert payment["state"] == "reversed"
        await s.until_ready()
        await s.prove()


@in_a_loop
async def test_answers_of_the_same_day_approve_nothing_else(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        await s.sell_by_card(2500, card="refuses_approvals")
        earlier = [with_length(frame) for frame in liar.said if message_of(frame).mti in ("0210", "0410")]
        assert len(earlier) == 3
        liar.say = once("0210", then_closed(lambda _: earlier))
        assert (await s.sell_by_card(2500))["state"] == "reversed"
        await s.prove()


@in_a_loop
async def test_answers_of_another_terminal_approve_nothing(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        def of_another(frame: bytes) -> list[bytes]:
            return changed(key=bytes(range(8)), f41="87654321")(frame) + changed(key=bytes(range(8)))(frame)

        liar.say = once("0210", then_closed(of_another))
        assert (await s.sell_by_card(2500))["state"] == "reversed"
        await s.until_ready()
        await s.prove()


@in_a_loop
async def test_an_approval_that_is_held_back_comes_too_late(tmp_path):
    async with shop_with_liar(tmp_path, reply_timeout_s=0.3) as (s, liar):
        held: list[bytes] = []

        def say(frame: bytes) -> list[bytes]:
            if message_of(frame).mti == "0210":
                held.append(with_length(frame))
                return []
            return [*held, *honest(frame), *held]  # before and after the answer to the reversal

        liar.say = say
        payment = await s.sell_by_card(2500)
        assert payment["state"] == "reversed"
        late = [record for record in s.journal_records() if type(record).__name__ == "LateAnswer"]
        assert len(late) == 2
        assert s.slips == []
        liar.say = honest
        await s.prove()


@in_a_loop
async def test_what_the_terminal_said_comes_back_at_it(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = once("0210", lambda _: [*honest(liar.asked[-1]), b""])
        assert (await s.sell_by_card(2500))["state"] == "reversed"
        await s.prove()


@pytest.mark.parametrize("times", [2, 5])
@in_a_loop
async def test_everything_is_said_and_asked_several_times(tmp_path, times):
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = liar.ask = lambda frame: honest(frame) * times
        sale = await s.sell_by_card(2500)
        await s.refund(sale["key"], 1000)
        voided = await s.sell_by_code(900, CODE)
        await s.void(voided["key"])
        await s.sell_by_card(2500, card="refuses_approvals")
        await s.prove()
        assert (await s.settle())["balanced"] is True
        await s.prove()


# --- sign-on, echo and settlement carry no MAC ------------------------------------------------------------------------

UNSIGNED: dict[str, Say] = {
    "no batch": changed(without=[60]),
    "half a batch": changed(f60="0000"),
    "no keys": changed(without=[62]),
    "half of the keys": changed(f62=bytes(30)),
    "wrong keys": changed(f62=bytes(60)),
    "no code": changed(without=[39]),
    "an unknown code": changed(f39="ZZ"),
    "an unknown terminal": changed(f39="97"),
    "another terminal": changed(f41="87654321"),
    "another trace number": changed(f11="999999"),
    "another type": changed(mti="0830"),
    "nothing but its type": lambda frame: [with_length(frame[:11] + b"\x08\x10" + bytes(8))],
    "garbage": lambda _: [b"\x00\x05\x60garbage"],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("lie", UNSIGNED)
@in_a_loop
async def test_a_sign_on_that_was_tampered_with(tmp_path, lie):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        await s.settle()
        await s.stop_terminal()
        liar.say = once("0810", then_closed(UNSIGNED[lie]))
        await s.restart_terminal()
        assert s.counter.book.batch == "000002"
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()


@in_a_loop
async def test_a_sign_on_with_the_number_of_a_batch_that_is_closed(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        await s.settle()
        await s.stop_terminal()
        liar.say = once("0810", changed(f60="00000001004"))
        await s.restart_terminal()
        payment = await s.sell_by_card(2500)
        assert payment["batch"] == "000002"
        await s.prove()


SETTLEMENT_LIES: dict[str, Say] = {
    "no totals": changed(without=[48]),
    "half of the totals": changed(f48="0000"),
    "an unknown result": changed(f48="7" * 62),
    "no batch": changed(without=[60]),
    "a refusal": changed(f39="77", without=[48]),
    "another batch": changed(f60="00000099201"),
    "another terminal": changed(f41="87654321"),
    "garbage": lambda _: [b"\x00\x05\x60garbage"],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("mti", ["0510", "0330"])
@pytest.mark.parametrize("lie", SETTLEMENT_LIES)
@in_a_loop
async def test_a_settlement_that_was_tampered_with(tmp_path, lie, mti):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        liar.say = once(mti, then_closed(SETTLEMENT_LIES[lie]))
        await s.settle()
        assert (await s.sell_by_card(700))["batch"] == "000002"
        await s.prove()


@in_a_loop
async def test_an_echo_that_is_refused_costs_no_payment(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = about("0830", changed(f39="97"))
        await s.stop_host()
        await s.until(lambda view: view["session"]["state"] == "down")
        await s.start_host()
        await s.until_ready()
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()


# --- a host that has the keys, and lies -------------------------------------------------------------------------------

WITH_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "a smaller amount": ({"f4": "000000000001"}, "reversed"),
    "a larger amount": ({"f4": "000000250000"}, "reversed"),
    "a part of more than all": ({"f39": "10", "f4": "000000250000"}, "reversed"),
    "a part of nothing": ({"f39": "10", "f4": "000000000000"}, "reversed"),
    "a part, without saying which": ({"f39": "10", "without": [4]}, "reversed"),
    "no code": ({"without": [39]}, "reversed"),
    "another terminal": ({"f41": "87654321"}, "reversed"),
    "another merchant": ({"f42": "898110053110009"}, "reversed"),
    "another processing code": ({"f3": "200000"}, "reversed"),
    "another trace number": ({"f11": "999999"}, "reversed"),
    "another type": ({"mti": "0230"}, "reversed"),
    "balances that are none": ({"f54": "x" * 20}, "approved"),
    "balances cut short": ({"f54": "1002156C"}, "approved"),
    "a time that is none": ({"f12": "999999", "f13": "9999"}, "approved"),
    "no time": ({"without": [12, 13]}, "approved"),
    "no reference": ({"without": [37]}, "reversed"),
    "no authorisation": ({"without": [38]}, "approved"),
    "chip data that are none": ({"f55": b"\x91"}, "reversed"),
    "chip data with a lying length": ({"f55": b"\x91\x84\xff\xff\xff\xff"}, "reversed"),
    "a very long text": ({"f63": "CUP" + "银" * 80}, "approved"),
    "a reversal is wanted": ({"f39": "68"}, "reversed"),
}


@pytest.mark.parametrize("lie", WITH_KEYS)
@in_a_loop
async def test_a_host_with_keys_that_lies(tmp_path, lie):
    change, end = WITH_KEYS[lie]
    async with shop_with_liar(tmp_path) as (s, liar):
        lie_once = changed(key=liar.mac_key, **change)
        liar.say = once("0210", then_closed(lie_once) if end == "reversed" else lie_once)
        payment = await s.sell_by_card(2500)
        assert payment["state"] in end.split("|")
        assert payment["amount"] == 2500
        liar.say = honest
        await s.prove()


@in_a_loop
async def test_a_flood_of_answers_to_nothing_drowns_nobody(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        s.mood(Mood("delay", times=1, delay_s=0.2))
        key = await s.charge(1000)
        await s.present("good")
        await s.until(lambda view: view["current"] and view["current"]["stage"] == "host")
        liar.inject(b"".join(map(with_length, liar.said)) * 500)
        assert (await s.until_final(key))["state"] in ("approved", "reversed")
        await s.take_card()
        await s.until_ready()
        assert (await s.sell_by_card(700))["state"] == "approved"
        await s.prove()


def acknowledge_the_end(liar: Liar) -> Say:
    """Answer the end of a batch in the host's name, and keep it from the host."""

    def ask(frame: bytes) -> list[bytes]:
        asked = Frame.parse(frame)
        if asked.message.mti != "0320":
            return honest(frame)
        echoed = {number: asked.message[number] for number in (11, 41, 42, 60)}
        liar.inject(with_length(asked.reply(Message("0330", {**echoed, 39: "00"})).to_bytes()))
        return []

    return ask


@in_a_loop
async def test_the_end_of_a_batch_that_only_a_liar_acknowledged_reaches_the_host_later(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        liar.ask = acknowledge_the_end(liar)
        await s.settle()
        assert [terminal.batch for terminal in s.books().terminals] == ["000001"]
        liar.ask = honest
        sale = await s.sell_by_card(700)
        assert (sale["batch"], sale["state"]) == ("000002", "approved"), "the host takes what is ahead of it"
        await s.stop_terminal()
        await s.restart_terminal()
        await s.host_until(lambda books: [terminal.batch for terminal in books.terminals] == ["000002"])
        await s.prove()
        assert (await s.settle())["balanced"] is True


@in_a_loop
async def test_a_settlement_in_a_batch_that_the_host_does_not_know_yet_ends_all_the_same(tmp_path):
    async with shop_with_liar(tmp_path) as (s, liar):
        await s.sell_by_card(2500)
        liar.ask = acknowledge_the_end(liar)
        await s.settle()
        liar.ask = honest
        assert (await s.settle())["batch"] == "000002"
        assert (await s.sell_by_card(700))["batch"] == "000003"
        await s.prove()
