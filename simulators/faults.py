"""What can go wrong in a seeded world: the table of faults. A world draws which of them it has.

To add one, write a function that arranges it, and put it into `FAULTS`.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from host_switch.events import CommandGiven, DownloadGiven, Order, ParametersGiven
from host_switch.records import Download
from iso8583.unionpay import Frame
from iso8583.unionpay_fields.field62 import Parameters62
from simulators.engine import START
from simulators.issuer import Mood
from simulators.lines import HEAD_BYTES, parsed
from simulators.terminal_node import TerminalNode

if TYPE_CHECKING:
    from simulators.world import SeededWorld


def _loss(it: "SeededWorld") -> None:
    it.weather.loss = it.random.uniform(0, 0.3)


def _duplicates(it: "SeededWorld") -> None:
    it.weather.duplicates = it.random.uniform(0, 0.5)


def _late(it: "SeededWorld") -> None:
    it.weather.late, it.weather.late_max_s = it.random.uniform(0, 0.6), it.random.uniform(1, 40)


def _terminals_crash(it: "SeededWorld") -> None:
    it.weather.crashes["terminal"] = it.random.uniform(0, 0.08)


def _host_crashes(it: "SeededWorld") -> None:
    it.weather.crashes["host"] = it.random.uniform(0, 0.08)


def _issuer_crashes(it: "SeededWorld") -> None:
    it.weather.crashes["issuer"] = it.random.uniform(0, 0.08)


def _cuts(it: "SeededWorld") -> None:
    """Partitions of seconds to hours between one terminal and the host, one-way or both ways, noticed or not."""

    def cut() -> None:
        terminal = it.some_terminal()
        seconds = math.exp(it.random.uniform(math.log(5), math.log(2 * 3600)))
        ways = [(terminal.name, "host"), ("host", terminal.name)]
        for way in it.random.choice((ways, ways, ways[:1], ways[1:])):
            it.world.network.cut(*way, seconds)
        if it.random.random() < 0.5 and terminal.up:
            terminal.lose_connection()

    it.now_and_then(it.random.uniform(60, 900), cut)


def _outage_of_days(it: "SeededWorld") -> None:
    """The whole shop is cut off for one to three days, once."""

    def cut() -> None:
        days = it.random.uniform(1, 3)
        it.world.happened["outage of days"] += 1
        for terminal in it.terminals:
            it.world.network.cut(terminal.name, "host", days * 86_400)
            it.world.network.cut("host", terminal.name, days * 86_400)
            if terminal.up:
                terminal.lose_connection()

    it.once(240, cut)


def _issuer_cuts(it: "SeededWorld") -> None:
    def cut() -> None:
        seconds = math.exp(it.random.uniform(math.log(5), math.log(3600)))
        ways = [("host", "issuer"), ("issuer", "host")]
        for way in it.random.choice((ways, ways[:1], ways[1:])):
            it.world.network.cut(*way, seconds)
        if it.random.random() < 0.5:
            it.host.channel_lost()

    it.now_and_then(it.random.uniform(120, 900), cut)


def _clogs(it: "SeededWorld") -> None:
    def clog() -> None:
        ways = (("host", "issuer"), ("issuer", "host"), (it.some_terminal().name, "host"))
        it.world.network.clog(*it.random.choice(ways), it.random.uniform(0, 5))

    it.now_and_then(10.0, clog)


def _lost_connections(it: "SeededWorld") -> None:
    def lose() -> None:
        terminal = it.some_terminal()
        if terminal.up:
            terminal.lose_connection()

    it.now_and_then(it.random.uniform(10, 120), lose)


def _keys_erased(it: "SeededWorld") -> None:
    """Somebody tampers with terminals, once with each: keys are gone, and with them the card numbers that they sealed.

    Mostly while a refund waits for its answer, because then it hurts.
    """
    whole = list(it.terminals)

    def tamper() -> None:
        for terminal in list(whole):
            waits = any(payment.rules.recovery == "repeat" for payment in terminal.counter.book.unresolved())
            if it.random.random() < (0.9 if waits else 0.05):
                whole.remove(terminal)
                it.world.happened["keys erased"] += 1
                terminal.keys_erased(it.shop.vault_after_tampering)

    it.now_and_then(10.0, tamper)


def _disk_full(it: "SeededWorld") -> None:
    def fill() -> None:
        terminal = it.some_terminal()
        terminal.disk_full = True
        it.world.note(terminal.name, "disk full")
        it.world.after(it.random.uniform(1, 300), None, free, terminal)

    def free(terminal: TerminalNode) -> None:
        terminal.disk_full = False
        terminal.room_changed()

    it.now_and_then(it.random.uniform(20, 300), fill)


def _card_trouble(it: "SeededWorld") -> None:
    it.habits.card_trouble = it.random.uniform(0, 0.2)
    it.habits.chip_refuses = it.random.uniform(0, 0.3)
    it.habits.chip_slow = it.random.uniform(0, 0.2)


def _printer_trouble(it: "SeededWorld") -> None:
    it.habits.printer_trouble = it.random.uniform(0, 0.5)


def _clock_jumps(it: "SeededWorld") -> None:
    """A terminal's wall clock is set: by seconds, a day, to 1970, to five years hence."""

    def jump() -> None:
        terminal = it.some_terminal()
        it.world.happened["clock jump"] += 1
        terminal.clock_ahead_s = it.random.choice((-START, -86_400.0, -3600.0, -1.0, 0.0, 1.0, 3600.0, 86_400.0, 157e6))
        terminal.room_changed()

    it.now_and_then(it.random.uniform(60, 300), jump)


def _forged_answers(it: "SeededWorld") -> None:
    """Somebody on the line turns approvals into declines and declines into approvals; he has no MAC key."""
    share = it.random.uniform(0, 0.3)

    def tamper(target: str, frame: bytes) -> bytes:
        if target == "host" or it.weather.calm or it.random.random() >= share:
            return frame
        answer = parsed(frame)
        if answer.message.mti not in {"0210", "0230", "0410"}:
            return frame
        it.world.happened["forged answer"] += 1
        code = "51" if answer.message.get(39) == "00" else "00"
        return Frame(answer.tpdu, answer.header, answer.message.with_({39: code})).to_bytes()

    it.lines.tamper = tamper


def _replays(it: "SeededWorld") -> None:
    """Somebody on the line records frames, and sends them again later, on whatever connection there is then."""
    recorded: list[tuple[str, str, bytes]] = []

    def listen(source: str, target: str, frame: bytes) -> None:
        recorded.append((source, target, frame))

    def replay() -> None:
        if recorded:
            it.world.happened["replayed frame"] += 1
            it.lines.inject(*it.random.choice(recorded[-it.random.choice((8, len(recorded))) :]))

    it.lines.listeners.append(listen)
    it.now_and_then(it.random.uniform(10, 60), replay)


def _old_sign_ons(it: "SeededWorld") -> None:
    """Somebody on the line answers a sign-on with the answer to an earlier one: it bears no MAC."""
    answers: dict[str, list[bytes]] = {}

    def listen(source: str, target: str, frame: bytes) -> None:
        mti = frame[HEAD_BYTES : HEAD_BYTES + 2]
        if mti == b"\x08\x10":
            answers.setdefault(target, []).append(frame)
        elif mti == b"\x08\x00" and source in answers and it.random.random() < 0.4:
            it.world.happened["old answer to a sign-on"] += 1
            it.lines.inject("host", source, answers[source][0])  # of the batch that was closed first

    it.lines.listeners.append(listen)


def _insider(it: "SeededWorld") -> None:
    """Something inside a terminal repeats a request that the host has, with another amount, under a good MAC."""
    requests: dict[str, Frame] = {}

    def listen(source: str, target: str, frame: bytes) -> None:
        request = parsed(frame)
        if target == "host" and request.message.mti == "0200" and 4 in request.message:
            requests[source] = request

    def cheat() -> None:
        terminal = it.some_terminal()
        request = requests.get(terminal.name)
        if request is None or not it.auditor.host_knows(request.message):
            return
        amount = f"{int(request.message.text(4)) + 100:012d}"
        message = terminal.sign(request.message.without(35, 52, 26).with_({4: amount}))
        if message is not None:
            it.cheat(terminal, Frame(request.tpdu, request.header, message).to_bytes())

    it.lines.listeners.append(listen)
    it.now_and_then(it.random.uniform(20, 120), cheat)


def _moody_issuer(it: "SeededWorld") -> None:
    """The issuer is slow, silent, forgetful, repeats itself, contradicts itself."""
    moods = (
        Mood("delay", delay_s=15), Mood("delay", delay_s=35), Mood("drop"), Mood("lose"), Mood("decline"),
        Mood("duplicate"), Mood("contradict"), Mood(), Mood(), Mood(),
    )  # fmt: skip

    def change() -> None:
        it.issuer.mood = it.random.choice(moods)

    it.now_and_then(20.0, change)


def _host_orders(it: "SeededWorld") -> None:
    """The operators make a terminal sign on again, fetch other parameters or a black list, or tell its status."""

    def order() -> None:
        for each in some_orders(it.some_terminal().name):
            if it.host.up:
                it.host.handle(each)

    def some_orders(terminal: str) -> list[Order]:
        # Who keeps answers to sign-ons keeps all of their type, and would spend them on downloads.
        command = it.random.choice("123" if "old sign-ons" in it.faults else "1237")
        if command == "1":
            name = f"第{it.random.randrange(100)}分店"
            return [ParametersGiven(terminal, Parameters62(it.random.choice((None, 15, 30, 60)), name))]
        cards = tuple(b"629998%010d" % number for number in range(it.random.randrange(60)) if command == "7")
        given = [DownloadGiven(Download("black-list", cards))] if cards else []
        return [*given, CommandGiven(terminal, command)]

    it.now_and_then(60.0, order)


# --- of the broker ----------------------------------------------------------------------------------------------------


def _broker_dies(it: "SeededWorld") -> None:
    """The broker is killed, with all that it carries; also in the midst of a message."""
    broker = it.broker
    it.weather.crashes["broker"] = broker.manners.random.uniform(0, 0.1)

    def kill() -> None:
        if broker.up:
            it.world.crash(broker, math.exp(broker.manners.random.uniform(0, math.log(3600))))

    it.now_and_then(broker.manners.random.uniform(30, 600), kill)


def _broker_cuts(it: "SeededWorld") -> None:
    """A terminal, or the host, does not come to the broker for seconds to hours; what is for it waits there."""
    random = it.broker.manners.random

    def cut() -> None:
        who = random.choice(("host", it.some_terminal().name))
        it.world.happened["cut off from the broker"] += 1
        it.broker.cut_off(who, math.exp(random.uniform(math.log(5), math.log(2 * 3600))))

    it.now_and_then(random.uniform(30, 600), cut)


def _broker_late(it: "SeededWorld") -> None:
    manners = it.broker.manners
    manners.late = manners.random.uniform(0, 0.5)
    manners.late_max_s = math.exp(manners.random.uniform(math.log(5), math.log(3600)))


def _broker_repeats(it: "SeededWorld") -> None:
    manners = it.broker.manners
    manners.twice, manners.unheard = manners.random.uniform(0, 0.3), manners.random.uniform(0, 0.3)


def _broker_refuses(it: "SeededWorld") -> None:
    it.broker.manners.refuses = it.broker.manners.random.uniform(0, 0.5)


def _broker_lies(it: "SeededWorld") -> None:
    """Somebody has the broker: he turns answers round, and changes amounts on their way up; he has no MAC key."""
    manners, share = it.broker.manners, it.broker.manners.random.uniform(0, 0.3)

    def tamper(target: str, frame: bytes) -> bytes:
        if not manners.happens(share):
            return frame
        it.world.happened["courier's forgery"] += 1
        told = parsed(frame)
        changed = {39: "51" if told.message.get(39) == "00" else "00"} if target != "host" else {4: f"{1:012d}"}
        return Frame(told.tpdu, told.header, told.message.with_(changed)).to_bytes()

    it.broker.tamper = tamper


def _broker_replays(it: "SeededWorld") -> None:
    """Whatever the broker has carried, it may carry again: after new keys, and after the batch was closed."""
    carried: list[tuple[str, str, bytes]] = []
    random = it.broker.manners.random

    def listen(target: str, topic: str, frame: bytes) -> None:
        carried.append((target, topic, frame))

    def replay() -> None:
        if carried:
            it.world.happened["replayed by the broker"] += 1
            it.broker.inject(*random.choice(carried))

    it.broker.listeners.append(listen)
    it.now_and_then(random.uniform(10, 60), replay)


FAULTS: Mapping[str, Callable[["SeededWorld"], None]] = {
    "loss": _loss,
    "duplicates": _duplicates,
    "late": _late,
    "terminals crash": _terminals_crash,
    "host crashes": _host_crashes,
    "issuer crashes": _issuer_crashes,
    "cuts": _cuts,
    "outage of days": _outage_of_days,
    "issuer cuts": _issuer_cuts,
    "clogs": _clogs,
    "lost connections": _lost_connections,
    "disk full": _disk_full,
    "card trouble": _card_trouble,
    "printer trouble": _printer_trouble,
    "clock jumps": _clock_jumps,
    "forged answers": _forged_answers,
    "replays": _replays,
    "old sign-ons": _old_sign_ons,
    "insider": _insider,
    "moody issuer": _moody_issuer,
    "host orders": _host_orders,
    "keys erased": _keys_erased,
}

BROKER_FAULTS: Mapping[str, Callable[["SeededWorld"], None]] = {
    "broker dies": _broker_dies,
    "broker cuts": _broker_cuts,
    "broker late": _broker_late,
    "broker repeats": _broker_repeats,
    "broker refuses": _broker_refuses,
    "broker lies": _broker_lies,
    "broker replays": _broker_replays,
}
"""Only worlds with a courier have these, whatever the line has."""

EVERY_FAULT = {**FAULTS, **BROKER_FAULTS}

SHARE = 0.4  # of the worlds that have a fault
SHARES = {"outage of days": 0.1}  # dear: the other nodes go on for days
