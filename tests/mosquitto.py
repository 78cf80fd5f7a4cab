"""A real Mosquitto with the configuration that we write, on loopback, and clients with certificates to speak to it."""

import gc
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from host_switch import broker_files
from host_switch import certificates as host_certificates
from simulators import broker
from terminal import certificates

LOOPBACK = "127.0.0.1"
PATIENCE_S = 10.0


@dataclass
class Mosquitto:
    """A broker in a folder; `start`, `kill` and `reload` do what they say. Its port stays."""

    folder: Path
    port: int
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def command(self) -> list[str]:
        program = broker.mosquitto()
        assert program is not None, "install mosquitto: tests/system_packages.sh"
        return [program, "-c", str(self.folder / "mosquitto.conf")]

    def start(self) -> None:
        with (self.folder.parent / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), 1):
            return True
        return False

    def kill(self) -> None:
        assert self._process is not None, "started"
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None, "started"
        self._process.terminate()
        self._process.wait()

    def reload(self) -> None:
        assert self._process is not None, "started"
        self._process.send_signal(signal.SIGHUP)

    def account(self) -> int:
        """Whose process it is."""
        assert self._process is not None, "started"
        return Path(f"/proc/{self._process.pid}").stat().st_uid

    def log(self) -> str:
        return (self.folder.parent / "mosquitto.log").read_text()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class Simulated(Mosquitto):
    """The demo's broker, as it is started there."""

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "simulators.broker", "--data", str(self.folder), "--port", str(self.port)]


class StandIn(Simulated):
    """The one where there is no Mosquitto."""

    @property
    def command(self) -> list[str]:
        return [*super().command, "--stand-in"]


@contextmanager
def running_broker(
    folder: Path, host: Path, kind: type[Mosquitto] = Mosquitto, merchants: Mapping[str, str] | None = None
) -> Iterator[Mosquitto]:
    """A broker in `folder`, for the host with its authority in `host`; `merchants` are those of its terminals."""
    port = free_port()
    broker.set_up(folder / "broker", host, port)
    if merchants:
        broker_files.write_current(host, folder / "broker", merchants)
    running = kind(folder / "broker", port)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def certified_terminal(folder: Path, host: Path, terminal: str) -> ssl.SSLContext:
    """A terminal's folder with a certificate of this host, and what it shows to the broker."""
    folder.mkdir(exist_ok=True)
    issued = host_certificates.certify_terminal(host, terminal, certificates.request(folder, terminal))
    certificates.install(folder, terminal, issued)
    return certificates.client_context(folder)


class Speaker:
    """A client at the broker as a test wants it: it says, hears, and notes what the broker answers.

    With `resume`, the broker keeps for it what comes while it is away. `old` speaks MQTT 3.1.1, and does not resume.
    """

    def __init__(
        self, port: int, tls: ssl.SSLContext | None, name: str, *, resume: bool = False, old: bool = False
    ) -> None:
        version = MQTTProtocolVersion.MQTTv311 if old else MQTTProtocolVersion.MQTTv5
        self.client = Client(CallbackAPIVersion.VERSION2, name, protocol=version, reconnect_on_failure=False)
        if tls is not None:
            self.client.tls_set_context(tls)
        self.heard: deque[MQTTMessage] = deque()
        self.port = port
        self._resume = resume
        self._old = old
        self._changed = threading.Condition()
        self._connack: ReasonCode | None = None
        self._verdicts: dict[int, ReasonCode] = {}
        self._lost = False
        self.client.on_connect = lambda _c, _u, _flags, reason, _p: self._note(self._take_connack, reason)
        self.client.on_disconnect = lambda *_: self._note(self._take_loss)
        self.client.on_message = lambda _c, _u, message: self._note(self.heard.append, message)
        self.client.on_publish = lambda _c, _u, number, reason, _p: self._note(self._take_verdict, number, reason)
        self.client.on_subscribe = lambda _c, _u, number, said, _p: self._note(self._take_verdict, number, said[0])

    def _take_connack(self, reason: ReasonCode) -> None:
        self._connack = reason

    def _take_loss(self) -> None:
        self._lost = True

    def _take_verdict(self, number: int, reason: ReasonCode) -> None:
        self._verdicts[number] = reason

    def _note(self, change: Callable[..., None], *what: object) -> None:
        with self._changed:
            change(*what)
            self._changed.notify_all()

    def _until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE_S), "the broker does not answer"

    def connect(self) -> bool:
        """Connect; False if the broker does not want us."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600 if self._resume else 0
        try:
            if self._old:
                self.client.connect(LOOPBACK, self.port)
            else:
                self.client.connect(LOOPBACK, self.port, clean_start=not self._resume, properties=properties)
        except OSError:
            return False
        self.client.loop_start()
        self._until(lambda: self._connack is not None or self._lost)
        return self._connack is not None and not self._connack.is_failure and self.client.is_connected()

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> str:
        """Publish, and return what the broker says to it."""
        sent = self.client.publish(topic, payload, qos=1, retain=retain)
        self._until(lambda: sent.mid in self._verdicts)
        return str(self._verdicts[sent.mid])

    def listen(self, topic: str) -> None:
        """Subscribe."""
        _, number = self.client.subscribe(topic, qos=1)
        assert number is not None
        self._until(lambda: number in self._verdicts)

    def hear(self) -> tuple[str, bytes]:
        """The next message."""
        self._until(lambda: bool(self.heard))
        message = self.heard.popleft()
        return message.topic, bytes(message.payload)

    def lost(self) -> bool:
        """Wait until the broker has ended the connection."""
        self._until(lambda: self._lost)
        return True

    def drop(self) -> None:
        """Be gone without a word: the broker speaks our last will."""
        connection = self.client.socket()
        assert connection is not None
        connection.close()

    def close(self) -> None:
        """Say good-bye."""
        self.client.disconnect()
        self.client.loop_stop()


def comes_in(port: int, tls: ssl.SSLContext | None, name: str) -> bool:
    """Whether the broker lets somebody in."""
    speaker = Speaker(port, tls, name)
    with warnings.catch_warnings():  # paho leaves the socket of a handshake that failed to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        came_in = speaker.connect()
        gc.collect()
    speaker.close()
    return came_in


@contextmanager
def speaking(port: int, tls: ssl.SSLContext | None, name: str, *, resume: bool = False) -> Iterator[Speaker]:
    """A client that is connected."""
    speaker = Speaker(port, tls, name, resume=resume)
    assert speaker.connect()
    try:
        yield speaker
    finally:
        speaker.close()
