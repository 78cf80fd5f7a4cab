"""The counter's devices as a process."""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from simulators.counter.devices import Devices, Places
from simulators.counter.page import CounterPage
from simulators.wallet import WalletError
from simulators.wallet.issuing import Online

PAD_KEY_FILE = "pin_pad_master.hex"
KEY_BYTES = 16


class CounterError(Exception):
    """The devices cannot be set up; the text says what to do."""


def pad_key(folder: Path) -> bytes:
    """The PIN pad's master key, in the devices' folder. Raises CounterError."""
    try:
        key = bytes.fromhex((folder / PAD_KEY_FILE).read_text())
    except (OSError, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise CounterError(f"the PIN pad needs its master key: write 32 hexadecimal digits to {folder / PAD_KEY_FILE}")
    return key


async def serve(
    places: Places,
    page_port: int,
    master_key: bytes,
    cashier_url: str,
    on_ready: Callable[[], None],
    online: Online | None = None,
) -> None:
    """Run the devices and their page until SIGTERM or SIGINT. Raises CounterError if a port is taken."""
    try:
        listening = socket.create_server(("127.0.0.1", page_port))
        devices = await Devices.plugged_in(places, master_key, online)
    except (OSError, WalletError) as error:
        raise CounterError(f"the devices cannot be plugged in: {error}") from None
    config = uvicorn.Config(
        CounterPage(devices, cashier_url).app(), log_config=None, access_log=False, lifespan="off",
        server_header=False, timeout_graceful_shutdown=1, ws="none",
    )  # fmt: skip
    on_ready()
    try:
        await uvicorn.Server(config).serve([listening])
    finally:
        await devices.close()
