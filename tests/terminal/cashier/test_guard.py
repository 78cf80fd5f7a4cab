"""Other pages in the same browser cannot read this one, act through it, or frame it."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from terminal.cashier.guard import Guard, refusal_of

HERE = "127.0.0.1:8700"


@pytest.mark.parametrize("host", [HERE, "127.0.0.1", "localhost:8700", "[::1]:8700"])
def test_loopback_is_answered(host: str) -> None:
    assert refusal_of("GET", Headers({"host": host})) == ""


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8700", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "[::1", "0.0.0.0"],
)
def test_a_name_bound_anew_to_loopback_is_refused(host: str) -> None:
    assert refusal_of("GET", Headers({"host": host}))


def test_the_pages_own_form_may_act() -> None:
    assert refusal_of("POST", Headers({"host": HERE, "origin": f"http://{HERE}"})) == ""


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", f"https://{HERE}", None])
def test_a_form_of_another_page_may_not(origin: str | None) -> None:
    headers = {"host": HERE} | ({"origin": origin} if origin else {})
    assert refusal_of("POST", Headers(headers))


def test_refusal_goes_no_further_and_every_answer_is_guarded() -> None:
    acted: list[str] = []

    async def act(_: object) -> PlainTextResponse:
        acted.append("done")
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/", act, methods=["GET", "POST"])], middleware=[Middleware(Guard)])

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HERE}") as client:
            return await client.post("/"), await client.get("/")

    refused, answered = asyncio.run(ask())
    assert (refused.status_code, answered.status_code, acted) == (403, 200, ["done"])
    for response in (refused, answered):
        assert response.headers["content-security-policy"].startswith("default-src 'self'")
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
