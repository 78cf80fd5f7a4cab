"""Errands: what the host asks of the terminal in the header of its answers, beside signing on again (`session`).

An errand is run between payments and while the session is ready. A payment that begins sets it aside, so that selling
never waits; it begins anew when the counter is free. What stands here is volatile: the host goes on asking until it has
been obeyed, so what a restart forgets is asked for again.

The rules, each with its test:
- What an errand brings is taken as a whole, and persisted before the host is told that it is done.
- No answer: again, ever more rarely, for ever. A refusal, nonsense or no end: given up, and not heeded for an hour.
- A host that goes on asking after it has been obeyed is not obeyed again before a rest.

- What a download brings counts only under a good MAC (`terminal.downloads`); without one it is as if it had not come.
- A set whose file cannot be trusted is asked for without being told; so is one that is too old for offline sales.

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
from terminal.downloads import KINDS, Gathering
from terminal.effects import Effect, KeepDownload, Persist, Send
from terminal.events import DownloadKept, DownloadsLoaded, Received
from terminal.records import Record

# Seconds from one try to the next, when no answer comes or payments come between.
RETRY_S = (5, 10, 30, 60, 300, 900, 3600)
# Seconds for which a digit is not heeded: after the errand was done, and after it was given up.
REST_S, REST_AFTER_REFUSAL_S = 300, 3600
SHOWN_AFTER_TRIES = 3
NEVER = float("-inf")
DONE, KEPT = "", "kept"  # nothing follows; or what does waits for the disk
QUESTION_MAX = 999_999
WAIT_MAX_S = 99  # field 62 has two digits for it

# What the host may ask for and this terminal cannot do yet: remembered, and shown to people.
REMEMBERED: Mapping[str, str] = {
    "6": "update_program",
}


@dataclass(slots=True)
class _Wanted:
    """An errand that the host has asked for: when it may be tried next, and how often it was."""

    at: float
    tries: int = 0


@dataclass(slots=True)
class _UnderWay:
    """An errand that waits for an answer: which, to what, until when, and what the answers before have brought.

    `keeping`: it waits for the disk instead.
    """

    digit: str
    asked: Message = field(init=False)
    due: float = field(init=False)
    questions: int = 0
    brought: list[bytes] = field(default_factory=list, repr=False)
    gathering: Gathering | None = None
    keeping: bool = False

    @property
    def download(self) -> Gathering:
        """What has come of a download."""
        assert self.gathering is not None, "only the steps of a download ask"
        return self.gathering


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
        self._refused: tuple[str, ...] = ()
        self._kept_at: Mapping[str, float] = {}
        self._question = 0
        self.devices: Mapping[str, bool] = {}

    @property
    def orders(self) -> tuple[str, ...]:
        """What people should know of: what this terminal cannot do, what it tries in vain, and what it cannot trust."""
        return (*self._remembered, *self._failing, *(f"{kind}_refused" for kind in self._refused))

    def heed(self, digit: str, now: float) -> None:
        """Take the command in the header of any answer (digit 6)."""
        order = REMEMBERED.get(digit)
        if order and order not in self._remembered:
            self._remembered = (*self._remembered, order)
        if digit in ERRANDS and digit not in self._wanted and now >= self._rests_until.get(digit, now):
            self._wanted[digit] = _Wanted(now)

    def loaded(self, event: DownloadsLoaded, now: float) -> list[Effect]:
        """What was downloaded has been read; what cannot be trusted is fetched again, as soon as may be."""
        self._refused, self._kept_at = event.refused, event.at
        for digit, errand in ERRANDS.items():
            if errand.download in event.refused:
                self._wanted.setdefault(digit, _Wanted(now))
        return []

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
        self._want_what_is_old(now)
        due = [digit for digit, wanted in self._wanted.items() if wanted.at <= now]
        return self._begin(due[0], now) if due else []

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take an answer; one to another question than that which waits changes nothing."""
        current, answer = self._under_way, event.message
        if current is None or current.keeping or not self._fits(current, answer) or not self._counts(current, event):
            return []
        try:
            return self._go_on(current, answer, now)
        except Iso8583Error:
            return self._give_up(current.digit, now)

    def kept(self, event: DownloadKept, now: float) -> list[Effect]:
        """The set is durable, which may be said to the host now; or it is not, and the host goes on asking."""
        if event.kept:
            self._refused = tuple(kind for kind in self._refused if kind != event.kind)
        current = self._under_way
        if current is None or not current.keeping or ERRANDS[current.digit].download != event.kind:
            return []
        if not event.kept:
            return self._give_up(current.digit, now)
        current.keeping = False
        return self._ask(current, KINDS[event.kind].end_code, now)

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

    def _want_what_is_old(self, now: float) -> None:
        """Of keys and applications, only what was downloaded grows old; a black list is missed from the start."""
        maximum = self._profile.offline.lists_age_max_s
        if maximum is None:
            return
        for digit, errand in ERRANDS.items():
            at = self._kept_at.get(errand.download, NEVER if errand.download == "black_list" else now)
            if now - at >= maximum and now >= self._rests_until.get(digit, now):
                self._wanted.setdefault(digit, _Wanted(now))

    def _begin(self, digit: str, now: float) -> list[Effect]:
        wanted, errand = self._wanted[digit], ERRANDS[digit]
        wanted.tries += 1
        wanted.at = now + self._pause_s(digit)
        if wanted.tries > SHOWN_AFTER_TRIES:
            self._failing[errand.order] = None
        gathering = Gathering(errand.download) if errand.download else None
        self._under_way = _UnderWay(digit, gathering=gathering)
        return self._ask(self._under_way, next(iter(errand.steps)), now)

    def _ask(self, current: _UnderWay, code: str, now: float) -> list[Effect]:
        self._question = self._question % QUESTION_MAX + 1
        current.asked = ERRANDS[current.digit].steps[code].ask(self, current)
        current.due = self._due(now)
        current.questions += 1
        return [Send(current.asked)]

    def _pause_s(self, digit: str) -> float:
        return RETRY_S[min(self._wanted[digit].tries, len(RETRY_S)) - 1]

    def _due(self, now: float) -> float:
        return now + self._in_force().host.reply_timeout_s

    def _in_force(self) -> TerminalProfile:
        return host_parameters.in_force(self._profile, self._book.parameters)

    def _fits(self, current: _UnderWay, answer: Message) -> bool:
        asked = current.asked
        ours = answer.mti == response_mti(asked.mti) and answer.get(41) == self._profile.terminal_id
        return ours and _code(answer) == _code(asked) and answer.get(11, asked.get(11)) == asked.get(11)

    def _counts(self, current: _UnderWay, event: Received) -> bool:
        """Whether an answer may bring what it brings: to a download, only what is proven to be this question's."""
        if current.gathering is None or 62 not in event.message:
            return True
        if self._profile.host.downloads_without_mac and event.mac == "absent":
            return True
        return event.mac == "good" and 11 in event.message

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
        if following == KEPT:
            current.keeping, current.due = True, self._due(now)
            return [*effects, KeepDownload(current.download.whole())]
        return effects + self._ask(current, following, now)

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

    def _ask_for_parameters(self, _current: _UnderWay) -> Message:
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

    def _say_that_they_are_taken(self, _current: _UnderWay) -> Message:
        return messages.parameter_download(self._profile, self._book.batch, end=True)

    def _tell_status(self, _current: _UnderWay) -> Message:
        profile = self._in_force()
        status = Status62(
            self.devices.get("pin_pad"), self.devices.get("card_reader"), self.devices.get("printer"),
            profile.host.header[:2], min(ceil(profile.host.reply_timeout_s), WAIT_MAX_S),
        )  # fmt: skip
        return messages.status_upload(profile, self._book.batch, status)

    def _ask_for_list(self, current: _UnderWay) -> Message:
        rules = current.download.rules
        return self._download(rules.list_type, rules.list_code, current.download.list_question())

    def _more_of_list(self, current: _UnderWay, answer: Message, _now: float) -> "_Follows":
        return current.download.take_page(answer.binary(62, b"")) or KEPT, ()

    def _ask_for_item(self, current: _UnderWay) -> Message:
        rules = current.download.rules
        return self._download(rules.item_type, rules.item_code, current.download.item_question())

    def _one_item(self, current: _UnderWay, answer: Message, _now: float) -> "_Follows":
        return current.download.take_item(answer.binary(62, b"")) or KEPT, ()

    def _say_that_all_is_taken(self, current: _UnderWay) -> Message:
        return self._download(current.download.rules.item_type, current.download.rules.end_code, b"")

    def _download(self, kind: str, code: str, field62: bytes) -> Message:
        return messages.download(self._profile, self._book.batch, kind, code, field62, self._question)

    def _finish(self, _current: _UnderWay, _answer: Message, _now: float) -> "_Follows":
        return DONE, ()


def _code(message: Message) -> str:
    return message.text(60, "")[8:11]


_Follows = tuple[str, tuple[Record, ...]]
"""The 60.3 of the next question, or DONE or KEPT, and what is persisted before it is asked."""


@dataclass(frozen=True, slots=True)
class Step:
    """One question of an errand, and what follows from its answer."""

    ask: Callable[[Errands, _UnderWay], Message]
    then: Callable[[Errands, _UnderWay, Message, float], _Follows]


@dataclass(frozen=True, slots=True)
class Errand:
    """What one digit asks for: its name for people, its steps by the 60.3 of their questions, and a bound to them.

    `download` is the kind of what it downloads, empty if it is none of `downloads.KINDS`.
    """

    order: str
    steps: Mapping[str, Step]
    questions_max: int
    download: str = ""


def _download_of(kind: str) -> Errand:
    """A page may bring a single name, so there are no more questions than twice the maximum, and the end."""
    rules = KINDS[kind]
    steps = {
        rules.list_code: Step(Errands._ask_for_list, Errands._more_of_list),
        rules.item_code: Step(Errands._ask_for_item, Errands._one_item),
        rules.end_code: Step(Errands._say_that_all_is_taken, Errands._finish),
    }
    with_items = {code: step for code, step in steps.items() if code}
    return Errand(f"download_{kind}", with_items, questions_max=2 * rules.maximum + 1, download=kind)


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
    "4": _download_of("ca_keys"),
    "5": _download_of("applications"),
    "7": _download_of("black_list"),
}
_CODES = frozenset(code for errand in ERRANDS.values() for code in errand.steps)
