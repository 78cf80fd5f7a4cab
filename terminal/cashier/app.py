"""The page as a web application, and how it is served: by the terminal's own loop, on loopback only."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from terminal.cashier.display import Display
from terminal.cashier.guard import Guard
from terminal.cashier.routes import Desk
from terminal.cashier.sessions import Sessions
from terminal.cashier.till import Till
from terminal.operators import Operators
from terminal.runner import Runner

ADDRESS = "127.0.0.1"
CONNECTIONS_MAX = 64
STATIC = Path(__file__).parent / "static"

log = structlog.get_logger()


def make_app(runner: Runner, operators: Operators) -> Starlette:
    """Make the page of a terminal. Requests that act need an `Origin` header of the page's own address."""
    profile = runner.profile
    desk = Desk(Till(runner, operators), Sessions(profile.terminal_id, profile.language))
    static = Mount("/static", StaticFiles(directory=STATIC), name="static")
    routes = [*desk.routes(), *Display(desk.till).routes(), static]
    return Starlette(routes=routes, middleware=[Middleware(Guard)], exception_handlers={Exception: _failed})


def _failed(request: Request, error: Exception) -> Response:
    """Say that the page has a fault. Its text may hold card data, so only its kind is logged."""
    log.error("page_failed", path=request.url.path, error=type(error).__name__)
    return PlainTextResponse("收银页面内部故障 / The page has a fault. Look at today's sales, then go on.", 500)


async def serve(runner: Runner, operators: Operators, port: int) -> None:
    """Serve the page until cancelled. Signals stay with the terminal. Raises OSError if the port is taken."""
    import uvicorn  # noqa: PLC0415  loaded while the terminal already signs on

    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it logs tracebacks; what failed is logged above
    bound = socket.create_server((ADDRESS, port))

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(
        uvicorn.Config(
            make_app(runner, operators), log_config=None, access_log=False, lifespan="off", ws="none",
            server_header=False, limit_concurrency=CONNECTIONS_MAX, timeout_graceful_shutdown=1,
        )
    )  # fmt: skip
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = server.force_exit = True
        updates = list(server.server_state.tasks)
        for update in updates:
            update.cancel()
        await asyncio.wait([serving, *updates])
        raise
