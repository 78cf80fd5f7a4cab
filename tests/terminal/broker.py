"""A real Mosquitto on a loopback port, which a test kills, starts again, stops and lets go on."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.shop.rig import free_port

OLD_BROKER = """
import asyncio, sys
from amqtt.broker import Broker

async def run():
    await Broker({
        "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }).start()
    await asyncio.Event().wait()

asyncio.run(run())
"""
MOSQUITTO = "/usr/sbin/mosquitto"
WITHIN_S = 15.0


@dataclass(slots=True)
class Broker:
    """One broker. `settings` are lines of its configuration beside the listener's port."""

    folder: Path
    settings: str = "allow_anonymous true"
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait until it listens."""
        file = self.folder / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        file.write_text(f"{user}listener {self.port} 127.0.0.1\npersistence false\n{self.settings}\n")
        await self.start_by(MOSQUITTO, "-c", str(file))

    async def start_old(self) -> None:
        """Start another one in its place, which speaks MQTT 3.1.1 and nothing else."""
        await self.start_by(sys.executable, "-c", OLD_BROKER, str(self.port))

    async def start_by(self, *command: str) -> None:
        """Start with this command, and wait until it listens."""
        nowhere = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere)
        async with asyncio.timeout(WITHIN_S):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                assert self._process.returncode is None, "the broker does not take its configuration"
                await asyncio.sleep(0.02)

    def tell(self, what: signal.Signals) -> None:
        """SIGSTOP makes it a broker that is there and says nothing."""
        assert self._process is not None, "started"
        self._process.send_signal(what)

    async def kill(self) -> None:
        """SIGKILL: all that it had is gone."""
        if self._process is not None and self._process.returncode is None:
            self.tell(signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def broker(folder: Path, settings: str = "allow_anonymous true") -> AsyncIterator[Broker]:
    """A broker that has been started."""
    here = Broker(folder, settings)
    await here.start()
    try:
        yield here
    finally:
        await here.kill()


class Listener:
    """Somebody at the broker who hears what comes up, and sends down what a host would."""

    def __init__(self, port: int) -> None:
        self.heard: asyncio.Queue[MQTTMessage] = asyncio.Queue()
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "listener", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("tg/#", qos=1)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message

    def _subscribed(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ready.set)

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self.heard.put_nowait, message)

    async def __aenter__(self) -> Self:
        self._client.connect_async("127.0.0.1", self._port, 5)
        self._client.loop_start()
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def ready(self) -> None:
        """Wait until everything that is said is heard."""
        async with asyncio.timeout(WITHIN_S):
            await self._ready.wait()
        self._ready.clear()

    async def next_of(self, suffix: str) -> MQTTMessage:
        """The next message whose topic ends so."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                message = await self.heard.get()
                if message.topic.endswith(suffix):
                    return message

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish."""
        self._client.publish(topic, payload, qos=1, retain=retain)
