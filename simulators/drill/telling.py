"""What a drill says to people on a console, in Chinese and English, and its report for machines. It decides nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from simulators.counter.devices import PIN
from simulators.drill.proofs import Compared
from simulators.drill.script import Act
from simulators.drill.staff import Turns
from simulators.drill.watch import Sight
from simulators.tour.checks import Check
from simulators.tour.people import yuan
from simulators.tour.processes import Restarted
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, SUPERVISOR, SUPERVISOR_PIN, Shop

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: from a cut until the page said offline, from its mending until online; until nothing was owed."""

    noticed_offline_s: tuple[float, ...]
    noticed_online_s: tuple[float, ...]
    drained_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How a drill went. `turns` is None where people sold."""

    found: Compared
    at_risk: Sight | None
    times: Times
    turns: Turns | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything holds that must."""
        return all(check.holds for check in self.checks)

    def as_facts(self) -> dict[str, Any]:
        """All of it for a machine; amounts in fen."""
        found, risk = self.found, self.at_risk
        return {
            "sold_offline": found.sold, "sold_by_card": found.by_card, "sold_by_code": found.by_code,
            "sold_amount": found.amount, "by_broker": found.by_broker, "declined": found.declined,
            "lost": len(found.lost), "doubled": len(found.doubled),
            "at_risk_amount_max": risk.owed_amount if risk else 0, "at_risk_count": risk.owed_count if risk else 0,
            **{name: [round(each, 2) for each in seconds] for name, seconds in asdict(self.times).items()},
            "turned_away": self.turns.turned_away if self.turns else None,
            "checks": [asdict(check) for check in self.checks],
        }  # fmt: skip


class Teller:
    """Says what happens."""

    def __init__(self, console: Console, duration_s: float) -> None:
        self._console = console
        self._duration_s = duration_s
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=duration_s)

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def opening(self, shop: Shop, acts: Sequence[Act]) -> None:
        """Before anything runs: where it lies, and what will happen when."""
        self._say("\n[bold]断网演练 · Outage drill[/]  一切都是假的：店、银行、钱 · shop, bank and money are made up")
        self._say(f"[dim]目录 folder   {escape(str(shop.folder))}[/]\n")
        for act in acts:
            self._say(f"  [dim]{_clock(act.at * self._duration_s)}[/]  {act.zh} · {act.en}")
        self._say("")

    def started(self, name: str, seconds: float) -> None:
        """A process is ready."""
        self._say(f"  [green]✓[/] {name:<10}[dim]{seconds:5.2f} s[/]")

    def restarted(self, news: Restarted) -> None:
        """A process has died and is back: the script has said so, or somebody else has killed it."""
        self._say(f"  [yellow]↻[/] {news.name}: {news.cause}, {news.seconds:.1f} s")

    def yours(self, shop: Shop, *, people: bool) -> None:
        """The pages are there: to sell, or to look at."""
        page, devices = (f"http://127.0.0.1:{port}/" for port in (shop.ports.page, shop.ports.counter))
        whose = "请在收银页面收款 · sell on this page" if people else "可旁观 · to look at"
        self._say(
            f"\n  收银页面 cashier's page   [bold]{page}[/]   {whose}\n"
            f"  操作员 operator {CASHIER}, PIN {CASHIER_PIN} · 主管 supervisor {SUPERVISOR}, PIN {SUPERVISOR_PIN}\n"
            f"  柜台设备 devices          [bold]{devices}[/]   卡的密码 PIN of every card {PIN}\n"
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """During the drill."""
        with self._progress:
            yield

    def now(self, elapsed_s: float, sight: Sight | None) -> None:
        """How it stands."""
        if sight is not None:
            state = "在线 online" if sight.online else "断线 offline"
            at_risk = f"{state} · 风险 at risk ¥{yuan(sight.owed_amount)} ({sight.owed_count})"
            self._progress.update(self._task, completed=elapsed_s, description=at_risk)

    def happens(self, act: Act, elapsed_s: float) -> None:
        """An act of the script."""
        self._say(f"  [yellow]{_clock(elapsed_s)}[/]  [bold]{act.zh} · {act.en}[/]")

    def over(self) -> None:
        """The script is at its end; what is still owed is waited for."""
        self._say("  演练时间到，等待全部入账 · Time is up; waiting until the bank has everything")

    def failed(self, reason: str) -> None:
        """It could not be brought to its end."""
        self._say(f"  [red]没有完成 · not finished: {escape(reason)}[/]")

    def reported(self, report: Report) -> None:
        """What came of it."""
        found, risk, times = report.found, report.at_risk, report.times
        at_risk = f"¥{yuan(risk.owed_amount)} ({risk.owed_count})" if risk else "¥0.00"
        self._say(
            f"\n[bold]结果 · What came of it[/]\n"
            f"  离线成交 sold offline      {found.sold}  ¥{yuan(found.amount)}  "
            f"(卡 card {found.by_card}, 码 code {found.by_code})\n"
            f"  最大风险 at risk at worst  {at_risk}\n"
            f"  察觉断线 noticed offline   {_seconds(times.noticed_offline_s)}\n"
            f"  察觉恢复 noticed online    {_seconds(times.noticed_online_s)}\n"
            f"  排空用时 drained in        {_seconds(times.drained_s)}  "
            f"({found.by_broker} 笔经中间件 through the broker)\n"
            f"  事后拒绝 declined later    {found.declined}\n"
            f"  丢失 lost {len(found.lost)} · 重复 doubled {len(found.doubled)}"
        )
        if report.turns is not None:
            self._say(f"  顾客 customers {report.turns.customers} · 未能成交 turned away {report.turns.turned_away}")
        self._say("\n[bold]核对 · What must hold[/]")
        for check in report.checks:
            mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
            self._say(f"  {mark} {check.zh} · {check.en}  [dim]{escape(check.found)}[/]")
        self._say("")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), MINUTE_S)
    return f"{minutes:02d}:{rest:02d}"


def _seconds(each: Sequence[float]) -> str:
    return ", ".join(f"{seconds:.1f} s" for seconds in each) or "–"
