"""The page of the devices: both languages whole, orders by form and by script, nobody else's pages obeyed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from simulators.counter.devices import Devices, Places
from simulators.counter.page import LANGUAGES, REGIONS, CounterPage
from tests.in_a_loop import in_a_loop

SELF = "http://127.0.0.1"
HAN = re.compile(r"[\u4e00-\u9fff]")
WAIT_S = 5.0


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Devices, CounterPage, httpx.AsyncClient]]:
    devices = await Devices.plugged_in(Places(folder, reader_port=1, contactless_port=1, printer_port=0), bytes(16))
    page = CounterPage(devices, "http://127.0.0.1:8700/")
    try:
        transport = httpx.ASGITransport(page.app())
        async with httpx.AsyncClient(transport=transport, base_url=SELF, headers={"origin": SELF}) as client:
            yield devices, page, client
    finally:
        await devices.close()


@pytest.mark.parametrize("language", LANGUAGES)
@in_a_loop
async def test_the_page_is_whole_without_script_and_needs_no_other_server(tmp_path: Path, language: str) -> None:
    async with opened(tmp_path) as (_, _, client):
        page = await client.get("/", params={"lang": language})
        assert page.status_code == 200
        assert re.findall(r'(?:src|href)="(?!/|http://127\.0\.0\.1)[^"]*"', page.text) == []
        assert all(f'id="{region}"' in page.text for region in REGIONS)
        assert "default-src 'self'" in page.headers["content-security-policy"]
        for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
            assert (await client.get(asset)).status_code == 200, asset


def test_both_languages_have_the_same_words(tmp_path: Path) -> None:
    from tomllib import loads

    texts = Path(__file__).parents[3] / "simulators" / "counter" / "texts"
    zh, en = (loads((texts / f"{language}.toml").read_text("utf-8")) for language in LANGUAGES)
    assert zh.keys() == en.keys()
    assert [key for key, words in en.items() if HAN.search(words)] == ["other_language"]


@in_a_loop
async def test_the_language_is_remembered(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, _, client):
        assert 'lang="en"' in (await client.get("/?lang=en")).text
        assert "Hold under the scanner" in (await client.get("/")).text


@in_a_loop
async def test_orders_by_script_and_by_form_do_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path) as (devices, _, client):
        answer = await client.post("/orders/paper", json={"value": "out"})
        assert answer.json()["printer"]["paper"] is False
        answer = await client.post("/orders/paper", data={"value": "in"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert devices.state()["printer"]["paper"] is True


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/orders/shout", '{"value": ""}'),
        ("/orders/press", '{"value": "x"}'),
        ("/orders/scan", "[]"),
        ("/orders/scan", "{"),
    ],
)
@in_a_loop
async def test_what_makes_no_sense_is_refused_with_a_reason(tmp_path: Path, path: str, body: str) -> None:
    async with opened(tmp_path) as (_, _, client):
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["reason"]


@in_a_loop
async def test_other_sites_give_no_orders(tmp_path: Path) -> None:
    async with opened(tmp_path) as (devices, _, client):
        before = devices.phone.code
        for headers in ({"origin": "http://evil.example"}, {"host": "evil.example", "origin": "http://evil.example"}):
            assert (await client.post("/orders/fresh_code", headers=headers)).status_code == 403
        assert devices.phone.code == before


@in_a_loop
async def test_a_script_can_wait_for_a_change(tmp_path: Path) -> None:
    async with opened(tmp_path) as (devices, _, client):
        waiting = asyncio.create_task(client.get("/state", params={"after": devices.version}))
        await asyncio.sleep(0)
        await devices.obey("cover", "open")
        answer = await asyncio.wait_for(waiting, WAIT_S)
        assert answer.json()["printer"]["cover_open"] is True


@in_a_loop
async def test_only_what_changed_is_sent_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (devices, page, _):
        events = page.changes("en")
        first = [json.loads((await anext(events)).removeprefix("data: "))["region"] for _ in REGIONS]
        assert first == list(REGIONS)
        await devices.obey("cover", "open")
        changed = json.loads((await anext(events)).removeprefix("data: "))
        assert changed["region"] == "printer"
        assert "The cover is open" in changed["html"]


@in_a_loop
async def test_a_card_with_a_chip_has_two_buttons_and_one_without_can_only_be_swiped(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, _, client):
        page = (await client.get("/?lang=en")).text
        deck = {re.findall(r'id="card-(\w+)"', item)[0]: item for item in re.findall(r"<li>.*?</li>", page, re.DOTALL)}
        assert re.findall('action="([^"]+)"', deck["good"]) == ["/orders/insert_card", "/orders/swipe"]
        assert re.findall('action="([^"]+)"', deck["stripe_only"]) == ["/orders/swipe"]
        assert 'aria-label="Swipe: Plain card"' in deck["good"]


@in_a_loop
async def test_a_card_with_an_antenna_is_tapped_and_taken_away(tmp_path: Path) -> None:
    async with opened(tmp_path) as (devices, _, client):
        assert 'id="tap-good"' not in (await client.get("/?lang=en")).text
        assert '"/orders/tap"' in (await client.get("/?lang=en")).text
        await devices.obey("tap", "contactless")
        page = (await client.get("/?lang=en")).text
        assert "Contactless card · held at the reader" in page
        assert page.count('"/orders/take_away"') == 2


@in_a_loop
async def test_there_is_no_slip_before_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, _, client):
        assert (await client.get("/slips/1.png")).status_code == 404
