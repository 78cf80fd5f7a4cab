"""The broker of the demo and of tests: Mosquitto as `tillgate host broker-config` sets it up, where it is installed.

Where it is not, amqtt stands in (the extra `demo`): MQTT 3.1.1, only for this machine, and everybody may say everything
there. It is good for looking at the courier, and for nothing else.

``python -m simulators.broker --data FOLDER --port PORT`` is one process either way; FOLDER is what `set_up` has made.
"""

import argparse
import asyncio
import os
import pwd
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from host_switch import broker_files
from host_switch.command_line import merchants_of

LOOPBACK = "127.0.0.1"
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # not in everybody's PATH


def mosquitto() -> str | None:
    """Where Mosquitto is; None if it is not installed."""
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_FOLDERS)))


def available() -> bool:
    """Whether there is anything that can be the broker."""
    return mosquitto() is not None or find_spec("amqtt") is not None


def set_up(folder: Path, host: Path, port: int) -> None:
    """Make the broker's folder, for whoever we are, out of the authority in the host's.

    Raises:
        BrokerFilesError, CertificateError, OSError: it cannot be made.
    """
    own = pwd.getpwuid(os.geteuid()).pw_name
    merchants = merchants_of(host)
    broker_files.write(host, folder, names=[LOOPBACK], listen=LOOPBACK, port=port, user=own, merchants=merchants)


def run(folder: Path, port: int, *, stand_in: bool = False) -> None:
    """Become the broker, until SIGTERM."""
    program = None if stand_in else mosquitto()
    if program is None:
        asyncio.run(_stand_in(folder, port))
    else:
        os.execv(program, [program, "-c", str(folder / broker_files.CONFIGURATION)])  # noqa: S606


async def _stand_in(folder: Path, port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - only where Mosquitto is missing

    broker = Broker(_stand_ins_configuration(folder, port))
    await broker.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await broker.shutdown()


def _stand_ins_configuration(folder: Path, port: int) -> dict[str, Any]:
    certificate = str(folder / "broker.pem")
    return {
        "listeners": {
            "default": {
                "type": "tcp", "bind": f"{LOOPBACK}:{port}", "ssl": True, "cafile": str(folder / "ca.pem"),
                "certfile": certificate, "keyfile": certificate,
            }
        },
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }  # fmt: skip


def main() -> None:
    """Run the broker until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m simulators.broker", description="消息中间件 · The broker.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stand-in", action="store_true", help="amqtt, even where Mosquitto is installed")
    arguments = parser.parse_args()
    run(arguments.data, arguments.port, stand_in=arguments.stand_in)


if __name__ == "__main__":
    main()
