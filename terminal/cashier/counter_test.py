"""The test of the counter on the page: the button, what it shows while it runs, and how it ended.

Whoever is logged on may test: it moves no money, and the slip that comes out with an opened drawer names who it was.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from terminal.cashier.forms import Form
from terminal.cashier.sessions import Session
from terminal.cashier.sheets import Place
from terminal.cashier.texts import Texts
from terminal.cashier.words import Badge, Tone, View
from terminal.selftest import advice

if TYPE_CHECKING:
    from terminal.cashier.routes import Desk

_LOOKS: dict[str, tuple[str, Tone]] = {
    "waiting": ("minus", "plain"),
    "running": ("wait", "plain"),
    "passed": ("check", "good"),
    "failed": ("cross", "bad"),
    "skipped": ("minus", "plain"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One part: its name, how it stands, what to do about it."""

    name: str
    state: Badge
    advice: str
    now: bool


@dataclass(frozen=True, slots=True)
class TestPanel:
    """The test as the left side shows it. `skippable`: it waits for a person, who is told by `prompt` what to do."""

    headline: Badge
    rows: tuple[Row, ...]
    running: bool
    skippable: bool
    prompt: str
    report: str
    kind: str = "test"


def panel(view: View, texts: Texts) -> TestPanel | None:
    """Show the test; None if there is none to show."""
    test = view["test"]
    if not test["checks"]:
        return None
    word = "running" if test["running"] else "passed" if test["passed"] else "failed"
    rows = tuple(_row(check, texts) for check in test["checks"])
    waits_for = next((check["name"] for check in test["checks"] if check["state"] == "running"), "")
    person = waits_for in ("card_reader", "contactless_reader", "stripe_reader", "scanner")
    prompt = texts(f"selftest.{waits_for}_now") if person else texts("selftest.intro") if test["running"] else ""
    return TestPanel(
        headline=Badge(texts(f"selftest.result_{word}"), *(_LOOKS[word] if word != "failed" else ("unknown", "doubt"))),
        rows=rows, running=test["running"], skippable=person, prompt=prompt,
        report=texts("selftest.report", path=test["path"]) if test["path"] else "",
    )  # fmt: skip


def _row(check: View, texts: Texts) -> Row:
    name, state = check["name"], check["state"]
    said = advice(name, check["reason"], texts) if state in ("passed", "failed", "skipped") else ""
    return Row(texts(f"selftest.{name}"), Badge(texts(f"selftest.{state}"), *_LOOKS[state]), said, state == "running")


async def begin(desk: "Desk", session: Session, form: Form) -> Place:
    """Test this counter."""
    if not session.operator:
        return Place(said="log_on_first")
    if not desk.till.use(form.get("request_id", "")):
        return Place()
    return Place(said="" if desk.till.runner.begin_test(session.operator) else "test_not_now")


async def skip(desk: "Desk", session: Session, _: Form) -> Place:
    """There is no card, or no code, to test with."""
    if session.operator:
        desk.till.runner.test.skip()
    return Place()


async def put_away(desk: "Desk", _session: Session, _form: Form) -> Place:
    """Go back to selling."""
    desk.till.runner.test.put_away()
    return Place()
