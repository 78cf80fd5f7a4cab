"""One case after the other: run a plan in a copy of a shop, kill somebody, wait until all is quiet, settle, audit."""

import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random

from simulators.crash.audit import Fault, faults, last_payment
from simulators.crash.lives import Stuck, Trigger
from simulators.crash.plans import BEFORE, BUSY_HOUR, PLANS, Plan
from simulators.crash.shop import PATIENCE_S, CrashShop, copied
from simulators.tour.setting_up import LOOPBACK, Ports, Shop, set_up

TRIES = 3
KILLS_IN_A_BUSY_HOUR = 2
VICTIMS = ("terminal", "host", "issuer", "customer")


@dataclass(frozen=True, slots=True)
class Case:
    """Whom to kill in a plan: `victim` after its effect number `effect`, or at moments, or nobody.

    A moment is a victim and a share of the time that the plan takes undisturbed.
    """

    plan: Plan
    victim: str = ""
    effect: int = 0
    moments: tuple[tuple[str, float], ...] = ()

    @property
    def kills(self) -> int:
        """How many must die."""
        return bool(self.victim) + len(self.moments)

    @property
    def name(self) -> str:
        """What is told of it."""
        killed = [f"{self.victim} killed after effect {self.effect}"] if self.victim else []
        killed += [f"{victim} killed at {share:.0%}" for victim, share in self.moments]
        return ": ".join((self.plan.name, " and ".join(killed) or "nobody killed"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case came to: how many were killed, how many effects each side had, what is wrong."""

    case: Case
    kills: int
    counts: dict[str, int]
    faults: tuple[Fault, ...] = ()

    @property
    def missed(self) -> bool:
        """Not as many were killed as should have been: things went another way."""
        return self.kills < self.case.kills


class Cases:
    """Runs cases, each in a fresh copy of a shop that has sold four times. Evidence of faults is left in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.patience_s = PATIENCE_S
        self._folder = folder
        self._trigger = Trigger()
        self._base = set_up(folder / "base", free_ports())
        self._count = 0
        with CrashShop(self._base, Plan("before", BEFORE), self._trigger) as shop:
            shop.run_until_quiet()
        self._busy_hour_s = self._timed(BUSY_HOUR)

    def run(self, case: Case) -> Outcome:
        """Run a case; again if somebody was not killed, because an answer was slow and things went another way."""
        for _ in range(TRIES):
            outcome = self._run(case)
            if outcome.faults or not outcome.missed:
                break
        return outcome

    def _run(self, case: Case) -> Outcome:
        shop = self._copy(case.plan)
        self._trigger.reset(case.victim, case.effect, armed=case.plan.from_start)
        with CrashShop(shop, case.plan, self._trigger, self.patience_s) as running:
            try:
                running.run_until_quiet([(victim, share * self._busy_hour_s) for victim, share in case.moments])
                counts = self._trigger.counts
                running.settle()
            except Stuck as stuck:
                return Outcome(case, len(running.deaths), {}, (Fault("broken", f"{stuck}; {shop.folder}"),))
        return self._audited(case, shop, len(running.deaths), counts)

    def _audited(self, case: Case, shop: Shop, kills: int, counts: dict[str, int]) -> Outcome:
        found = [*faults(shop, strange_sale=case.plan.strange_sale), *_not_as_planned(case, shop)]
        if found:
            found = [Fault(fault.kind, f"{fault.text}; {shop.folder}") for fault in found]
        else:
            shutil.rmtree(shop.folder)
        return Outcome(case, kills, counts, tuple(found))

    def _timed(self, plan: Plan) -> float:
        self._trigger.reset()
        with CrashShop(self._copy(plan), plan, self._trigger) as shop:
            began = time.monotonic()
            shop.run_until_quiet()
            return time.monotonic() - began

    def _copy(self, plan: Plan) -> Shop:
        self._count += 1
        return copied(self._base, self._folder / f"{self._count:04d}", plan)


def _not_as_planned(case: Case, shop: Shop) -> Iterator[Fault]:
    if case.plan.ends and not case.kills and last_payment(shop).state != case.plan.ends:
        yield Fault("broken", f"the plan should end {case.plan.ends}, it ended {last_payment(shop).state}")


def undisturbed() -> list[Case]:
    """Every plan with nobody killed: they tell how many effects there are."""
    return [Case(plan) for plan in PLANS]


def after_every_effect(outcome: Outcome) -> list[Case]:
    """The cases that kill each side after each effect that it had in an undisturbed run."""
    plan = outcome.case.plan
    return [Case(plan, side, effect) for side, count in outcome.counts.items() for effect in range(1, count + 1)]


def at_random(kills: int, seed: int) -> list[Case]:
    """Busy hours in which anybody is killed at any time, and then somebody again, perhaps in the midst of recovery."""
    chance = Random(seed)
    return [Case(BUSY_HOUR, moments=_moments(chance)) for _ in range(0, kills, KILLS_IN_A_BUSY_HOUR)]


def _moments(chance: Random) -> tuple[tuple[str, float], ...]:
    drawn = ((chance.choice(VICTIMS), chance.random()) for _ in range(KILLS_IN_A_BUSY_HOUR))
    return tuple(sorted(drawn, key=lambda moment: moment[1]))


def free_ports() -> Ports:
    """Ports that nobody uses, and that the kernel gives nobody while ours is dead: below those it hands out."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chance = Random()
    names = [field.name for field in fields(Ports)]
    return Ports(**{name: next(port for port in _drawn(chance, low) if _is_free(port)) for name in names})


def _drawn(chance: Random, low: int) -> Iterator[int]:
    while True:
        yield chance.randrange(low // 3, low)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
