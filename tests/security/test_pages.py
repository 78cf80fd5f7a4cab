"""Both pages against other pages in the same browser, and against words that would be markup."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from iso8583.framing import with_length
from iso8583.security import unionpay_mac
from iso8583.unionpay import HEAD_BYTES, MAC_BYTES
from simulators.cards import Card, load_card
from simulators.counter.devices import ORDERS, Devices, Places
from simulators.counter.page import CounterPage
from terminal.cashier.app import make_app
from tests.in_a_loop import in_a_loop
from tests.security.liar import Liar, Say, changed, message_of, once, shop_with_liar, then_closed
from tests.shop.rig import Shop, free_port, shop

HERE = "http://127.0.0.1:8700"
EVIL = "http://evil.example"
MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
CORS = re.compile(r"access-control-", re.IGNORECASE)
SCRIPTS = re.compile(r"<script(?![^>]* src=\"/static/)|<img", re.IGNORECASE)

STRANGERS: dict[str, dict[str, str]] = {
    "a page of another site": {"origin": EVIL},
    "a page of nowhere": {"origin": "null"},
    "another page of this machine": {"origin": "http://127.0.0.1:8701"},
    "a page under the right name of another scheme": {"origin": "https://127.0.0.1:8700"},
    "a site whose name was bound to loopback": {"host": "evil.example:8700", "origin": "http://evil.example:8700"},
    "whoever says nothing": {},
}


@asynccontextmanager
async def browser(app: Starlette, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who talks to an application, with these headers."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE, headers=headers) as client:
        yield client


def paths(app: Starlette, method: str) -> list[str]:
    """Every address that takes a method; of the orders of the devices each one."""
    found = [route.path for route in app.routes if isinstance(route, Route) and method in (route.methods or ())]
    plain = [path.replace("{number:int}", "1") for path in found if "{order}" not in path]
    return plain + [path.replace("{order}", order) for path in found if "{order}" in path for order in ORDERS]


@asynccontextmanager
async def both_pages(tmp_path: Any) -> AsyncIterator[tuple[Shop, dict[str, Starlette]]]:
    async with shop(tmp_path) as s:
        s.operators.add("01", "cashier", "1234")
        (tmp_path / "bench").mkdir()
        places = Places(tmp_path / "bench", free_port(), free_port(), free_port())
        devices = await Devices.plugged_in(places, bytes(range(16)))
        try:
            yield s, {"cashier": make_app(s.runner, s.operators), "devices": CounterPage(devices).app()}
        finally:
            await devices.close()


@pytest.mark.parametrize("stranger", STRANGERS)
@in_a_loop
async def test_no_stranger_makes_either_page_act(tmp_path, stranger):
    async with both_pages(tmp_path) as (s, pages):
        for app in pages.values():
            before = s.journal_records()
            async with browser(app, **STRANGERS[stranger]) as client:
                assert len(paths(app, "POST")) >= 8
                for path in paths(app, "POST"):
                    answer = await client.post(path, data={"amount": "25.00", "value": "good", "request_id": "x"})
                    assert answer.status_code == 403, path
                    assert not CORS.search(str(answer.headers))
                    assert "set-cookie" not in answer.headers
            assert s.journal_records() == before
        assert s.runner.view()["payments"] == []


@in_a_loop
async def test_a_name_that_was_bound_to_loopback_reads_nothing(tmp_path):
    async with both_pages(tmp_path) as (_, pages):
        for app in pages.values():
            async with browser(app, host="evil.example:8700") as client:
                for path in [*paths(app, "GET"), "/static/tokens.css", "/nowhere"]:
                    answer = await client.get(path)
                    assert answer.status_code == 403, path


@in_a_loop
async def test_no_other_site_may_read_what_a_browser_fetches_for_it(tmp_path):
    async with both_pages(tmp_path) as (_, pages):
        for app in pages.values():
            async with browser(app, origin=EVIL) as client:
                for path in ("/", "/state"):
                    answer = await client.get(path)
                    assert answer.status_code == 200
                    assert not CORS.search(str(answer.headers))
                    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
                preflight = await client.options(
                    "/state", headers={"access-control-request-method": "POST", "access-control-request-headers": "x"}
                )
                assert preflight.status_code in (403, 405)
                assert not CORS.search(str(preflight.headers))


@in_a_loop
async def test_looking_changes_nothing(tmp_path):
    async with both_pages(tmp_path) as (s, pages):
        before = s.journal_records()
        for app in pages.values():
            async with browser(app) as client:
                for path in paths(app, "POST"):
                    answer = await client.get(path, params={"amount": "25.00", "value": "good", "request_id": "x"})
                    assert answer.status_code == 405, path
        assert s.journal_records() == before
        assert s.runner.view()["current"] is None


@pytest.mark.parametrize("ids", [[], [""], ["made-up"], ["made-up", "made-up"], ["%00"], ["x" * 3000]])
@in_a_loop
async def test_a_form_without_the_pages_own_request_id_starts_nothing(tmp_path, ids):
    async with both_pages(tmp_path) as (s, pages):
        async with browser(pages["cashier"], origin=HERE) as client:
            answer = await client.post("/log-on", data={"operator": "01", "pin": "1234"})
            assert answer.headers["location"] == "/"
            for press in ("charge", "balance"):
                body = "&".join(["amount=25.00", *(f"request_id={one}" for one in ids)])
                form = {"content-type": "application/x-www-form-urlencoded"}
                answer = await client.post(f"/{press}", content=body, headers=form)
                assert answer.status_code == 303
                assert answer.headers["location"].endswith("said=page_old")
        assert s.runner.view()["payments"] == []


@pytest.mark.parametrize("what", ["merchant", "operator", "notice", "path"])
@in_a_loop
async def test_words_are_no_markup(tmp_path, what):
    names = (MARKUP, MARKUP) if what == "merchant" else ("晨光便利店", "MORNING LIGHT STORE")
    async with shop(tmp_path, names=names) as s:
        sale = await s.sell_by_card(2500)
        async with browser(make_app(s.runner, s.operators), origin=HERE) as client:
            if what == "operator":
                await client.post("/log-on", data={"operator": MARKUP, "pin": MARKUP})
            shown = [await client.get("/"), await client.get(f"/?sheet=payment&key={sale['key']}")]
            if what in ("notice", "path"):
                shown += [await client.get("/", params={name: MARKUP}) for name in ("said", "sheet", "key", "shown")]
                shown.append(await client.get(f"/{MARKUP}"))
        for answer in shown:
            assert not SCRIPTS.search(answer.text), answer.url
        await s.prove()


LIES = {37: "<script>aler", 38: "<img/>", 44: "<script>alert(1)</script>"[:22]}


def forged(number: int, text: bytes, liar: Liar) -> Say:
    """Put bytes into a field that no codec would put there, under a good MAC."""

    def say(frame: bytes) -> list[bytes]:
        body = frame[HEAD_BYTES:-MAC_BYTES].replace(message_of(frame).text(number).encode(), text)
        assert len(body) == len(frame) - HEAD_BYTES - MAC_BYTES
        return [with_length(frame[:HEAD_BYTES] + body + unionpay_mac(liar.mac_key, body))]

    return say


@pytest.mark.parametrize("number", LIES)
@in_a_loop
async def test_what_the_host_says_is_no_markup(tmp_path, number):
    async with shop_with_liar(tmp_path) as (s, liar):
        liar.say = once("0210", then_closed(forged(number, LIES[number].encode(), liar)))
        assert (await s.sell_by_card(2500))["state"] == "reversed"  # it is no message at all
        liar.say = once("0210", changed(key=liar.mac_key, f63="CUP" + MARKUP))
        sale = await s.sell_by_card(2500)
        assert sale["state"] == "approved"
        async with browser(make_app(s.runner, s.operators)) as client:
            for path in ("/", f"/?sheet=payment&key={sale['key']}"):
                assert not SCRIPTS.search((await client.get(path)).text)
        await s.prove()


@in_a_loop
async def test_what_a_card_calls_itself_is_no_markup_and_no_command_to_the_printer(tmp_path):
    label = "\x1bp\x00\x19\xfa<img src=x>"
    card = Card(replace(load_card("good"), preferred_name=label, label="<script>\x1d(k"))
    async with shop(tmp_path, cards={"good": card}) as s:
        await s.sell_by_card(2500)
        assert s.printer.drawer_kicks == 0
        assert not s.printer.interpreter.unknown
        async with browser(make_app(s.runner, s.operators)) as client:
            assert not SCRIPTS.search((await client.get("/")).text)
        await s.prove()


@pytest.mark.parametrize("number", [*LIES, 63])
@in_a_loop
async def test_what_the_host_says_is_no_command_to_the_printer(tmp_path, number):
    async with shop_with_liar(tmp_path) as (s, liar):
        kick = b"\x1bp\x00\x19\xfa".ljust(22)
        width = {37: 12, 38: 6, 44: 22, 63: 3}[number]
        liar.say = once("0210", then_closed(forged(number, kick[:width], liar)))
        assert (await s.sell_by_card(2500))["state"] == "reversed"
        assert s.printer.drawer_kicks == 0
        await s.prove()
