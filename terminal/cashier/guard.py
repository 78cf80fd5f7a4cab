"""What stands between the page and other pages in the same browser.

The page listens on loopback, but any web site can make the browser at the counter send requests there. So: only names
of loopback are answered (against DNS rebinding), only forms of this page may act (Origin), no other page may frame it,
and nothing is loaded from, or run, but what this terminal serves.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD"})

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """ASGI middleware: refuses strangers, and tells the browser what it may load."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = refusal_of(scope["method"], Headers(scope=scope))

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        answer = PlainTextResponse(refusal, 403) if refusal else self._app
        await answer(scope, receive, send_guarded)


def refusal_of(method: str, headers: Headers) -> str:
    """Say why a request is not answered; empty if it is."""
    host = headers.get("host", "")
    if _hostname(f"http://{host}") not in LOOPBACK_NAMES:
        return "this page is served to this machine only: open it as http://127.0.0.1"
    if method not in SAFE_METHODS and headers.get("origin") != f"http://{host}":
        return "only the cashier's page itself may do this"
    return ""


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
