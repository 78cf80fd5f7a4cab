"""The test of a whole counter: every device is used once, the host is asked for an echo, and no payment is ever made.

While it runs the terminal refuses payments, and a code that is scanned belongs to the test. A card is only asked for
its answer to reset and whether it knows a list of applications; of a stripe it only counts that it can be read. What
needs a person waits for one, and can be skipped.
In the end an acceptance slip is printed, and the same is written as JSON beside the journal, under ``tests``.

Reasons beside those of the drivers: ``no_card``, ``no_swipe``, ``bad_swipe``, ``no_code``, ``no_echo``, ``skipped``,
``not_open`` (no display), ``no_drawer``, ``driver_failed``.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import structlog

from terminal.cashier.texts import Texts, texts_in
from terminal.devices import CardReader, DeviceError
from terminal.devices.escpos import build
from terminal.magnetic_stripe import SwipeFailed
from terminal.slip_layout import Cut, DrawerKick, Feed, Line, Pair, Rule, Text

if TYPE_CHECKING:
    from terminal.runner import Runner

PERSON_WITHIN_S = 30.0
DEVICE_WITHIN_S = 40.0
REPORTS_MAX = 50
SELECT_PSE = b"\x00\xa4\x04\x00\x0e1PAY.SYS.DDF01\x00"

_LOOK_FOR_YOURSELF = {"cash_drawer": "drawer_look", "speaker": "speaker_listen"}
"""What passed as far as the terminal can know."""

State = Literal["waiting", "running", "passed", "failed", "skipped"]

log = structlog.get_logger()


class _Skipped(Exception):
    """There is nothing here to test; the argument says why."""


class _Failed(Exception):
    """It did not pass; the argument says why."""


@dataclass(slots=True)
class Check:
    """One part of the test; `reason` is a key of the catalogue, empty when it passed."""

    name: str
    state: State = "waiting"
    reason: str = ""


class CounterTest:
    """The test of one counter: at most one at a time; `changed` is called at every step."""

    def __init__(self, runner: "Runner", changed: Callable[[], None]) -> None:
        self.checks: tuple[Check, ...] = ()
        self.running = False
        self.operator = ""
        self.at = 0.0
        self.path = ""
        self.displays = 0
        self._runner = runner
        self._changed = changed
        self._skip = asyncio.Event()
        voice = {"speaker": self._speaker} if runner.profile.devices.voice else {}
        taps = {"contactless_reader": self._contactless_reader} if runner.profile.devices.reads_taps else {}
        self._steps: dict[str, Callable[[], Awaitable[None]]] = {
            "host": self._host, "printer": self._printer, "cash_drawer": self._drawer, "pin_pad": self._pin_pad,
            "display": self._display, **voice, "card_reader": self._card_reader, **taps,
            "stripe_reader": self._stripe_reader, "scanner": self._scanner,
        }  # fmt: skip

    def view(self) -> dict[str, Any]:
        """How it stands, as plain values."""
        return {
            "running": self.running, "checks": [asdict(check) for check in self.checks], "operator": self.operator,
            "at": self.at, "path": self.path, "passed": self.passed,
        }  # fmt: skip

    @property
    def passed(self) -> bool:
        """Whether it has ended, and nothing failed."""
        return bool(self.checks) and all(check.state in ("passed", "skipped") for check in self.checks)

    def skip(self) -> None:
        """Go on without the card or the code that is waited for."""
        self._skip.set()

    def put_away(self) -> None:
        """Somebody has seen the result."""
        if not self.running:
            self.checks = ()
            self._changed()

    def begin(self, operator: str) -> None:
        """Take the counter for the test. The caller then runs `run`."""
        self.checks = tuple(Check(name) for name in self._steps)
        self.operator, self.at, self.path, self.running = operator, time.time(), "", True
        self._changed()

    async def run(self) -> None:
        """Test one after the other; whatever one comes to, the next is tested."""
        try:
            for check in self.checks:
                check.state = "running"
                self._changed()
                check.state, check.reason = await self._outcome(check.name)
            await asyncio.to_thread(self._write)
            await self._print_report()
        finally:
            self.running = False
            self._changed()

    async def _outcome(self, name: str) -> tuple[State, str]:
        try:
            async with asyncio.timeout(DEVICE_WITHIN_S):
                await self._steps[name]()
        except _Skipped as skipped:
            return "skipped", str(skipped)
        except _Failed as failed:
            return "failed", str(failed)
        except DeviceError as error:
            return "failed", error.reason
        except TimeoutError:
            return "failed", "no_answer"
        except Exception as error:
            log.error("counter_test_failed", device=name, error=type(error).__name__)
            return "failed", "driver_failed"
        return "passed", ""

    # What is tested, and how

    async def _host(self) -> None:
        if not await self._runner.prove_link():
            raise _Failed("no_echo")

    async def _printer(self) -> None:
        title = Text("打印测试 PRINT TEST", "center", "tall", bold=True)
        await self._print([title, Text("人民币 ￥0123456789 ABC abc", "center"), Feed(1), Cut()])

    async def _drawer(self) -> None:
        if not self._runner.profile.devices.cash_drawer:
            raise _Skipped("no_drawer")
        await self._print([DrawerKick()])

    async def _pin_pad(self) -> None:
        self._require("pin_pad")
        assert self._runner.devices.pin_pad, "it is there"
        await self._runner.devices.pin_pad.show("测试 TEST")

    async def _display(self) -> None:
        if not self.displays:
            raise _Skipped("not_open")

    async def _speaker(self) -> None:
        self._require("speaker")
        assert self._runner.devices.speaker, "it is there"
        language = self._runner.profile.language
        await self._runner.devices.speaker.speak(texts_in(language)("voice.test"), language)

    async def _card_reader(self) -> None:
        self._require("card_reader")
        await self._read_card(self._runner.devices.card_reader)

    async def _contactless_reader(self) -> None:
        self._require("contactless_reader")
        await self._read_card(self._runner.devices.contactless_reader)

    async def _read_card(self, reader: CardReader | None) -> None:
        assert reader, "it is there"
        answer_to_reset = await self._for_a_person(reader.wait_for_card(), "no_card")
        answer = await reader.transmit(SELECT_PSE)
        if not answer_to_reset or len(answer) < 2:
            raise _Failed("card_mute")

    async def _stripe_reader(self) -> None:
        self._require("stripe_reader")
        swipe = await self._for_a_person(self._runner.supervision.next_swipe(), "no_swipe")
        if isinstance(swipe, SwipeFailed):
            raise _Failed("bad_swipe")

    async def _scanner(self) -> None:
        self._require("scanner")
        await self._for_a_person(self._runner.scan_for_test(), "no_code")

    def _require(self, name: str) -> None:
        """Skip what is not configured; fail what is configured and not there."""
        health = self._runner.devices.health()[name]
        if health.reason == "not_configured":
            raise _Skipped(health.reason)
        if getattr(self._runner.devices, name) is None:
            raise _Failed(health.reason)

    async def _for_a_person(self, work: Awaitable[Any], missed: str) -> Any:
        """Wait until somebody has put in a card, or shown a code, or wants to skip it."""
        self._skip.clear()
        doing, skipping = asyncio.ensure_future(work), asyncio.ensure_future(self._skip.wait())
        try:
            done, _ = await asyncio.wait(
                (doing, skipping), timeout=PERSON_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
            )
            if doing in done:
                return doing.result()
            raise _Skipped("skipped") if done else _Failed(missed)
        finally:
            doing.cancel()
            skipping.cancel()

    # What is kept of it

    async def _print(self, lines: list[Line]) -> None:
        self._require("printer")
        assert self._runner.devices.printer, "it is there"
        await self._runner.devices.printer.print(build(lines, self._runner.profile.devices.paper_columns))

    async def _print_report(self) -> None:
        """Print the acceptance slip, if there is a printer that does."""
        if any(check.name == "printer" and check.state == "passed" for check in self.checks):
            try:
                await self._print(self.slip())
            except DeviceError as error:
                log.warning("acceptance_slip_not_printed", reason=error.reason)

    def slip(self) -> list[Line]:
        """The acceptance slip."""
        profile, zh, en = self._runner.profile, texts_in("zh"), texts_in("en")
        at = datetime.fromtimestamp(self.at, UTC) + timedelta(minutes=profile.utc_offset_minutes)
        result = "result_passed" if self.passed else "result_failed"
        lines: list[Line] = [
            Text("柜台测试 COUNTER TEST", "center", "tall", bold=True), Feed(1),
            Text(profile.merchant_name_zh), Text(profile.merchant_name_en),
            Pair("终端 TERMINAL", profile.terminal_id), Pair("操作员 OPERATOR", self.operator or "-"),
            Pair("时间 TIME", at.strftime("%Y-%m-%d %H:%M:%S")), Rule(),
        ]  # fmt: skip
        for check in self.checks:
            name = f"selftest.{check.name}"
            state = f"selftest.{check.state}"
            lines.append(Pair(f"{zh(name)} {en(name)}", f"{zh(state)} {en(state)}"))
            if check.state == "failed":
                lines += [Text(advice(check.name, check.reason, texts)) for texts in (zh, en)]
        lines += [Rule(), Text(f"{zh(f'selftest.{result}')} / {en(f'selftest.{result}')}", "center", bold=True)]
        lines += [Text("本次测试没有发生任何交易", "center"), Text("No payment was made by this test", "center")]
        return [*lines, Feed(1), Cut()]

    def report(self) -> dict[str, Any]:
        """The same for programs."""
        profile, zh, en = self._runner.profile, texts_in("zh"), texts_in("en")
        checks = [
            asdict(check) | {"zh": advice(check.name, check.reason, zh), "en": advice(check.name, check.reason, en)}
            for check in self.checks
        ]
        return {
            "terminal": profile.terminal_id, "merchant": profile.merchant_id, "operator": self.operator,
            "at": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"), "passed": self.passed,
            "payments_made": 0, "checks": checks,
        }  # fmt: skip

    def _write(self) -> None:
        """Write the report; the oldest go when there are too many. A disk that is full spoils no test."""
        folder: Path = self._runner.journal.path.parent / "tests"
        path = folder / f"{datetime.fromtimestamp(self.at, UTC):%Y%m%dT%H%M%SZ}.json"
        try:
            folder.mkdir(exist_ok=True)
            path.write_text(json.dumps(self.report(), ensure_ascii=False, indent=2) + "\n", "utf-8")
            for old in sorted(folder.glob("*.json"))[:-REPORTS_MAX]:
                old.unlink()
        except OSError as error:
            log.warning("counter_test_not_written", reason=error.strerror)
        else:
            self.path = str(path)


def advice(name: str, reason: str, texts: Texts) -> str:
    """What a failed or skipped part means, and what to do; empty for one that passed."""
    if not reason:
        return texts(f"selftest.{_LOOK_FOR_YOURSELF[name]}") if name in _LOOK_FOR_YOURSELF else ""
    key = f"selftest_reason.{reason}"
    return texts(key) if key in texts.keys else texts.either("device_reason", reason)


def in_words(test: dict[str, Any]) -> list[str]:
    """What is being tested and what has been, a line for each, in both languages."""
    zh, en = texts_in("zh"), texts_in("en")
    return [
        "  ".join(part for part in (_named(check, zh, en), _advised(check, zh, en)) if part)
        for check in test["checks"]
        if check["state"] != "waiting"
    ]


def _named(check: dict[str, str], zh: Texts, en: Texts) -> str:
    name, state = f"selftest.{check['name']}", f"selftest.{check['state']}"
    return f"{zh(name)} {en(name)}: {zh(state)} · {en(state)}"


def _advised(check: dict[str, str], zh: Texts, en: Texts) -> str:
    prompt = f"selftest.{check['name']}_now"
    if check["state"] == "running":
        return f"{zh(prompt)} · {en(prompt)}" if prompt in en.keys else ""
    said = [advice(check["name"], check["reason"], texts) for texts in (zh, en)]
    return " · ".join(said) if any(said) else ""
