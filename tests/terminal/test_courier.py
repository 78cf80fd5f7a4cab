"""The line through a broker: a real Mosquitto, which is killed, frozen, strict, or not the one it should be."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware_config.profile import CourierEndpoint, TerminalProfile
from host_switch import certificates as of_host
from iso8583 import Message
from iso8583.unionpay import Frame
from terminal import certificates as of_terminal
from terminal.courier import PAYLOAD_BYTES_MAX, SEEN_KEPT_S, Courier
from terminal.effects import Tell, TellShop
from terminal.events import CodesSeen, CourierLost, CourierRefused, CourierUp, Event, Received
from terminal.key_store import KeyStore
from terminal.records import Key
from terminal.vault import Vault
from tests.in_a_loop import in_a_loop
from tests.terminal.broker import WITHIN_S, Broker, Listener, broker
from tests.terminal.rig import PROFILE, answer

DELTAS_KEPT = 128
ADVICE = Message("0200", {
    3: "000000", 4: "000000002500", 11: "000012", 25: "00", 41: PROFILE.terminal_id, 42: PROFILE.merchant_id,
    49: "156", 60: "36000007000500",
})  # fmt: skip
REVERSAL = Message("0400", dict(ADVICE))
KEY = Key(PROFILE.terminal_id, "000007", "000012")
TOPIC = f"tg/{PROFILE.merchant_id}/{PROFILE.terminal_id}"
DOWN = f"{TOPIC}/down/answer"
SEEN = f"tg/{PROFILE.merchant_id}/shop/seen"


def profile(port: int, **settings: Any) -> TerminalProfile:
    endpoint = CourierEndpoint(address="127.0.0.1", port=port, keepalive_s=1, **settings)
    return PROFILE.model_copy(update={"courier": endpoint})


def frame(message: Message, command: str = "0") -> bytes:
    return Frame("6000000003", f"60310{command}310006", message).to_bytes()


class Line:
    """A courier that runs, and what it reports."""

    def __init__(self, courier: Courier, events: "asyncio.Queue[Event]") -> None:
        self.courier = courier
        self._events = events

    async def until(self, fits: Callable[[Event], bool]) -> Event:
        async with asyncio.timeout(WITHIN_S):
            while not fits(event := await self._events.get()):
                pass
        return event

    async def reports(self, expected: Event) -> None:
        await self.until(lambda event: event == expected)

    def cut(self) -> None:
        """The connection breaks, and nobody has taken leave."""
        assert self.courier._client is not None, "connected"
        line = self.courier._client.socket()
        assert isinstance(line, socket.socket)
        line.shutdown(socket.SHUT_RDWR)

    def silent(self) -> bool:
        return self._events.empty()


@asynccontextmanager
async def carrying(
    folder: Path, its_profile: TerminalProfile, tls: Any = None, offer_delta: Callable[[bytes], None] | None = None
) -> AsyncIterator[Line]:
    KeyStore.create(folder / "vault.json", bytes(16))
    events: asyncio.Queue[Event] = asyncio.Queue()
    courier = Courier(its_profile, Vault(KeyStore(folder / "vault.json")), events.put_nowait, tls, offer_delta)
    task = asyncio.create_task(courier.run())
    try:
        yield Line(courier, events)
    finally:
        task.cancel()
        await asyncio.wait([task])


# --- carrying ---------------------------------------------------------------------------------------------------------


@in_a_loop
async def test_an_advice_goes_up_as_a_frame_and_its_answer_comes_down_once(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        line.courier.send(ADVICE, 5)
        heard = await host.next_of("up/advice")
        assert Frame.parse(bytes(heard.payload)) == Frame("6000030000", "603100310006", ADVICE)
        assert heard.properties is not None and heard.properties.json()["MessageExpiryInterval"] in range(5, 11)
        host.say(DOWN, frame(answer(ADVICE), command="3"))
        await line.reports(Received(answer(ADVICE), "absent", "3", "courier"))
        assert line.silent()


@in_a_loop
async def test_each_kind_has_its_topic(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        line.courier.send(REVERSAL, 5)
        assert (await host.next_of("up/reversal")).topic == f"{TOPIC}/up/reversal"
        line.courier.tell(Tell({"batch": "000007"}, 900))
        assert b'"batch": "000007"' in (await host.next_of("up/telemetry")).payload


@in_a_loop
async def test_what_one_till_tells_the_shop_the_others_hear_and_not_itself(tmp_path: Path) -> None:
    uses = (b"1" * 16, b"2" * 16)
    async with broker(tmp_path) as there, Listener(there.port) as shop, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        line.courier.tell(TellShop(uses))
        heard = await shop.next_of(f"/shop/seen/{PROFILE.terminal_id}")
        assert bytes(heard.payload) == b"".join(uses) and not heard.retain
        assert heard.properties is not None
        assert heard.properties.json()["MessageExpiryInterval"] in range(SEEN_KEPT_S - 10, SEEN_KEPT_S + 1)
        for nonsense in (b"", b"short", bytes(PAYLOAD_BYTES_MAX + 16)):
            shop.say(f"{SEEN}/87654321", nonsense)
        shop.say(f"{SEEN}/87654321", b"3" * 16)
        assert await line.until(lambda _: True) == CodesSeen((b"3" * 16,)), "neither an echo nor nonsense came before"


@in_a_loop
async def test_a_till_that_was_away_hears_what_the_shop_has_told_meanwhile(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as shop, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        await presence(shop, b"online")  # and so the subscription before it has been taken
        line.cut()
        await presence(shop, b"offline")
        shop.say(f"{SEEN}/87654321", b"3" * 16)
        await line.reports(CodesSeen((b"3" * 16,)))


@in_a_loop
async def test_changes_of_lists_that_the_broker_keeps_are_all_offered_beside_answers(tmp_path: Path) -> None:
    kept = [number.to_bytes(2, "big") * 1000 for number in range(DELTAS_KEPT)]
    offered = list[bytes]()
    async with broker(tmp_path) as there, Listener(there.port) as host:
        for number, delta in enumerate(kept):
            host.say(f"tg/lists/revoked/{number}", delta, retain=True)
        await host.next_of(f"/{len(kept) - 1}")
        async with carrying(tmp_path, profile(there.port), offer_delta=offered.append) as line:
            await line.reports(CourierUp())
            host.say(DOWN, frame(answer(ADVICE)))
            await line.reports(Received(answer(ADVICE), "absent", "0", "courier"))
            host.say("tg/lists/quota/0", b"another")
            host.say(DOWN, frame(answer(ADVICE)))
            await line.reports(Received(answer(ADVICE), "absent", "0", "courier"))
            assert set(kept) <= set(offered) and b"another" in offered


async def presence(shop: Listener, wanted: bytes) -> None:
    while bytes((await shop.next_of("up/presence")).payload) != wanted:
        pass


@in_a_loop
async def test_the_brokers_acknowledgement_is_reported_to_nobody(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        line.courier.send(ADVICE, 5)
        await host.next_of("up/advice")
        host.say(DOWN, frame(answer(ADVICE)))
        assert isinstance(await line.until(lambda _: True), Received), "nothing came before the answer"


@in_a_loop
async def test_what_is_no_answer_is_passed_over(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        for nonsense in (b"", b"hello", bytes(PAYLOAD_BYTES_MAX + 1), frame(answer(ADVICE))[:-3]):
            host.say(DOWN, nonsense)
        for _ in range(200):
            host.say(DOWN, frame(answer(ADVICE)))
        host.say(DOWN, frame(answer(REVERSAL)))
        for _ in range(200):
            await line.reports(Received(answer(ADVICE), "absent", "0", "courier"))
        await line.reports(Received(answer(REVERSAL), "absent", "0", "courier"))


@in_a_loop
async def test_presence_is_told_and_the_broker_tells_when_we_are_gone(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host:
        async with carrying(tmp_path, profile(there.port)) as line:
            await line.reports(CourierUp())
            assert (await host.next_of("up/presence")).payload == b"online"
            line.cut()
            assert (await host.next_of("up/presence")).payload == b"offline"
            await line.reports(CourierUp())
            assert (await host.next_of("up/presence")).payload == b"online"
        assert (await host.next_of("up/presence")).payload == b"offline"


@in_a_loop
async def test_more_than_the_broker_takes_at_once_is_not_handed_over_and_breaks_nothing(tmp_path: Path) -> None:
    settings = "allow_anonymous true\nmax_inflight_messages 8"
    async with broker(tmp_path, settings) as there, Listener(there.port) as host, carrying(
        tmp_path, profile(there.port)
    ) as line:
        await line.reports(CourierUp())
        await host.next_of("up/presence")
        for number in range(100):
            line.courier.send(ADVICE.with_({11: f"{number:06d}"}), 5)
        heard = [Frame.parse(bytes((await host.next_of("up/advice")).payload)).message.text(11) for _ in range(7)]
        assert heard == [f"{number:06d}" for number in range(7)]
        line.courier.send(REVERSAL, 5)
        await host.next_of("up/reversal")
        assert line.silent(), "the connection stands, and nothing was refused"


# --- a broker that fails ----------------------------------------------------------------------------------------------


@in_a_loop
async def test_a_broker_that_is_killed_and_started_again_is_found_again(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        await there.kill()
        await line.reports(CourierLost())
        line.courier.send(ADVICE, 5)
        await there.start()
        await line.reports(CourierUp())
        async with Listener(there.port) as host:
            line.courier.send(REVERSAL, 5)
            await host.next_of("up/reversal")
            assert host.heard.empty(), "what was sent while nobody was there is not sent later by itself"


@in_a_loop
async def test_a_broker_that_says_nothing_is_noticed_and_what_it_held_is_not_sent_again(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        there.tell(signal.SIGSTOP)
        line.courier.send(ADVICE, 5)
        await line.reports(CourierLost())
        there.tell(signal.SIGKILL)
        await there.kill()
        await there.start()
        await host.ready()
        await line.reports(CourierUp())
        line.courier.send(REVERSAL, 5)
        heard = [(await host.next_of("")).topic.split("/")[-1]]
        while heard[-1] != "reversal":
            heard.append((await host.next_of("")).topic.split("/")[-1])
        assert "advice" not in heard


@in_a_loop
async def test_an_answer_that_came_while_we_were_away_is_brought(tmp_path: Path) -> None:
    """The broker keeps it: our session outlives the connection."""
    async with broker(tmp_path) as there, Listener(there.port) as host:
        async with carrying(tmp_path, profile(there.port)) as line:
            await line.reports(CourierUp())
        host.say(DOWN, frame(answer(ADVICE)))
        (tmp_path / "vault.json").unlink()
        async with carrying(tmp_path, profile(there.port)) as line:
            await line.reports(Received(answer(ADVICE), "absent", "0", "courier"))


@in_a_loop
async def test_without_a_broker_it_goes_on_looking_and_nothing_blocks(tmp_path: Path) -> None:
    there = Broker(tmp_path)
    async with carrying(tmp_path, profile(there.port)) as line:
        line.courier.send(ADVICE, 5)
        await there.start()
        await line.reports(CourierUp())
        await there.kill()


@in_a_loop
async def test_a_message_that_the_broker_does_not_carry_is_said(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text(f"topic read {TOPIC}/down/#\ntopic write {TOPIC}/up/reversal\n")
    rules = f"allow_anonymous true\nacl_file {tmp_path}/acl"
    async with broker(tmp_path, rules) as there, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        line.courier.send(ADVICE, 5)
        await line.reports(CourierRefused(KEY))


@in_a_loop
async def test_a_message_that_nobody_is_there_to_take_is_said(tmp_path: Path) -> None:
    async with broker(tmp_path) as there, carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
        line.courier.send(ADVICE, 5)
        await line.reports(CourierRefused(KEY))


@pytest.mark.parametrize("version", [5, 3])
@in_a_loop
async def test_both_versions_are_spoken(tmp_path: Path, version: int) -> None:
    async with broker(tmp_path) as there, Listener(there.port) as host:
        its_profile = profile(there.port, version=version)
        async with carrying(tmp_path, its_profile) as line:
            await line.reports(CourierUp())
            line.courier.send(ADVICE, 5)
            assert Frame.parse(bytes((await host.next_of("up/advice")).payload)).message == ADVICE


@in_a_loop
async def test_a_broker_that_knows_only_the_old_version_is_spoken_to_in_that(tmp_path: Path) -> None:
    there = Broker(tmp_path)
    await there.start_old()
    async with carrying(tmp_path, profile(there.port)) as line:
        await line.reports(CourierUp())
    await there.kill()


# --- certificates -----------------------------------------------------------------------------------------------------


def tls_broker(folder: Path, names: tuple[str, ...] = ("127.0.0.1",)) -> str:
    """A host with an authority; the settings of a broker that wants certificates of it, and shows one."""
    of_host.found(folder / "host", names)
    here = folder / "host" / of_host.FOLDER
    return (
        f"allow_anonymous false\ncafile {here}/ca.pem\ncertfile {here}/host.pem\nkeyfile {here}/host.pem\n"
        "require_certificate true\nuse_identity_as_username true\ntls_version tlsv1.3"
    )


def certified(folder: Path, host: Path) -> Any:
    folder.mkdir()
    request = of_terminal.request(folder, PROFILE.terminal_id)
    of_terminal.install(folder, PROFILE.terminal_id, of_host.certify_terminal(host, PROFILE.terminal_id, request))
    return of_terminal.client_context(folder)


class Log:
    """What the courier writes down, as it does so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._written: asyncio.Queue[str] = asyncio.Queue()
        monkeypatch.setattr("terminal.courier.log", self)

    def warning(self, event: str, **_: object) -> None:
        self._written.put_nowait(event)

    async def says(self, expected: str) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self._written.get() != expected:
                pass


@in_a_loop
async def test_with_its_certificate_a_terminal_is_known(tmp_path: Path) -> None:
    settings = tls_broker(tmp_path)
    context = certified(tmp_path / "terminal", tmp_path / "host")
    async with broker(tmp_path, settings) as there, carrying(tmp_path, profile(there.port, tls=True), context) as line:
        await line.reports(CourierUp())


@pytest.mark.parametrize(("name", "trusted"), [("127.0.0.1", "stranger"), ("elsewhere.example", "host")])
@in_a_loop
async def test_a_broker_of_another_authority_or_name_is_not_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: str
) -> None:
    settings, log = tls_broker(tmp_path, (name,)), Log(monkeypatch)
    of_host.found(tmp_path / "stranger", ["127.0.0.1"])
    context = certified(tmp_path / "terminal", tmp_path / trusted)
    async with broker(tmp_path, settings) as there, carrying(tmp_path, profile(there.port, tls=True), context) as line:
        await log.says("broker_not_trusted")
        assert line.silent()


@in_a_loop
async def test_a_certificate_of_another_authority_opens_no_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, log = tls_broker(tmp_path), Log(monkeypatch)
    of_host.found(tmp_path / "stranger", ["127.0.0.1"])
    context = certified(tmp_path / "terminal", tmp_path / "stranger")
    context.load_verify_locations(tmp_path / "host" / of_host.FOLDER / "ca.pem")
    async with broker(tmp_path, settings) as there, carrying(tmp_path, profile(there.port, tls=True), context) as line:
        await log.says("broker_hangs_up")
        assert line.silent()
