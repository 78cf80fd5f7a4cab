"""Errands: what the host asks of the terminal in the header of its answers, beside signing on again (`session`).

An errand is run between payments and while the session is ready. A payment that begins sets it aside, so that selling
never waits; it begins anew when the counter is free. What stands here is volatile: the host goes on asking until it has
been obeyed, so what a restart forgets is asked for again.

The rules, each with its test:
- What an errand brings is taken as a whole, and persisted before the host is told that it is done.
- No answer: again, ever more rarely, for ever. A refusal, nonsense or no end: given up, and not heeded for an hour.
- A host that goes on asking after it has been obeyed is not obeyed again before a rest.

To add one: a row in `ERRANDS`, with one step for each message that it sends.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

from firmware_config.profile import TerminalProfile
from iso8583 import Iso8583Error, Message
from iso8583.message import response_mti
from iso8583.unionpay_fields.field62 import Parameters62, Status62
from terminal import host_parameters, messages
from terminal.book import Book
from terminal.events import Effect, Persist, Received, Send
from terminal.records import Record

# Seconds from one try to the next, when no answer comes or payments come between.
RETRY_S = (5, 10, 30, 60, 300, 900, 3600)
# Seconds for which a digit is not heeded: after the errand was done, and after it was given up.
REST_S, REST_AFTER_REFUSAL_S = 300, 3600
SHOWN_AFTER_TRIES = 3
DONE = ""
WAIT_MAX_S = 99  # field 62 has two digits for it

# What the host may ask for and this terminal cannot do yet: remembered, and shown to people.
REMEMBERED: Mapping[str, str] = {
    "4": "download_ca_keys",
    "5": "download_aid_parameters",
    "6": "update_program",
    "7": "download_black_list",
}


@dataclass(slots=True)
class _Wanted:
    """An errand that the host has asked for: when it may be tried next, and how often it was."""

    at: float
    tries: int = 0


@dataclass(slots=True)
class _UnderWay:
    """An errand that waits for an answer: which, to what, until when, and what the answers before have brought."""

    digit: str
    asked: Message
    due: float
    questions: int = 1
    brought: list[bytes] = field(default_factory=list)


class Errands:
    """Remembers what the host asks for, and does what it can, one thing at a time."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._wanted: dict[str, _Wanted] = {}
        self._rests_until: dict[str, float] = {}
        self._under_way: _UnderWay | None = None
        self._free = False
        self._remembered: tuple[str, ...] = ()
        self._failing: dict[str, None] = {}
        self.devices: Mapping[str, bool] = {}

    @property
    def orders(self) -> tuple[str, ...]:
        """What people should know of: what this terminal cannot do, and what it tries in vain."""
        return (*self._remembered, *self._failing)

    def heed(self, digit: str, now: float) -> None:
        """Take the command in the header of any answer (digit 6)."""
        order = REMEMBERED.get(digit)
        if order and order not in self._remembered:
            self._remembered = (*self._remembered, order)
        if digit in ERRANDS and digit not in self._wanted and now >= self._rests_until.get(digit, now):
            self._wanted[digit] = _Wanted(now)

    def owns(self, message: Message) -> bool:
        """Whether a message answers a question of some errand, be it under way or not."""
        return _code(message) in _CODES

    def follow(self, free: bool, now: float) -> list[Effect]:
        """Begin what is due if the counter is free; set aside what is under way if it is not."""
        self._free = free
        if not free:
            self._under_way = None
        if not free or self._under_way is not None:
            return []
        due = [digit for digit, wanted in self._wanted.items() if wanted.at <= now]
        return self._begin(due[0], now) if due else []

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take an answer; one to another question than that which waits changes nothing."""
        current, answer = self._under_way, event.message
        if current is None or not self._fits(current, answer):
            return []
        try:
            return self._go_on(current, answer, now)
        except Iso8583Error:
            return self._give_up(current.digit, now)

    def tick(self, now: float) -> list[Effect]:
        """Stop waiting for an answer when it is time; `follow` tries again."""
        if self._under_way is not None and self._under_way.due <= now:
            self._wanted[self._under_way.digit].at = now + self._pause_s(self._under_way.digit)
            self._under_way = None
        return []

    def deadline(self) -> float | None:
        """When tick() and follow() want to be called next."""
        if self._under_way is not None:
            return self._under_way.due
        return min((wanted.at for wanted in self._wanted.values()), default=None) if self._free else None

    # --- the machine --------------------------------------------------------------------------------------------------

    def _begin(self, digit: str, now: float) -> list[Effect]:
        wanted, errand = self._wanted[digit], ERRANDS[digit]
        wanted.tries += 1
        wanted.at = now + self._pause_s(digit)
        if wanted.tries > SHOWN_AFTER_TRIES:
            self._failing[errand.order] = None
        first = next(iter(errand.steps.values()))
        self._under_way = _UnderWay(digit, first.ask(self), self._due(now))
        return [Send(self._under_way.asked)]

    def _pause_s(self, digit: str) -> float:
        return RETRY_S[min(self._wanted[digit].tries, len(RETRY_S)) - 1]

    def _due(self, now: float) -> float:
        return now + self._in_force().host.reply_timeout_s

    def _in_force(self) -> TerminalProfile:
        return host_parameters.in_force(self._profile, self._book.parameters)

    def _fits(self, current: _UnderWay, answer: Message) -> bool:
        asked = current.asked
        ours = answer.mti == response_mti(asked.mti) and answer.get(41) == self._profile.terminal_id
        return ours and _code(answer) == _code(asked)

    def _go_on(self, current: _UnderWay, answer: Message, now: float) -> list[Effect]:
        errand = ERRANDS[current.digit]
        if answer.get(39) != "00":
            return self._give_up(current.digit, now)
        following, records = errand.steps[_code(answer)].then(self, current, answer, now)
        if following == DONE:
            self._put_away(current.digit, now + REST_S)
            self._failing.pop(errand.order, None)
            return self._persisted(records)
        if current.questions == errand.questions_max:
            return self._give_up(current.digit, now)
        effects = self._persisted(records)
        current.asked, current.due = errand.steps[following].ask(self), self._due(now)
        current.questions += 1
        return [*effects, Send(current.asked)]

    def _persisted(self, records: Iterable[Record]) -> list[Effect]:
        effects: list[Effect] = []
        for record in records:
            self._book.apply(record)
            effects.append(Persist(record))
        return effects

    def _give_up(self, digit: str, now: float) -> list[Effect]:
        self._put_away(digit, now + REST_AFTER_REFUSAL_S)
        self._failing[ERRANDS[digit].order] = None
        return []

    def _put_away(self, digit: str, rests_until: float) -> None:
        self._under_way = None
        del self._wanted[digit]
        self._rests_until[digit] = rests_until

    # --- steps: what is asked, and what follows from the answer -------------------------------------------------------

    def _ask_for_parameters(self) -> Message:
        return messages.parameter_download(self._profile, self._book.batch)

    def _more_parameters(self, current: _UnderWay, answer: Message, now: float) -> "_Follows":
        """Ask until an answer brings nothing that has not come before; then take all of it."""
        part = answer.binary(62, b"")
        Parameters62.parse(part)
        if part and part not in current.brought:
            current.brought.append(part)
            return "360", ()
        record = host_parameters.taken(self._book.parameters, current.brought, now)
        return "361", () if record is None else (record,)

    def _say_that_they_are_taken(self) -> Message:
        return messages.parameter_download(self._profile, self._book.batch, end=True)

    def _tell_status(self) -> Message:
        profile = self._in_force()
        status = Status62(
            self.devices.get("pin_pad"), self.devices.get("card_reader"), self.devices.get("printer"),
            profile.host.header[:2], min(ceil(profile.host.reply_timeout_s), WAIT_MAX_S),
        )  # fmt: skip
        return messages.status_upload(profile, self._book.batch, status)

    def _finish(self, _current: _UnderWay, _answer: Message, _now: float) -> "_Follows":
        return DONE, ()


def _code(message: Message) -> str:
    return message.text(60, "")[8:11]


_Follows = tuple[str, tuple[Record, ...]]
"""The 60.3 of the next question or DONE, and what is persisted before it is asked."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question of an errand, and what follows from its answer."""

    ask: Callable[[Errands], Message]
    then: Callable[[Errands, _UnderWay, Message, float], _Follows]


@dataclass(frozen=True, slots=True)
class Errand:
    """What one digit asks for: its name for people, its steps by the 60.3 of their questions, and a bound to them."""

    order: str
    steps: Mapping[str, Step]
    questions_max: int


ERRANDS: Mapping[str, Errand] = {
    "1": Errand(
        "download_parameters",
        {
            "360": Step(Errands._ask_for_parameters, Errands._more_parameters),
            "361": Step(Errands._say_that_they_are_taken, Errands._finish),
        },
        questions_max=8,
    ),
    "2": Errand("upload_status", {"362": Step(Errands._tell_status, Errands._finish)}, questions_max=1),
}
_CODES = frozenset(code for errand in ERRANDS.values() for code in errand.steps)
