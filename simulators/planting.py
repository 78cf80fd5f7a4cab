"""How a bug is planted: something that stands at a place of the program is replaced, for a while, from outside.

Production code knows nothing of it. Places are named by their text: when such a name goes away, the bug cannot be
planted, and that is an error.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

Make = Callable[[Any], Any]
"""From what stands at a place to what shall stand there instead."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to replace. `place` is ``module:name`` or ``module:Class.name``; `key` names an entry of a mapping."""

    place: str
    make: Make
    key: Any = None


class Bug:
    """A planted bug: its name, and what is changed."""

    def __init__(self, name: str, *changes: Change) -> None:
        self.name = name
        self.changes = changes


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Plant a bug for a while."""
    with ExitStack() as undo:
        for change in bug.changes:
            undo.callback(_replace(change))
        yield


def _replace(change: Change) -> Callable[[], None]:
    """Make one change; returns what takes it back."""
    module, _, path = change.place.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    before = getattr(owner, name)
    if change.key is None:
        setattr(owner, name, change.make(before))
        return lambda: setattr(owner, name, before)
    entry = before[change.key]
    before[change.key] = change.make(entry)
    return lambda: before.__setitem__(change.key, entry)


def always(value: Any) -> Make:
    """Whatever it was: from now on it is this."""
    return lambda _before: value
