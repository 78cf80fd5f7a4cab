"""The courier's messages: from the broker into the listener's queue, and its answers back.

A message is acknowledged when what was decided about it is durable. While the store cannot write it is tried again, and
not acknowledged: it stays at the broker as well, and comes again if we die. So does whatever comes beyond the number
that may be under way. An answer that cannot be sent is dropped: it is in the store, and the terminal will ask again.

paho runs in a thread of its own, one client for each connection: nothing of a lost connection, neither a number of a
message nor a waiting answer, reaches the next. The broker may be down for as long as it likes. With one that takes the
connection, and not us, MQTT 3.1.1 and 5 are tried in turn. We wait for the connection ourselves: paho would read on
when there is no room (Mosquitto 2.0 sends more than it was allowed to, as soon as anything is acknowledged), and it
waits by `select`, which knows no more than a thousand open files.
"""

import asyncio
import select
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from host_switch.certificates import HOST_AT_BROKER
from host_switch.code_lists import CodeLists
from host_switch.envelopes import EVERYTHING_UP, PRESENCE, EnvelopeError, unfolded
from host_switch.events import Decision, Input, TelemetryTold
from host_switch.store import StoreError

UNDER_WAY_MAX = 256  # then we read no more; paho reads a few more at once while answers wait to be confirmed
ANSWERS_MAX = 10_000  # that wait for the broker; of half a KiB each
PACKET_MAX = 8192
KEEPALIVE_S = 30
CONNECT_TIMEOUT_S = 5.0
ANSWERED_WITHIN_S = 3.0  # some brokers that know only the older protocol say nothing to the newer one
SESSION_S = 300  # a restart; after a longer absence terminals have asked again anyway
ANSWER_EXPIRES_S = 600  # then the terminal has asked again
LOOK_AGAIN_S = 1.0
PAUSES_S = (0.5, 1.0, 2.0, 5.0)  # there is one of us, and whole fleets wait until we are back at the broker
STORE_RETRY_S = 1.0
STOPPED_WITHIN_S = 2.0  # a connection that is just being made has no way to be called off
SAY_AGAIN_S = 1.0
SAID_MAX = 1024

_OLDEST, _NEWEST = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
_log = structlog.get_logger("host_switch.ingest_mqtt")


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A message, and the connection that must acknowledge it, if it still is."""

    client: Client
    number: int
    qos: int
    topic: str
    payload: bytes = field(repr=False)


class Ingest:
    """The host's place at a broker. `ask` decides an input and returns when that is durable (`Listener.ask`).

    Its methods are called in the loop; `send` and `close` are what a listener needs of a line.
    """

    def __init__(
        self,
        ask: Callable[[Input], Awaitable[Decision]],
        host: str,
        port: int,
        tls: ssl.SSLContext,
        now: Callable[[], float] = time.monotonic,
        lists: CodeLists | None = None,
    ) -> None:
        self._ask = ask
        self._place = host, port
        self._tls = tls
        self._now = now
        self._lists = lists
        self._lists_told: tuple[Client, int] | None = None
        self._complaints = _Complaints(now)
        self._arrived = 0  # counted by the thread alone
        self._done = 0  # and by the loop alone
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._stopping = threading.Event()
        self._version = _NEWEST
        self._connected: Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._telling: set[str] = set()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._talk, name="courier", daemon=True)

    # --- in the loop --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, and go on for ever."""
        self._thread.start()

    async def stop(self) -> None:
        """Leave the broker. What is under way is left as a kill would leave it: not acknowledged, so it comes again."""
        self._stopping.set()
        self._wake()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.join, STOPPED_WITHIN_S)

    def send(self, name: str, frame: bytes) -> None:
        """Send an answer to a topic, if there is a broker to take it."""
        client = self._connected
        if client is None:
            return
        properties = self._properties(PacketTypes.PUBLISH, MessageExpiryInterval=ANSWER_EXPIRES_S)
        if client.publish(name, frame, qos=1, properties=properties).rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            self._complaints.say("answers pile up", "note")
        self._wake()

    def close(self, name: str, reason: str) -> None:
        """Nothing is closed: the broker's connection is everybody's. Say why it would be."""
        self._complaints.say(reason, "note", name.split("/")[2])

    def _take(self, arrived: _Arrived) -> None:
        task = self._loop.create_task(self._decide(arrived))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decide(self, arrived: _Arrived) -> None:
        try:
            event = unfolded(arrived.topic, arrived.payload)
            await self._decided(event)
        except EnvelopeError as error:
            self._complaints.say(error.reason, error.severity, error.terminal)
        finally:
            self._done += 1
        if arrived.client is self._connected:
            arrived.client.ack(arrived.number, arrived.qos)
        self._wake()

    def _wake(self) -> None:
        """Have the thread look what there is to do."""
        with suppress(OSError):  # it has not yet looked at what woke it before, or has ended
            self._waker.send(b"!")

    async def _decided(self, event: Input) -> None:
        """Wait until an input is decided for good. Of each terminal's telemetry one is under way: the rest is shed."""
        if isinstance(event, TelemetryTold):
            if event.terminal in self._telling:
                return
            self._telling.add(event.terminal)
        try:
            await self._until_durable(event)
        finally:
            if isinstance(event, TelemetryTold):
                self._telling.discard(event.terminal)

    async def _until_durable(self, event: Input) -> None:
        while True:
            try:
                await self._ask(event)
            except StoreError:  # the listener has said so; telemetry is not worth waiting for
                if isinstance(event, TelemetryTold):
                    return
            else:
                return
            await asyncio.sleep(STORE_RETRY_S)

    # --- in the thread ------------------------------------------------------------------------------------------------

    def _talk(self) -> None:
        """Be connected, one connection after the other, until we stop. Why there is none is said once."""
        failures, said = 0, ""
        while not self._stopping.is_set():
            client, reason = self._new_client(), ""
            try:
                self._one_connection(client)
            except (OSError, ValueError, MQTTException) as error:
                reason = _reason(error)
            if reason not in {"", said} and not self._stopping.is_set():
                _log.warning("no broker", severity="attention", error=reason)
            said, failures = reason, failures + 1 if reason else 0
            self._connected = None
            self._stopping.wait(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
        self._woken.close()
        self._waker.close()

    def _one_connection(self, client: Client) -> None:
        properties = self._properties(
            PacketTypes.CONNECT, SessionExpiryInterval=SESSION_S, ReceiveMaximum=UNDER_WAY_MAX,
            MaximumPacketSize=PACKET_MAX,
        )  # fmt: skip
        clean = False if self._version == _NEWEST else MQTT_CLEAN_START_FIRST_ONLY  # the older say it as they are made
        client.connect(*self._place, keepalive=KEEPALIVE_S, clean_start=clean, properties=properties)
        answer_by = self._now() + ANSWERED_WITHIN_S
        while self._carry(client):
            if self._stopping.is_set() or (self._connected is not client and self._now() > answer_by):
                client.disconnect()
            if self._lists is not None and self._connected is client:
                self._tell_lists(client, self._lists)
        if self._connected is not client:
            self._version = _NEWEST if self._version == _OLDEST else _OLDEST
            raise ConnectionError("it takes the connection, and not us")

    def _tell_lists(self, client: Client, lists: CodeLists) -> None:
        """Have the broker keep the changes of lists for terminals: of a new connection, or when there are others."""
        current = client, lists.looks()
        if current == self._lists_told:
            return
        self._lists_told = current
        try:
            for topic, delta in lists.by_topic().items():
                client.publish(topic, delta, qos=1, retain=True)
        except OSError as error:  # what is owed goes on all the same
            _log.warning("lists of codes cannot be read", severity="attention", error=_reason(error))

    def _carry(self, client: Client) -> bool:
        """Wait until there is something to read, and room for it, or to write, and do that; False at the end."""
        connection = client.socket()
        if not isinstance(connection, socket.socket):
            return False
        has_room = self._arrived - self._done < UNDER_WAY_MAX
        waiting = select.poll()
        waiting.register(self._woken, select.POLLIN)
        waiting.register(connection, select.POLLIN * has_room | select.POLLOUT * client.want_write())
        decrypted = has_room and isinstance(connection, ssl.SSLSocket) and connection.pending()
        happened = dict(waiting.poll(0 if decrypted else LOOK_AGAIN_S * 1000))
        if self._woken.fileno() in happened:
            self._woken.recv(4096)
        events = happened.get(connection.fileno(), 0)
        if decrypted or events & ~select.POLLOUT:
            client.loop_read()
        if client.want_write():
            client.loop_write()
        return not client.loop_misc()

    def _properties(self, packet: int, **values: int) -> Properties | None:
        """What is said beside a packet; the older protocol has no room for that."""
        if self._version != _NEWEST:
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        for name, value in values.items():
            setattr(properties, name, value)
        return properties

    def _new_client(self) -> Client:
        clean = None if self._version == _NEWEST else False
        client = Client(
            CallbackAPIVersion.VERSION2, HOST_AT_BROKER, clean_session=clean, protocol=self._version,
            reconnect_on_failure=False, manual_ack=True,
        )  # fmt: skip
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.tls_set_context(self._tls)
        client.max_queued_messages_set(ANSWERS_MAX)
        client.max_inflight_messages_set(UNDER_WAY_MAX)
        client.on_socket_open = _without_delay
        client.on_socket_register_write = _leave_it_to_the_thread
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_message, client.on_publish = self._on_message, self._on_publish
        return client

    def _on_connect(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            return
        shared = f"$share/host/{EVERYTHING_UP}" if self._version == _NEWEST else EVERYTHING_UP
        client.subscribe([(shared, 1), (PRESENCE, 1)])  # what was kept is not given to those who share
        self._connected = client
        _log.info("at the broker", host=self._place[0], port=self._place[1], version=int(self._version))

    def _on_disconnect(
        self, client: Client, _userdata: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if self._connected is client and not self._stopping.is_set():
            _log.warning("broker lost", severity="attention", error=str(reason))

    def _on_message(self, client: Client, _userdata: object, message: MQTTMessage) -> None:
        """Hand a message to the loop."""
        self._arrived += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._in_the_loop(self._take, _Arrived(client, message.mid, message.qos, topic, bytes(message.payload)))

    def _on_publish(
        self, _client: Client, _userdata: object, _number: int, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._complaints.say("answer refused by the broker", "attention", error=str(reason))

    def _in_the_loop(self, call: Callable[..., None], *what: object) -> None:
        """Have the loop do something, unless we have been stopped and left alone with a thread that is slow to end."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(call, *what)


def _without_delay(_client: Client, _userdata: object, connection: Any) -> None:
    """Else what is small waits until the broker has acknowledged what went before, which it puts off."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _leave_it_to_the_thread(*_: object) -> None:
    """Told that there is something to write, paho otherwise writes it at once, in whatever thread that is."""


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return getattr(error, "verify_message", "") or error.reason or "TLS"
    return (isinstance(error, OSError) and (error.strerror or str(error))) or type(error).__name__


class _Complaints:
    """One line for a thing, and the same not again within a second; then also how often it went unsaid."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._said: dict[Hashable, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def say(self, what: str, severity: str, terminal: str = "", error: str = "") -> None:
        """Say it, unless it has just been said."""
        now, about = self._now(), (what, terminal, error)
        with self._lock:
            if len(self._said) >= SAID_MAX:
                self._said.clear()
            at, unsaid = self._said.get(about, (now - SAY_AGAIN_S, 0))
            if now - at < SAY_AGAIN_S:
                self._said[about] = at, unsaid + 1
                return
            self._said[about] = now, 0
        _log.warning(what, severity=severity, terminal=terminal, error=error, before=unsaid)
