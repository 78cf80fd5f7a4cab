"""`tillgate demo` as a newcomer types it: real processes, the tour and its proof; then kills, and nothing is left."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from simulators.slip_image import PIXELS_PER_DOT, SIDE_DOTS
from simulators.tour.browser import PageError
from simulators.tour.people import Banker, Cashier, Customer, NotSeen, View
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, Ports, Shop
from simulators.tour.shop import host_books
from simulators.tour.steps import STEPS, Outages, Tour, chip_sale

DEMO = (sys.executable, "-m", "tillgate", "demo", "--json")
WITHIN_S = 120.0
GONE_WITHIN_S = 10.0
PAPER_DOTS = 384


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of one whole run."""
    folder = tmp_path_factory.mktemp("shop")
    done = subprocess.run(
        [*DEMO, "--once", "--data", str(folder)], capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.stderr == ""
    summary: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, summary["failure"]
    return summary


Running = tuple["subprocess.Popen[str]", dict[str, Any]]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A demo whose tour is over, and its summary."""
    with subprocess.Popen([*DEMO, "--data", str(tmp_path)], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            yield demo, json.loads(demo.stdout.readline())
        finally:
            demo.kill()


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2]
    except (FileNotFoundError, ProcessLookupError):  # before the file was opened, or before it was read
        return False
    return not state.startswith("Z")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline, "a process was left behind"
        time.sleep(0.01)


def test_every_step_is_walked_and_everything_holds(toured: dict[str, Any]) -> None:
    assert toured["ok"]
    assert [(step["name"], step["ok"]) for step in toured["steps"]] == [(step.name, True) for step in STEPS]
    assert {check["name"] for check in toured["invariants"] if check["holds"]} == {
        "journal", "nothing_owed", "host_books", "three_books_agree", "no_clear_card_numbers",
    }  # fmt: skip
    assert len(toured["invariants"]) == 5


def test_what_happened_is_told_in_both_languages(toured: dict[str, Any]) -> None:
    told = {step["name"]: step for step in toured["steps"]}
    assert "51 余额不足" in told["decline"]["zh"]
    assert "51 Insufficient funds" in told["decline"]["en"]
    assert all(step["zh"] and step["en"] for step in toured["steps"])


def test_every_slip_is_a_picture_of_58_mm_paper(toured: dict[str, Any]) -> None:
    assert len(toured["slips"]) == 21
    for path in toured["slips"]:
        with Image.open(path) as picture:
            assert picture.width == (PAPER_DOTS + 2 * SIDE_DOTS) * PIXELS_PER_DOT
            assert picture.height > picture.width


def test_slips_say_what_they_are(toured: dict[str, Any]) -> None:
    texts = {
        step["name"]: [Path(slip).with_suffix(".txt").read_text("utf-8") for slip in step["slips"]]
        for step in toured["steps"]
    }
    expected = {
        "chip_sale": ("MERCHANT COPY", "CARDHOLDER COPY"), "scan_sale": ("SALE", "SALE"), "void": ("VOID", "VOID"),
        "phone_without_network": ("Tillgate code", "Tillgate code"),
        "tapped_sale": ("TAPPED", "TAPPED"), "stripe_sale": ("SWIPED", "SWIPED"),
        "refund": ("REFUND", "REFUND"), "out_of_paper": ("DUPLICATE", "DUPLICATE"),
        "offline": (*["离线交易/OFFLINE"] * 2, *["OFFLINE CODE SALE"] * 2), "settle": ("000001",),
    }  # fmt: skip
    for name, words in expected.items():
        assert [word in text for word, text in zip(words, texts[name], strict=True)] == [True] * len(words), name
    assert not any("6299990000000009" in text for slips in texts.values() for text in slips)


def test_host_and_broker_were_killed_and_came_back(toured: dict[str, Any]) -> None:
    killed = [("host", "SIGKILL"), ("broker", "SIGKILL")]
    assert [(restart["process"], restart["cause"]) for restart in toured["restarts"]] == killed


def test_what_was_sold_offline_came_through_the_broker_while_the_line_was_dead(toured: dict[str, Any]) -> None:
    (told,) = (step for step in toured["steps"] if step["name"] == "offline")
    assert "with the line still dead it brought 2 to the bank" in told["en"]
    assert "专线仍断，2 笔经它送达银行" in told["zh"]
    rows = host_books(Shop(Path(toured["folder"]), Ports())).transactions
    sold = [row for row in rows if row.kind.startswith("offline_")]
    assert [(row.kind, row.connection.startswith("tg/")) for row in sold] == [
        ("offline_sale", True), ("offline_code_sale", True),
    ]  # fmt: skip


def test_nothing_is_left_running(toured: dict[str, Any]) -> None:
    assert not any(map(is_running, toured["processes"].values()))


def test_a_shop_is_opened_again_where_it_was_closed(toured: dict[str, Any]) -> None:
    """Must follow the run: another day in the same folder, next batch, and the books still agree."""
    done = subprocess.run(
        [*DEMO, "--once", "--data", toured["folder"]], capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    again = json.loads(done.stdout)
    assert (done.returncode, again["failure"]) == (0, "")
    assert "000002" in again["steps"][-1]["en"]
    assert not set(again["slips"]) & set(toured["slips"])


def test_any_process_may_be_killed_and_the_shop_sells_again_until_ctrl_c(running: Running) -> None:
    demo, summary = running
    for name, process in summary["processes"].items():
        os.kill(process, signal.SIGKILL)
        until_gone([process])
        asyncio.run(asyncio.wait_for(sells_again(summary["ports"]), WITHIN_S))
        assert demo.poll() is None, f"the demo ended with its {name}"
    demo.send_signal(signal.SIGINT)
    assert demo.wait(GONE_WITHIN_S) == 0
    assert [port for port in summary["ports"].values() if is_listening(port)] == []


def test_behind_a_real_pcscd_the_tour_is_walked_and_pcscd_may_be_killed(tmp_path: Path) -> None:
    with subprocess.Popen([*DEMO, "--pcscd", "--data", str(tmp_path)], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        try:
            summary = json.loads(demo.stdout.readline())
            assert (summary["ok"], summary["failure"]) == (True, "")
            service = summary["processes"]["pcscd"]
            assert Path(f"/proc/{service}/comm").read_text() == "pcscd\n"
            assert "reader_port" not in (tmp_path / "terminal" / "profile.toml").read_text("utf-8")
            assert ("tapped_sale", True) in [(step["name"], step["ok"]) for step in summary["steps"]]
            os.kill(service, signal.SIGKILL)
            until_gone([service])
            asyncio.run(asyncio.wait_for(sells_again(summary["ports"]), WITHIN_S))
            demo.send_signal(signal.SIGINT)
            assert demo.wait(GONE_WITHIN_S) == 0
        finally:
            demo.kill()
    assert not any(map(is_running, summary["processes"].values()))


def test_without_pcscd_one_sentence_says_what_to_type(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([*DEMO, "--pcscd"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Type: sudo apt-get install pcscd vsmartcard-vpcd" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


async def sells_again(ports: dict[str, int]) -> None:
    """Sell by card with PIN, as soon as that goes: until then the shop refuses, in words."""
    async def no_kill(*_: bool) -> None:
        raise AssertionError("nobody is killed here")

    async def not_asked() -> int:
        raise AssertionError("nothing is carried here")

    customer, banker = Customer(ports["counter"]), Banker(ports["issuer_control"])
    sold = False
    while not sold:
        with contextlib.suppress(PageError, NotSeen, OSError):
            cashier = Cashier(ports["page"])
            await customer.take_card()
            await cashier.until("the counter sells", lambda view: view["refusal"] == "" and devices_are_ready(view))
            await cashier.log_on(CASHIER, CASHIER_PIN)
            await chip_sale(Tour(cashier, customer, banker, Outages(no_kill, no_kill, no_kill, not_asked)))
            sold = True


def devices_are_ready(view: View) -> bool:
    return all(view["devices"][name]["state"] == "ready" for name in ("card_reader", "pin_pad", "scanner"))
