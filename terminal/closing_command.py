"""`tillgate terminal queue close`: two people close what cannot be asked for any more, from the command line.

Where the terminal runs, its page is asked to do it: one process writes the journal. Where it does not, the journal is
opened here, and the same cores decide.
"""

import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from firmware_config.profile import TerminalProfile, load_profile
from terminal.book import Payment
from terminal.cashier import words
from terminal.cashier.texts import LANGUAGES, texts_in
from terminal.counter import Counter
from terminal.effects import Effect, LoadBatch, Persist
from terminal.events import BatchLoaded, CloseByPeople, RoomMeasured
from terminal.journal import Journal
from terminal.operators import Operators
from terminal.records import Key
from terminal.running import PageRefused, RunningTerminal, in_both_languages
from terminal.view import payment_view


@dataclass(frozen=True, slots=True)
class Pins:
    """What the two have typed."""

    operator: str = field(repr=False)
    supervisor: str = field(repr=False)


def payment_to_close(folder: Path, name: str) -> Payment:
    """The payment that has this key, if people can close it: of the open batch, or of the oldest that is parked.

    Raises PageRefused, JournalError.
    """
    with closing(Journal(folder / "journal.db")) as journal:
        book = journal.book()
    payment = book.find(Key.parse(name)) if name.count("-") == 2 else None
    if payment is None:
        raise PageRefused(f"本批次没有 {name},请看 queue list · the open batch has no {name}: see queue list")
    if not payment.needs_people:
        raise PageRefused(in_both_languages("needs_no_people"))
    return payment


def second_look(payment: Payment, booked: bool) -> str:
    """What closing it so means for the money, in both languages."""
    name = "booked_says" if booked else "not_booked_says"
    return "\n".join(words.of_closing(name, payment_view(payment), texts_in(language)) for language in LANGUAGES)


def close(folder: Path, said: CloseByPeople, pins: Pins) -> None:
    """Let the two close it. Raises PageRefused, ProfileError or JournalError."""
    profile = load_profile(folder / "profile.toml")
    page = RunningTerminal(profile.page_port)
    if page.is_there():
        _press(page, said, pins)
    else:
        _write(folder, profile, said, pins)


def _press(page: RunningTerminal, said: CloseByPeople, pins: Pins) -> None:
    page.log_on(said.operator, pins.operator)
    page.press("/close", {
        "key": str(said.key), "booked": "yes" if said.booked else "no", "statement": said.statement,
        "operator": said.operator, "operator_pin": pins.operator, "supervisor": said.supervisor, "pin": pins.supervisor,
    })  # fmt: skip


def _write(folder: Path, profile: TerminalProfile, said: CloseByPeople, pins: Pins) -> None:
    operators = Operators(folder / "operators.json")
    wrong = operators.check(said.operator, pins.operator)
    wrong = wrong or operators.check(said.supervisor, pins.supervisor, "supervisor")
    if wrong:
        raise PageRefused(in_both_languages(wrong))
    with closing(Journal(folder / "journal.db")) as journal:
        counter, now = Counter(profile, journal.replay()), time.time()
        counter.handle(RoomMeasured(journal.free_bytes(), journal.probe()), now)
        _carry_out(journal, counter, counter.parked.follow(False, now), now)
        _carry_out(journal, counter, counter.handle(said, now), now)
        if counter.notice:
            raise PageRefused(in_both_languages(counter.notice.reason))


def _carry_out(journal: Journal, counter: Counter, effects: list[Effect], now: float) -> None:
    """What concerns the journal; everything else waits for the terminal's next start."""
    for effect in effects:
        match effect:
            case Persist(record):
                journal.append(record)
            case LoadBatch(batch):
                records = tuple(journal.batch(counter.profile.terminal_id, batch))
                _carry_out(journal, counter, counter.handle(BatchLoaded(batch, records), now), now)
