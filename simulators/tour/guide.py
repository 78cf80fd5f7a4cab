"""What the demo says, step by step, to people (on a console) and to machines (as one summary). It decides nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from simulators.counter.devices import PIN
from simulators.tour.checks import Check
from simulators.tour.processes import Restarted
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, SUPERVISOR, SUPERVISOR_PIN, Shop
from simulators.tour.steps import STEPS, Step, Told


class Guide:
    """Tells what happens, and remembers it for the summary."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._began = monotonic()
        self._started: dict[str, float] = {}
        self._steps: list[dict[str, Any]] = []
        self._checks: list[Check] = []
        self._restarts: list[dict[str, Any]] = []
        self._failure = ""

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def opening(self, shop: Shop) -> None:
        """Before anything runs."""
        self._say("\n[bold]Tillgate[/] · 一台机器上的整家店 · the whole shop on this machine")
        self._say(f"[dim]目录 folder   {escape(str(shop.folder))}\n小票 slips    {escape(str(shop.slips))}[/]\n")

    def started(self, name: str, seconds: float) -> None:
        """A process is ready."""
        self._started[name] = round(seconds, 2)
        self._say(f"  [green]✓[/] {name:<10}[dim]{seconds:5.2f} s[/]")

    def restarted(self, news: Restarted) -> None:
        """A process has died and is back."""
        self._restarts.append({"process": news.name, "cause": news.cause, "seconds": round(news.seconds, 2)})
        zh = f"{news.name} 停了（{news.cause}），{news.seconds:.1f} 秒后恢复：kill -9 {news.process}"
        en = f"{news.name} died ({news.cause}), and is back after {news.seconds:.1f} s"
        self._say(f"  [yellow]↻[/] {en} · {zh}")

    @contextmanager
    def touring(self) -> Iterator[None]:
        """During the tour."""
        self._say("\n[bold]游览 · The tour[/]")
        with self._progress:
            self._task = self._progress.add_task("", total=len(STEPS))
            yield

    def begins(self, step: Step) -> None:
        """A step begins."""
        self._step_began = monotonic()
        self._progress.update(self._task, description=f"{step.zh} · {step.en}")

    def done(self, step: Step, told: Told) -> None:
        """A step has gone well."""
        seconds = monotonic() - self._step_began
        slips = [slip["file"] for slip in told.slips]
        self._keep(step, seconds, ok=True, zh=told.zh, en=told.en, slips=slips)
        self._progress.advance(self._task)
        self._say(f"  [green]✓[/] [bold]{step.zh} · {step.en}[/]  [dim]{seconds:.1f} s[/]")
        self._say(f"    {escape(told.zh)}\n    {escape(told.en)}")
        if slips:
            self._say(f"    [dim]{escape(', '.join(Path(slip).name for slip in slips))}[/]")

    def failed_at(self, step: Step, reason: str) -> None:
        """A step did not do what it should."""
        self._keep(step, monotonic() - self._step_began, ok=False, zh="没有做到", en=reason, slips=[])
        self._say(f"  [red]✗[/] [bold]{step.zh} · {step.en}[/]")
        self.failed(f"{step.name}: {reason}")

    def failed(self, reason: str) -> None:
        """Something went wrong."""
        self._failure = self._failure or reason
        self._say(f"    [red]没有做到 · not so: {escape(reason)}[/]")

    def checked(self, found: list[Check]) -> None:
        """What must hold, and whether it does."""
        self._checks = found
        self._say("\n[bold]核对 · What must hold[/]")
        for check in found:
            mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
            self._say(f"  {mark} {check.zh} · {check.en}  [dim]{escape(check.found)}[/]")
        for broken in (check for check in found if not check.holds):
            self.failed(broken.en)

    def yours(self, shop: Shop, numbers: dict[str, int]) -> None:
        """Everything stays running, as the processes of these numbers."""
        page, devices = (f"http://127.0.0.1:{port}/" for port in (shop.ports.page, shop.ports.counter))
        self._say(
            f"\n[bold]现在是你的了 · It is yours now[/]\n"
            f"  收银页面 cashier's page   [bold]{page}[/]   "
            f"操作员 operator {CASHIER}, PIN {CASHIER_PIN} · 主管 supervisor {SUPERVISOR}, PIN {SUPERVISOR_PIN}\n"
            f"  柜台设备 devices          [bold]{devices}[/]   卡的密码 PIN of every card {PIN}\n\n"
            "  在收银页面收款，到设备页面插卡、输密码或扫码。随便杀一个进程，看它怎么恢复：\n"
            "  Charge on the first page; insert a card or scan the code on the second. Kill any process and watch:"
        )
        for name, number in numbers.items():
            self._say(f"    kill -9 {number:<8} [dim]# {name}[/]")
        self._say("\n  Ctrl-C 结束 · ends everything\n")

    def closing(self, shop: Shop) -> None:
        """After everything has been stopped."""
        seconds = monotonic() - self._began
        folder = escape(str(shop.folder))
        self._say(f"\n  {seconds:.1f} s · 小票、账本和日志还在 slips, books and logs stay in {folder}\n")

    def summary(self, shop: Shop, numbers: dict[str, int]) -> dict[str, Any]:
        """All of it for a machine. `ok`: every step was walked and every invariant holds."""
        return {
            "ok": self.ok,
            "failure": self._failure,
            "folder": str(shop.folder),
            "ports": asdict(shop.ports),
            "processes": numbers,
            "started": self._started,
            "steps": self._steps,
            "slips": [slip for step in self._steps for slip in step["slips"]],
            "invariants": [asdict(check) for check in self._checks],
            "restarts": self._restarts,
            "seconds": round(monotonic() - self._began, 1),
        }

    @property
    def ok(self) -> bool:
        """Whether the whole tour was walked, and everything holds."""
        return bool(self._checks) and not self._failure

    def _keep(self, step: Step, seconds: float, **outcome: Any) -> None:
        self._steps.append({"name": step.name, "seconds": round(seconds, 2), **outcome})
