"""`tillgate terminal selftest`: the test of a counter from the command line.

Where the terminal runs, its page is asked to do it, as an operator would: the devices are its own. Where it does not,
it is started without its page for the time of the test.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_config.profile import load_profile
from terminal.running import PageRefused, RunningTerminal

SIGN_ON_WITHIN_S = 10.0
TEST_WITHIN_S = 300.0

Test = dict[str, Any]
Tell = Callable[[Test], None]


def test_counter(folder: Path, credentials: Callable[[], tuple[str, str]], tell: Tell) -> Test:
    """Test the counter of a folder. `credentials` gives an operator's number and PIN, if the terminal runs.

    Raises PageRefused, ProfileError or JournalError.
    """
    running = RunningTerminal(load_profile(folder / "profile.toml").page_port)
    if running.is_there():
        return _test_there(running, *credentials(), tell)
    return asyncio.run(_test_alone(folder, tell))


def _test_there(terminal: RunningTerminal, operator: str, pin: str, tell: Tell) -> Test:
    """Log on, press the button, follow the test to its end."""
    terminal.log_on(operator, pin)
    terminal.press("/test", {})
    until, version = time.monotonic() + TEST_WITHIN_S, ""
    while time.monotonic() < until:
        state = terminal.state(after=version)
        version, test = state["version"], state["view"]["test"]
        tell(test)
        if test["checks"] and not test["running"]:
            return dict(test)
    raise PageRefused("测试没有及时结束,请看收银页面 · the test did not end in time: look at the cashier's page")


async def _test_alone(folder: Path, tell: Tell) -> Test:
    from terminal.start import opened

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
