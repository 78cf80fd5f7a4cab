"""What has changed on the page, as soon as it has: as server-sent events for the page, as JSON for programs."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

from starlette.responses import StreamingResponse

from terminal.cashier import render
from terminal.cashier.sessions import Session
from terminal.cashier.till import Till

LONG_POLL_S = 20.0
LOOK_EVERY_S = 1.0
"""Devices, disk and clock change without an event; so we look now and then as well."""

_RETRY = b"retry: 1000\n\n"


def updates(till: Till, session: Session, shown: str) -> StreamingResponse:
    """Stream updates to a page that shows the state with the digest `shown`."""
    headers = {"cache-control": "no-store"}
    return StreamingResponse(_updates(till, session, shown), media_type="text/event-stream", headers=headers)


async def state(till: Till, after: str | None) -> dict[str, Any]:
    """The view as plain values, with its version; with `after`, as soon as it is another, at latest after a while."""
    view, version = _versioned(till)
    with suppress(TimeoutError):
        async with asyncio.timeout(LONG_POLL_S), aclosing(looks(till)) as coming:
            while version == after:
                await anext(coming)
                view, version = _versioned(till)
    return {"version": version, "view": view}


def _versioned(till: Till) -> tuple[dict[str, Any], str]:
    view = till.view()
    return view, hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()[:16]


async def _updates(till: Till, session: Session, shown: str) -> AsyncIterator[bytes]:
    yield _RETRY
    known: dict[str, str] = {}
    last: object = None
    async with aclosing(looks(till)) as coming:
        async for view in coming:
            facts = (view, session.language, session.operator, till.seen, till.request_id, int(till.now()) // 60)
            if facts == last:
                continue
            last = facts
            regions = render.regions(till, view, session)
            if not known and render.digest(regions) == shown:
                known = regions
            changed = "".join(html for name, html in regions.items() if known.get(name) != html)
            known = regions
            if changed:
                yield event("regions", changed)


def event(name: str, html: str) -> bytes:
    """Word a server-sent event."""
    lines = "\n".join(f"data: {line}" for line in html.splitlines())
    return f"event: {name}\n{lines}\n\n".encode()


async def looks(till: Till) -> AsyncGenerator[dict[str, Any], None]:
    """The view now, at every change, and at least every `LOOK_EVERY_S`."""
    changes = till.runner.changes()
    waits = {"machine": asyncio.ensure_future(anext(changes)), "page": asyncio.ensure_future(till.touched())}
    try:
        while True:
            await asyncio.wait(waits.values(), timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            if waits["machine"].done():
                waits["machine"] = asyncio.ensure_future(anext(changes))
            if waits["page"].done():
                waits["page"] = asyncio.ensure_future(till.touched())
            yield till.view()
    finally:
        for wait in waits.values():
            wait.cancel()
