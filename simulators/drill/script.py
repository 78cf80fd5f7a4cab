"""What fails in a drill, and when: a table. What an act does it does to real processes and a real line.

The default script: the line dies while the broker lives, then both are dead, the broker is back before the line, the
line flaps, and the host itself is dead for a while.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from simulators.tour.people import Customer
from simulators.tour.shop import RunningShop

FLAPS = 4
FLAP_SHARE = 0.008
FLAP_S_MAX = 4.0
"""A line that flaps is dead, and alive, for this share of the drill, and no longer than that."""

Way = Literal["", "cut", "back"]


@dataclass(frozen=True, slots=True)
class Stage:
    """What acts are played on; `duration_s` is that of the whole drill."""

    running: RunningShop
    customer: Customer
    duration_s: float


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens: at which share of the drill, what, in Chinese and English, and how.

    line: it cuts the way to the host that people see as *offline*, or opens it again. carries: from then on what was
    sold can go to the bank. needs: a process without which it is left out.
    """

    at: float
    name: str
    zh: str
    en: str
    play: Callable[[Stage], Awaitable[None]]
    line: Way = ""
    carries: bool = False
    needs: str = ""


async def _line_dies(stage: Stage) -> None:
    await stage.running.cut(True)


async def _line_back(stage: Stage) -> None:
    await stage.running.cut(False)


async def _line_flaps(stage: Stage) -> None:
    pause_s = min(FLAP_S_MAX, stage.duration_s * FLAP_SHARE)
    for dead in (True, False) * FLAPS:
        await stage.running.cut(dead)
        await asyncio.sleep(pause_s)


def _switched(process: str, on: bool) -> Callable[[Stage], Awaitable[None]]:
    async def play(stage: Stage) -> None:
        await stage.running.processes[process].switch(on)

    return play


def _paper(how: str) -> Callable[[Stage], Awaitable[None]]:
    async def play(stage: Stage) -> None:
        await stage.customer.paper(how)

    return play


DEFAULT = (
    Act(0.08, "line_dies", "专线断了：连接还开着，没有人应答", "The line dies: it stays open, and nobody answers",
        _line_dies, line="cut"),
    Act(0.20, "broker_dies", "消息中间件也停了（SIGKILL）：卖出的都留在店里",
        "The broker dies, too (SIGKILL): what is sold stays here", _switched("broker", on=False), needs="broker"),
    Act(0.52, "broker_back", "消息中间件恢复，专线仍断：积压经它送出",
        "The broker is back, the line is not: the queue drains", _switched("broker", on=True), carries=True,
        needs="broker"),
    Act(0.64, "line_back", "专线恢复", "The line is back", _line_back, line="back", carries=True),
    Act(0.72, "line_flaps", f"专线时断时续，{FLAPS} 次", f"The line flaps, {FLAPS} times", _line_flaps),
    Act(0.82, "host_dies", "主机停了（SIGKILL）", "The host dies (SIGKILL)", _switched("host", on=False), line="cut"),
    Act(0.92, "host_back", "主机重新启动", "The host is started again", _switched("host", on=True), line="back",
        carries=True),
)  # fmt: skip

WITHOUT_PAPER = (
    Act(0.30, "paper_out", "打印机缺纸", "The printer is out of paper", _paper("out")),
    Act(0.44, "paper_in", "装上新纸", "A new roll of paper", _paper("in")),
)


def script(processes: frozenset[str], *, paper_runs_out: bool) -> tuple[Act, ...]:
    """The acts of a drill in a shop with these processes, in order."""
    acts = DEFAULT + (WITHOUT_PAPER if paper_runs_out else ())
    return tuple(sorted((act for act in acts if not act.needs or act.needs in processes), key=lambda act: act.at))
