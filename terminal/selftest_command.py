"""`tillgate terminal selftest`: the test of a counter from the command line.

Where the terminal runs, its page is asked to do it, as an operator would: the devices are its own. Where it does not,
it is started without its page for the time of the test.
"""

import asyncio
import json
import time
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from firmware_config.profile import load_profile
from terminal.cashier.texts import texts_in

ANSWER_WITHIN_S = 25.0
SIGN_ON_WITHIN_S = 10.0
TEST_WITHIN_S = 300.0

Test = dict[str, Any]
Tell = Callable[[Test], None]


class TestRefused(Exception):
    """The test could not begin; the text says why, in both languages, and what to do."""


class RunningTerminal:
    """The page of a terminal that runs, as a program uses it. Nothing but loopback is talked to."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def is_there(self) -> bool:
        """Whether anybody answers there."""
        try:
            self._ask("/state")
        except URLError as error:
            return isinstance(error, HTTPError)
        return True

    def test(self, operator: str, pin: str, tell: Tell) -> Test:
        """Log on, press the button, follow the test to its end. Raises TestRefused."""
        self._press("/log-on", {"operator": operator, "pin": pin})
        page = self._ask("/").decode()
        request_id = page.partition('name="request_id" value="')[2].partition('"')[0]
        self._press("/test", {"request_id": request_id})
        until, version = time.monotonic() + TEST_WITHIN_S, ""
        while time.monotonic() < until:
            state = json.loads(self._ask(f"/state?after={version}" if version else "/state"))
            version, test = state["version"], state["view"]["test"]
            tell(test)
            if test["checks"] and not test["running"]:
                return dict(test)
        raise TestRefused("测试没有及时结束,请看收银页面 · the test did not end in time: look at the cashier's page")

    def _press(self, path: str, form: dict[str, str]) -> None:
        headers = {"origin": self.address}
        request = Request(self.address + path, urlencode(form).encode(), headers)  # noqa: S310 - our own page
        with self._opener.open(request, timeout=ANSWER_WITHIN_S) as answer:
            said = parse_qs(urlsplit(answer.url).query).get("said", [""])[0]
        if said:
            raise TestRefused(" · ".join(texts_in(language).either("reason", said) for language in ("zh", "en")))

    def _ask(self, path: str) -> bytes:
        with self._opener.open(self.address + path, timeout=ANSWER_WITHIN_S) as answer:
            body: bytes = answer.read()
        return body


def test_counter(folder: Path, credentials: Callable[[], tuple[str, str]], tell: Tell) -> Test:
    """Test the counter of a folder. `credentials` gives an operator's number and PIN, if the terminal runs.

    Raises TestRefused, ProfileError or JournalError.
    """
    running = RunningTerminal(load_profile(folder / "profile.toml").page_port)
    if running.is_there():
        return running.test(*credentials(), tell)
    return asyncio.run(_test_alone(folder, tell))


async def _test_alone(folder: Path, tell: Tell) -> Test:
    from terminal.start import opened  # noqa: PLC0415 - only where there is no terminal that has done it

    async with opened(folder) as terminal:
        runner = terminal.runner
        running = asyncio.ensure_future(runner.run())
        try:
            await _signed_on(runner)
            runner.begin_test("")
            async for view in runner.changes():
                tell(view["test"])
                if not view["test"]["running"]:
                    return dict(view["test"])
        finally:
            running.cancel()
            await asyncio.wait([running])
    raise AssertionError("changes do not end")


async def _signed_on(runner: Any) -> None:
    """Give the terminal a moment to reach its host; without it, the test says so."""
    try:
        async with asyncio.timeout(SIGN_ON_WITHIN_S):
            async for view in runner.changes():
                if view["session"]["state"] in ("ready", "refused"):
                    return
    except TimeoutError:
        return
