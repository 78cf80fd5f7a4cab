"""The courier benchmark's broker: a Mosquitto that is started, killed, and started again."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.children import Server
from host_switch.broker_files import CONFIGURATION
from simulators import broker

LISTENS_WITHIN_S = 10.0
LOOK_AGAIN_S = 0.01


class Broker:
    """Mosquitto, in a folder that `simulators.broker.set_up` has made. Also a fork of us may kill and start it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> Server:
        """Its process."""
        assert self._process is not None, "started"
        return Server(self._process.pid, self.port)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = broker.mosquitto()
        assert program is not None, "looked for before"
        command = [program, "-c", str(self._folder / CONFIGURATION)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + LISTENS_WITHIN_S
        while not self._listens():
            assert self._process.poll() is None, "the broker takes its configuration"
            assert time.monotonic() < deadline, "the broker listens"
            time.sleep(LOOK_AGAIN_S)

    def kill(self) -> None:
        """SIGKILL, and wait until nobody listens any more."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            while self._listens():
                time.sleep(LOOK_AGAIN_S)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@contextmanager
def running(here: Broker) -> Iterator[None]:
    """A broker that has been started."""
    here.start()
    try:
        yield
    finally:
        here.kill()
