"""Driver for a receipt printer on a TCP port (raw port 9100)."""

import asyncio
import socket
from contextlib import ExitStack

from terminal.devices.printer_link import Link
from terminal.devices.printer_protocol import PATIENCE, EscPosPrinter, Patience


def tcp_printer(host: str, port: int = 9100, patience: Patience = PATIENCE) -> EscPosPrinter:
    """Return the printer at an address; it is reached for at every job."""

    async def open_link() -> Link:
        loop = asyncio.get_running_loop()
        (family, kind, protocol, _, address), *_ = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with ExitStack() as unless_open:  # also when given up: an unfinished connection is nobody's
            connection = unless_open.enter_context(socket.socket(family, kind, protocol))
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, address)
            unless_open.pop_all()
        return Link(connection)

    return EscPosPrinter(open_link, patience)
