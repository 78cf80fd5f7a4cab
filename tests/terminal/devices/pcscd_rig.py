"""A real pcscd of the test's own, with two readers of vsmartcard's: beside the system's, and beside other tests'.

libpcsclite keeps the name of its socket for the life of a process, so that a process has one socket, whoever
listens, and one service at a time.
pcscd is given the socket open, as systemd would, which also makes it indifferent to another pcscd.
"""

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
READERS = ("Counter 00 00", "Counter 00 01")
_FOLDER = tempfile.TemporaryDirectory(prefix="pcscd-")
_SOCKET = Path(_FOLDER.name) / "socket"
_START = 'exec 3<&"$1"; export LISTEN_FDS=1 LISTEN_PID=$$; exec pcscd --foreground --error -c "$2"'


def two_ports() -> int:
    """A free port whose next one is free as well."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("0.0.0.0", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("0.0.0.0", port + 1))
            except (OSError, OverflowError):
                continue
            return port


class Pcscd:
    """The service, and where cards connect to: `ports`, in the order of `READERS`."""

    def __init__(self) -> None:
        os.environ["PCSCLITE_CSOCK_NAME"] = str(_SOCKET)
        port = two_ports()
        self.ports = (port, port + 1)
        self._config = tempfile.TemporaryDirectory(prefix="readers-", dir=_FOLDER.name)
        Path(self._config.name, "counter").write_text(
            f'FRIENDLYNAME "Counter"\nDEVICENAME /dev/null:{port:#06X}\nLIBPATH {DRIVER}\nCHANNELID {port:#06X}\n'
            .replace("0X", "0x"), "ascii",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; whoever connects meanwhile waits in the socket."""
        _SOCKET.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(_SOCKET))
            listening.listen()
            self._process = subprocess.Popen(
                ["bash", "-c", _START, "pcscd", str(listening.fileno()), self._config.name],
                pass_fds=(listening.fileno(),), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def kill(self) -> None:
        """End it without a chance to tell anybody."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._config.cleanup()
