"""The page that works the devices by hand, and its JSON door for scripts.

    GET  /state[?after=VERSION]      the state; with `after`, as soon as it is another, at latest after 20 s
    POST /orders/ORDER {"value": …}  do something; the state after it, or 422 with a `reason`
    GET  /slips/NUMBER.png           a slip's picture

Strangers are kept out as from the cashier's page: loopback's names only, and orders only with the page's own `Origin`.
"""

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from simulators.counter.devices import DECK_ORDER, PAD_KEYS, PIN, Devices, OrderRefused
from terminal.cashier.guard import Guard

HERE = Path(__file__).parent
LANGUAGES = ("zh", "en")
REGIONS = ("phone", "cards", "pin_pad", "printer", "roll")
"""The parts of the page, each a template of its own, that are sent anew when they have changed."""

LONG_POLL_S = 20.0
_HEADERS = {"cache-control": "no-store"}


class CounterPage:
    """The web application around a counter's devices."""

    def __init__(self, devices: Devices, cashier_url: str = "") -> None:
        self._devices = devices
        self._cashier_url = cashier_url
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._words = {
            language: tomllib.loads((HERE / "texts" / f"{language}.toml").read_text("utf-8"))
            for language in LANGUAGES
        }

    def app(self) -> Starlette:
        """The application, for a server on loopback."""
        return Starlette(
            routes=[
                Route("/", self._page),
                Route("/events", self._events),
                Route("/state", self._state),
                Route("/orders/{order}", self._order, methods=["POST"]),
                Route("/slips/{number:int}.png", self._slip),
                Route("/static/tokens.css", _tokens),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            middleware=[Middleware(Guard)],
        )

    async def _page(self, request: Request) -> Response:
        language = _language(request)
        page = self._render("page", language, regions=self._regions(language))
        response = HTMLResponse(page, headers=_HEADERS)
        response.set_cookie("language", language, samesite="strict")
        return response

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(
            self.changes(_language(request)), media_type="text/event-stream", headers=_HEADERS
        )

    async def changes(self, language: str) -> AsyncIterator[str]:
        """All regions at first, as the page may be older than the stream; then those that differ from before."""
        shown: dict[str, str] = {}
        while True:
            version = self._devices.version
            regions = self._regions(language)
            for name, html in regions.items():
                if shown.get(name) != html:
                    yield f"data: {json.dumps({'region': name, 'html': html})}\n\n"
            shown = regions
            await self._devices.changed_since(version)

    async def _state(self, request: Request) -> Response:
        after = request.query_params.get("after")
        if after is not None:
            await _at_most(LONG_POLL_S, self._devices, after)
        return JSONResponse(self._devices.state(), headers=_HEADERS)

    async def _order(self, request: Request) -> Response:
        scripted = request.headers.get("content-type", "").startswith("application/json")
        try:
            value = (await request.json())["value"] if scripted else (await request.form()).get("value", "")
            await self._devices.obey(request.path_params["order"], str(value))
        except (OrderRefused, OSError, ValueError, KeyError, TypeError) as error:
            return JSONResponse({"reason": str(error)}, 422)
        return JSONResponse(self._devices.state()) if scripted else RedirectResponse("/", 303)

    async def _slip(self, request: Request) -> Response:
        picture = self._devices.roll.picture(request.path_params["number"])
        return FileResponse(picture) if picture else Response("no such slip", 404)

    def _regions(self, language: str) -> dict[str, str]:
        state = self._devices.state()
        return {name: self._render(name, language, **state) for name in REGIONS}

    def _render(self, template: str, language: str, **values: Any) -> str:
        return self._templates.get_template(f"{template}.html").render(
            values, words=self._words[language], language=language, other=_other(language), pin=PIN,
            pad_keys=PAD_KEYS, deck_order=DECK_ORDER, cashier_url=self._cashier_url,
        )  # fmt: skip


async def _tokens(_request: Request) -> Response:
    """The colours and sizes of the cashier's page."""
    return Response(files("terminal.cashier").joinpath("static/tokens.css").read_bytes(), media_type="text/css")


def _language(request: Request) -> str:
    wanted = request.query_params.get("lang") or request.cookies.get("language", "")
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def _other(language: str) -> str:
    return LANGUAGES[1 - LANGUAGES.index(language)]


async def _at_most(seconds: float, devices: Devices, version: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await devices.changed_since(version)
    except TimeoutError:
        pass
