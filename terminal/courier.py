"""The line to the host through a broker (MQTT 5, or 3.1.1): carries what is owed, and brings its answers.

Shell code, like `host_link`: it connects, publishes, checks MACs and reports. A broker is a courier: that it has
acknowledged something proves nothing, and nothing here is kept for later. What cannot be handed over now is dropped,
and so is what a lost connection had not handed over: the core sends again what is owed.

The payload is a frame as on the line to the host, without its length. Topics are below ``tg/<merchant>/<terminal>``:
``up/reversal``, ``up/advice``, ``up/upload`` and ``up/telemetry``; ``down/answer``; and ``up/presence``, retained,
which the broker itself sets to *offline* when we are gone. The terminals of a shop hear each other below
``tg/<merchant>/shop/seen``: each says in its own name which codes have paid there. Below ``tg/lists`` the broker keeps
signed changes of the lists of keys that do not pay.

There is one client (`paho`) for each connection. To connect it is given a thread, for that blocks; then it lives in the
loop (`_InLoop`): a thread of its own would take turns with that at every packet. What has arrived while the loop did
something else is read at once, and the MACs in it are checked together.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import structlog
from paho.mqtt import MQTTException
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_config.profile import TerminalProfile
from iso8583 import Iso8583Error, Message
from iso8583.unionpay import Frame
from terminal import messages
from terminal.effects import Tell, TellShop
from terminal.events import CodesSeen, CourierLost, CourierRefused, CourierUp, Event
from terminal.host_link import received_in
from terminal.offline_codes import uses_in
from terminal.records import Key
from terminal.vault import Vault

CONNECT_WITHIN_S: Final = 5.0
RECONNECT_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
SESSION_KEPT_S: Final = 86_400
"""How long the broker keeps our subscriptions, and what we were not there to take."""
SEEN_KEPT_S: Final = 120
"""So long the shop is told of a code that has paid, also a terminal that is away: then it cannot come again."""
UNDER_WAY_MAX: Final = 256
ARRIVED_MAX: Final = 256
TOLD_MAX: Final = 16
"""So many messages of other terminals are taken at once: they never take the room of answers."""
PAYLOAD_BYTES_MAX: Final = 4096
CLOCK_S: Final = 0.5
LATE_S: Final = 5
"""A message is worth carrying so much longer than until it is sent again."""

LISTS: Final = "tg/lists/"
VERSION_REFUSED: Final = 0x84
NOBODY_LISTENS: Final = 0x10
"""Reason codes of MQTT 5; of the second it says that it is no failure, but there nobody has taken the message."""

log = structlog.get_logger()


class Courier:
    """Keeps one connection to the broker, and makes it again when it is lost. Without `tls` it is plain TCP.

    Changes of lists go to `offer_delta`, unproven.

    Reports CourierUp when the broker has taken our subscription, CourierLost, CourierRefused, Received and CodesSeen.
    """

    def __init__(
        self, profile: TerminalProfile, vault: Vault, report: Callable[[Event], None],
        tls: ssl.SSLContext | None = None, offer_delta: Callable[[bytes], None] | None = None,
    ) -> None:  # fmt: skip
        self._profile = profile
        self._endpoint = profile.courier
        self._vault = vault
        self._report = report
        self._tls = tls
        self._offer_delta = offer_delta
        self._topic = f"tg/{profile.merchant_id}/{profile.terminal_id}"
        self._shop = f"tg/{profile.merchant_id}/shop/seen/"
        self._version = self._endpoint.version
        self._client: Client | None = None
        self._under_way: dict[int, Key | None] = {}
        self._under_way_max = UNDER_WAY_MAX
        self._arrived: list[MQTTMessage] = []
        self._told: list[MQTTMessage] = []
        self._was_greeted = False
        self._failures = 0
        self.is_up = False

    async def run(self) -> None:
        """Connect, carry, and connect again, until cancelled."""
        while True:
            await self._converse()
            pause_s = RECONNECT_S[min(self._failures, len(RECONNECT_S) - 1)]
            self._failures += 1
            await asyncio.sleep(pause_s)

    def send(self, message: Message, again_in_s: int) -> None:
        """Hand one message over, if it can be done now. Nobody need carry it for long after it is sent again."""
        suffix = "reversal" if message.mti.startswith("04") else "upload" if message.mti == "0320" else "advice"
        frame = Frame(self._profile.host.tpdu, self._profile.host.header, message).to_bytes()
        self._publish(f"{self._topic}/up/{suffix}", frame, messages.key_in(message), again_in_s + LATE_S)

    def tell(self, effect: Tell | TellShop) -> None:
        """Hand over how the terminal is, or to the other terminals of the shop which codes have paid here."""
        match effect:
            case Tell(telemetry, again_in_s):
                said = json.dumps({**telemetry, "version": _version()}).encode()
                self._publish(f"{self._topic}/up/telemetry", said, None, again_in_s + LATE_S)
            case TellShop(fingerprints):
                self._publish(self._shop + self._profile.terminal_id, b"".join(fingerprints), None, SEEN_KEPT_S)

    # --- one connection -----------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        client = self._new_client()
        in_loop = _InLoop(client, self._take_arrived)
        self._client, self._was_greeted = client, False
        reached = False
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connect, client))
        try:
            await asyncio.shield(connecting)
            reached = True
            in_loop.begin()
            await in_loop.ended
        except (OSError, ValueError) as error:
            if isinstance(error, ssl.SSLError):
                log.warning("broker_not_trusted", reason=getattr(error, "verify_message", error.reason))
        finally:
            if reached and not self._was_greeted:
                log.warning("broker_hangs_up", version=self._version)  # also if it does not know our certificate
                self._try_another_version()
            self._is_lost()
            await asyncio.wait([connecting])  # the thread may still be at it, for CONNECT_WITHIN_S at most
            self._take_leave(client)
            in_loop.end()

    def _new_client(self) -> Client:
        """One for each connection: what the last had not handed over is gone with it, and not sent when it is stale."""
        is_5 = self._version == 5
        client = Client(
            CallbackAPIVersion.VERSION2, self._profile.terminal_id, clean_session=None if is_5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311, reconnect_on_failure=False,
            manual_ack=True,
        )  # fmt: skip
        client.connect_timeout = CONNECT_WITHIN_S
        client.max_inflight_messages_set(0)  # no limit of its own, which it would look at with every acknowledgement
        client.will_set(f"{self._topic}/up/presence", b"offline", qos=1, retain=True)
        if self._tls is not None:
            self._tls.sslsocket_class = _ClosedUnlessTrusted
            client.tls_set_context(self._tls)
        client.on_socket_open = _without_delay
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_publish, client.on_message = self._on_publish, self._on_message
        return client

    def _connect(self, client: Client) -> None:
        """Blocks until the connection stands: not in the loop."""
        where = (self._endpoint.address, self._endpoint.port, self._endpoint.keepalive_s)
        if self._version == 5:
            wishes = _properties(PacketTypes.CONNECT)
            wishes.SessionExpiryInterval = SESSION_KEPT_S
            wishes.ReceiveMaximum = ARRIVED_MAX
            wishes.MaximumPacketSize = 2 * PAYLOAD_BYTES_MAX
            client.connect(*where, clean_start=False, properties=wishes)
        else:
            client.connect(*where)

    def _take_leave(self, client: Client) -> None:
        """Say that we go, as far as anybody listens; if nobody does, the broker says it for us."""
        if client.is_connected():
            client.publish(f"{self._topic}/up/presence", b"offline", qos=1, retain=True)
            client.disconnect()
            client.loop_write()

    def _try_another_version(self) -> None:
        """The broker did not greet us. Some that know only 3.1.1 say why; others hang up."""
        if self._endpoint.version == 5:
            self._version = 3 if self._version == 5 else 5

    def _is_lost(self) -> None:
        self._client = None
        self._under_way.clear()
        self._arrived.clear()
        self._told.clear()
        if self.is_up:
            self.is_up = False
            self._report(CourierLost())

    def _publish(self, topic: str, payload: bytes, key: Key | None, expiry_s: int) -> None:
        client = self._client
        if client is None or not self.is_up or len(self._under_way) >= self._under_way_max:
            return
        properties = None
        if self._version == 5:
            properties = _expiring_in(expiry_s)
        handed = client.publish(topic, payload, qos=1, properties=properties)
        if handed.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._under_way[handed.mid] = key

    # --- what the broker says -----------------------------------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        """The broker has taken the connection, or not."""
        if reason.is_failure:
            self._was_greeted = reason.value != VERSION_REFUSED
            log.warning("broker_refuses_terminal", reason=str(reason))
            return
        self._was_greeted = True
        self._under_way_max = min(UNDER_WAY_MAX, getattr(properties, "ReceiveMaximum", UNDER_WAY_MAX))
        client.subscribe(f"{self._topic}/down/answer", qos=1)

    def _on_subscribe(
        self, client: Client, _data: Any, _number: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        """Answers would reach us, or never. What shop and lists say we can do without."""
        if self.is_up:
            if reasons[0].is_failure:
                log.warning("broker_refuses_shop_or_lists", reason=str(reasons[0]))
            return
        if reasons[0].is_failure:
            log.warning("broker_refuses_subscription", reason=str(reasons[0]))
            client.disconnect()
            return
        self.is_up, self._failures = True, 0
        client.subscribe(f"{self._shop}+", qos=1)
        client.subscribe(f"{LISTS}+/+", qos=1)
        told = client.publish(f"{self._topic}/up/presence", b"online", qos=1, retain=True)
        self._under_way[told.mid] = None
        self._report(CourierUp())

    def _on_publish(
        self, _client: Client, _data: Any, number: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        """The broker has a message, which proves nothing; or it does not carry it."""
        key = self._under_way.pop(number, None)
        if key is not None and (reason.is_failure or reason.value == NOBODY_LISTENS):
            log.warning("broker_refuses_message", reason=str(reason))
            self._report(CourierRefused(key))

    def _on_message(self, client: Client, _data: Any, message: MQTTMessage) -> None:
        """Something has come that may be an answer, of another terminal, or a change of a list.

        But for lists nothing is retained, or so long. When a broker sends more at once than it may, the host will be
        asked again.
        """
        if message.topic.startswith(LISTS):
            if self._offer_delta is not None:
                self._offer_delta(bytes(message.payload))
            client.ack(message.mid, message.qos)
            return
        may_be = not message.retain and len(message.payload) <= PAYLOAD_BYTES_MAX
        of_shop = message.topic.startswith(self._shop)
        waiting, maximum = (self._told, TOLD_MAX) if of_shop else (self._arrived, ARRIVED_MAX)
        if may_be and len(waiting) < maximum:
            waiting.append(message)
        else:
            client.ack(message.mid, message.qos)

    def _take_arrived(self) -> None:
        """Nothing else is there by now. What is, is acknowledged whatever it is: nobody else may want it."""
        arrived, self._arrived = self._arrived, []
        told, self._told = self._told, []
        for each in received_in([bytes(message.payload) for message in arrived], self._vault, "courier"):
            if isinstance(each, Iso8583Error):
                log.warning("courier_frame_refused", field=str(each.field), offset=each.offset, reason=each.reason)
            else:
                self._report(each)
        for message in told:
            if message.topic != self._shop + self._profile.terminal_id and (uses := uses_in(bytes(message.payload))):
                self._report(CodesSeen(uses))
        for message in (*arrived, *told):
            if self._client is not None:
                self._client.ack(message.mid, message.qos)


class _ClosedUnlessTrusted(ssl.SSLSocket):
    """paho forgets a socket whose handshake has failed."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class _InLoop:
    """A client that has connected, living in the loop: it reads, writes, and keeps the connection alive.

    `ended` is set when the connection has. `when_read` is called when what had come is read.
    """

    def __init__(self, client: Client, when_read: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._client = client
        self._when_read = when_read
        self._clock: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take it over from the thread that has connected it."""
        self._client.on_socket_register_write = self._write_soon
        self._client.on_socket_close = lambda _client, _data, line: self._forget(line)
        line = self._client.socket()
        if line is None:
            self._over()
            return
        self._loop.add_reader(line, self._read)
        self._write()
        self._read()
        self._look_at_clock()

    def end(self) -> None:
        """End the connection, if it has not ended."""
        line = self._client.socket()
        if line is not None and not self.ended.done():
            self._forget(line)
            line.close()

    def _read(self) -> None:
        self._step(self._client.loop_read)
        while isinstance(line := self._client.socket(), ssl.SSLSocket) and line.pending():
            self._step(self._client.loop_read)
        self._when_read()

    def _write_soon(self, *_: Any) -> None:
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        """What is queued goes; what the line does not take now, as soon as it does."""
        if not self._client.want_write():
            return
        self._step(self._client.loop_write)
        line = self._client.socket()
        if line is not None and self._client.want_write():
            self._loop.add_writer(line, self._write)
        elif line is not None:
            self._loop.remove_writer(line)

    def _look_at_clock(self) -> None:
        self._clock = self._loop.call_later(CLOCK_S, self._look_at_clock)
        self._step(self._client.loop_misc)

    def _step(self, step: Callable[[], MQTTErrorCode]) -> None:
        """Let the client do one thing. A broker that sends what is no MQTT is left."""
        try:
            step()
        except (MQTTException, OSError, ValueError, IndexError, struct.error) as error:
            log.warning("broker_speaks_nonsense", kind=type(error).__name__)
            self.end()

    def _forget(self, line: Any) -> None:
        """The client is about to close its socket."""
        self._loop.remove_reader(line)
        self._loop.remove_writer(line)
        self._over()

    def _over(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        if not self.ended.done():
            self.ended.set_result(None)


def _without_delay(_client: Client, _data: Any, connection: Any) -> None:
    """Else what is small waits until the broker has acknowledged what went before, which it puts off."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@cache
def _version() -> str:
    """Of this program; empty where it runs without having been installed."""
    try:
        return version("tillgate")
    except PackageNotFoundError:
        return ""


@cache
def _expiring_in(seconds: int) -> Properties:
    """There are only as many as there are pauses between two tries."""
    properties = _properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = seconds
    return properties


def _properties(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]
