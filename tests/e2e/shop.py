"""The whole shop in this process, for browser tests: issuer, host, devices and terminal, talking over real sockets.

It runs in a loop of its own in a thread; the test drives it and the browser from the main thread.
"""

import asyncio
import itertools
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from host_switch import start as host
from simulators.counter.devices import PIN, Devices, Places
from simulators.issuer import Mood
from simulators.issuer_process import IssuerProcess, opened_issuer
from simulators.tour.setting_up import LOOPBACK, TERMINAL_ID, Ports, Shop, set_up
from terminal.cashier.app import serve
from terminal.start import Terminal, opened

PATIENCE_S = 10.0
REPLY_TIMEOUT_S = 1.5
_PORTS = itertools.count(10_000 + os.getpid() % 40 * 500)  # test processes side by side begin apart

T = TypeVar("T")


class RunningShop:
    """A shop that is open. Every method may be called from the test's thread."""

    def __init__(self, folder: Path) -> None:
        self.shop = set_up(folder, _free_ports())
        profile = self.shop.terminal / "profile.toml"
        quick = f"[host]\nreply_timeout_s = {REPLY_TIMEOUT_S}\n"
        profile.write_text(profile.read_text("utf-8").replace("[host]\n", quick), "utf-8")
        self.address = f"http://{LOOPBACK}:{self.shop.ports.page}"
        self.terminal_id = TERMINAL_ID
        self.was_stopped = False
        self.terminal: Terminal
        self._devices: Devices
        self._issuer: IssuerProcess
        self._hosting: AsyncExitStack
        self._loop = asyncio.new_event_loop()
        self._life: asyncio.Task[None] | None = None

    @contextmanager
    def open(self) -> Iterator["RunningShop"]:
        """Open for the time of the block."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        opened_parts = AsyncExitStack()
        try:
            self._do(self._open_all(opened_parts))
            self.wait_for(lambda view: view["session"]["state"] == "ready")
            yield self
        finally:
            self._do(opened_parts.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    # What people and things do

    def insert_card(self, name: str = "good") -> None:
        """Put a card into the slot."""
        self._do(self._devices.insert_card(name))

    def enter_pin(self, pin: str = PIN) -> None:
        """Press the PIN and enter, as soon as the pad asks."""
        self._call(lambda: self._devices.pin_pad.script([*pin, "enter"]))

    def tap(self, name: str) -> None:
        """Hold a card at the contactless reader."""
        self._do(self._devices.tap(name))

    def take_away(self) -> None:
        """Take it away from there."""
        self._do(self._devices.take_away(""))

    def swipe(self, name: str) -> None:
        """Pull a card through the stripe reader."""
        self._do(self._devices.swipe(name))

    def scan(self) -> None:
        """Hold the customer's phone under the scanner."""
        self._do(self._devices.scan(""))

    def airplane(self, how: str) -> None:
        """Take the phone's network away (``on``), or give it back (``off``)."""
        self._do(self._devices.airplane(how))

    @property
    def code(self) -> str:
        """What is on the phone's screen."""
        return self._call(lambda: self._devices.phone.code)

    def scan_again(self, code: str) -> None:
        """Hold a picture of a code under the scanner."""
        self._call(lambda: self._devices.scanner.scan(code))

    def unplug_scanner(self) -> None:
        """Pull the scanner's plug."""
        self._call(self._devices.scanner.unplug)

    def paper(self, how: str) -> None:
        """Take the printer's paper ``out``, or put it ``in``."""
        self._do(self._devices.paper(how))

    def mood(self, mood: Mood) -> None:
        """Set how the issuer treats what comes."""
        self._call(lambda: setattr(self._issuer.issuer, "mood", mood))

    def stop_host(self) -> None:
        """End the host: lines break, and nobody answers."""
        self._do(self._hosting.aclose())

    def start_host(self) -> None:
        """Start it again."""
        self._do(self._begin_host())

    def stop_terminal(self) -> None:
        """End the terminal, as a power cut would end it: nobody is told."""
        self.was_stopped = True
        self._do(self._end_terminal())

    def start_terminal(self) -> None:
        """Start it again, on what its folder holds."""
        self._do(self._begin_terminal())

    # What can be seen

    def view(self) -> dict[str, Any]:
        """What the page should show."""
        return self._call(self.terminal.runner.view)

    def wait_for(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the terminal's state is so."""
        return self._do(self._until(holds))

    async def _until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            async for view in self.terminal.runner.changes():
                if holds(view):
                    return view
        raise AssertionError("the terminal has ended")

    # Life

    async def _open_all(self, stack: AsyncExitStack) -> None:
        ports, shop = self.shop.ports, self.shop
        self._issuer = await stack.enter_async_context(_issuer(shop))
        self._hosting = await stack.enter_async_context(AsyncExitStack())
        await self._begin_host()
        places = Places(shop.counter, ports.card_reader, ports.contactless_reader, ports.printer)
        key = bytes.fromhex(shop.pad_key_file.read_text())
        self._devices = await Devices.plugged_in(places, key)
        stack.push_async_callback(self._devices.close)
        stack.push_async_callback(self._end_terminal)
        await self._begin_terminal()

    async def _begin_host(self) -> None:
        await self._hosting.enter_async_context(_host(self.shop))

    async def _begin_terminal(self) -> None:
        started = asyncio.Event()
        self._life = asyncio.create_task(self._live(started))
        await asyncio.wait((self._life, asyncio.ensure_future(started.wait())), return_when=asyncio.FIRST_COMPLETED)
        if self._life.done():
            self._life.result()

    async def _live(self, started: asyncio.Event) -> None:
        async with opened(self.shop.terminal) as self.terminal, asyncio.TaskGroup() as group:
            group.create_task(self.terminal.runner.run())
            group.create_task(serve(self.terminal.runner, self.terminal.operators, self.shop.ports.page))
            await _listening(self.shop.ports.page)
            started.set()

    async def _end_terminal(self) -> None:
        assert self._life is not None, "it has been started"
        self._life.cancel()
        await asyncio.wait((self._life,))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S + 1)

    def _call(self, work: Callable[[], T]) -> T:
        async def called() -> T:
            return work()

        return self._do(called())


@asynccontextmanager
async def _issuer(shop: Shop) -> AsyncIterator[IssuerProcess]:
    process = IssuerProcess(*opened_issuer(shop.issuer))
    await process.start(shop.ports.issuer, shop.ports.issuer_control)
    try:
        yield process
    finally:
        await process.stop()


@asynccontextmanager
async def _host(shop: Shop) -> AsyncIterator[None]:
    listen, issuer = host.Address(LOOPBACK, shop.ports.host), host.Address(LOOPBACK, shop.ports.issuer)
    async with host.opened(shop.host, listen, issuer) as (listener, _):
        work = asyncio.ensure_future(listener.serve_until_broken())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.wait((work,))


async def _listening(port: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0)
            else:
                writer.close()
                return


def _free_ports() -> Ports:
    """Ports that nobody listens on, below those that the system gives to connections: nobody takes one meanwhile."""
    return Ports(**{name: next(port for port in _PORTS if _is_free(port)) for name in Ports.__dataclass_fields__})


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True
