"""A real pcscd of one's own, with virtual readers of vsmartcard's: beside the system's, and beside other people's.

    python -m simulators.pcscd --data FOLDER --port 9802

becomes the service, with its socket in the folder. It is given that socket open, as systemd would, which also makes it
indifferent to another pcscd. Without root it gets a /run of its own.

libpcsclite keeps the name of its socket for the life of a process, so that a process has one socket, whoever listens.
The virtual readers listen on every address of the machine: whoever can connect is the card.
"""

import argparse
import importlib.util
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

SERVICE_PACKAGES: Final = ("pcscd", "vsmartcard-vpcd")
DRIVER_PACKAGES: Final = ("gcc", "libc6-dev", "libpcsclite-dev", "python3-dev")  # pip builds the terminal's driver
DRIVER: Final = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
SLOTS: Final = 2
"""The driver has so many readers, on ports that follow one another, and not more: hence a copy of it for each pair."""

_PORTS: Final = range(10_000, 32_000, SLOTS)  # below those that the kernel gives to whoever asks for any
_SOCKET: Final = "socket"
_FIRST_PASSED: Final = 3  # the number under which systemd hands over a socket
_OWN_RUN: Final = ("unshare", "-Urm", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec setpriv --pdeathsig KILL "$@"', "")


def reader_name(number: int) -> str:
    """What the reader with this number is called."""
    return f"Counter {number // SLOTS} 00 {number % SLOTS:02d}"


def missing() -> str:
    """What is missing for a pcscd and for a terminal that uses it, and what to type; empty if nothing is."""
    service = DRIVER.exists() and shutil.which("pcscd")
    driver = importlib.util.find_spec("smartcard")
    packages = [*([] if service else SERVICE_PACKAGES), *([] if driver else DRIVER_PACKAGES)]
    commands = [f"sudo apt-get install {' '.join(packages)}"] if packages else []
    commands += [] if driver else [f"{sys.executable} -m pip install pyscard"]
    return f"缺少 pcscd 读卡所需的软件 / pcscd cannot be used yet. Type: {' && '.join(commands)}" if commands else ""


def environment(folder: Path) -> dict[str, str]:
    """What a process that is to find the service in `folder` needs before it first uses PC/SC."""
    return {"PCSCLITE_CSOCK_NAME": str(folder / _SOCKET)}


def free_ports(count: int = SLOTS) -> list[int]:
    """So many free ports, one after the other. The readers take them on every address."""
    while True:
        first = random.choice(_PORTS)
        ports = list(range(first, first + count))
        if all(map(_is_free, ports)):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


class Pcscd:
    """The service in `folder`, with so many pairs of readers; cards for reader n connect to `ports[n]`."""

    def __init__(self, folder: Path, pairs: int = 1) -> None:
        self._folder = folder
        self.ports = [port for _ in range(pairs) for port in free_ports()]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it. It is ready a little later."""
        ports = [argument for port in self.ports[::SLOTS] for argument in ("--port", str(port))]
        command = [sys.executable, "-m", "simulators.pcscd", "--data", str(self._folder), *ports]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - us

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


# Becoming the service ------------------------------------------------------------------------------------------------


def become(folder: Path, ports: Sequence[int]) -> None:
    """Turn this process into the service, with a pair of readers on each port and the one after it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # whoever may open the socket may speak to the card
    readers = folder / "readers"
    shutil.rmtree(readers, ignore_errors=True)
    readers.mkdir()
    for number, port in enumerate(ports):
        driver = Path(shutil.copy(DRIVER, folder / f"reader_{number}.so"))
        (readers / str(number)).write_text(
            f'FRIENDLYNAME "Counter {number}"\nDEVICENAME /dev/null:0x{port:X}\nLIBPATH {driver}\n'
            f"CHANNELID 0x{port:X}\n", "ascii",
        )  # fmt: skip
    door = folder / _SOCKET
    door.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        listening.listen()
        os.dup2(listening.fileno(), _FIRST_PASSED)
        os.set_inheritable(_FIRST_PASSED, True)  # which dup2 does not, if it has that number already
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        command = ("pcscd", "--foreground", "--error", "--config", str(readers))
        whole = command if os.geteuid() == 0 else (*_OWN_RUN, *command)
        os.execvp(whole[0], whole)  # noqa: S606 - a program of the system, with paths that we made


def main() -> None:
    """Read the command line, and become the service."""
    parser = argparse.ArgumentParser(prog="python -m simulators.pcscd", description="A pcscd of one's own.")
    parser.add_argument("--data", type=Path, required=True, help="for its socket and its readers")
    parser.add_argument("--port", type=int, action="append", required=True, help="where cards connect; may be repeated")
    options = parser.parse_args()
    if reason := missing():
        sys.exit(reason)
    become(options.data.resolve(), options.port)


if __name__ == "__main__":
    main()
