"""The counter's devices as a process. Ready when its page answers."""

import structlog
import uvicorn

from simulators.counter.devices import Devices, Places
from simulators.counter.page import CounterPage

log = structlog.get_logger("simulators.counter")


async def serve(places: Places, page_port: int, master_key: bytes, cashier_url: str = "") -> None:
    """Run the devices and their page until SIGTERM or SIGINT; `master_key` is the PIN pad's.

    Raises OSError if the printer's port is taken.
    """
    devices = await Devices.plugged_in(places, master_key)
    config = uvicorn.Config(
        CounterPage(devices, cashier_url).app(), port=page_port, log_level="warning", lifespan="off",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    log.info("counter_ready", port=page_port)
    try:
        await server.serve()
    finally:
        await devices.close()
