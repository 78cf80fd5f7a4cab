"""The source of one compiled function while it is written.

Only whole numbers and the words of this package ever become source text. Everything that a dialect's author may have
written (names, pad nibbles, tables of lengths) enters as a constant of the function, under a name that is made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any


class Source:
    """Lines of a function body, and the constants that they name."""

    def __init__(self, arguments: str) -> None:
        self._lines = [f"def plan({arguments}):"]
        self._constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}  # of the constants, by what they are
        self._margin = "    "

    def line(self, text: str) -> None:
        """Add one line."""
        self._lines.append(f"{self._margin}{text}")

    @contextmanager
    def only_if(self, condition: str) -> Iterator[None]:
        """Lines that are added meanwhile, one at least, are carried out only if `condition` holds."""
        self.line(f"if {condition}:")
        self._margin += "    "
        yield
        self._margin = self._margin[:-4]

    def constant(self, value: Any) -> str:
        """The name under which the function finds `value`."""
        known = self._names.get(id(value))
        if known is None:
            known = self._names[id(value)] = f"K{len(self._names)}"
            self._constants[known] = value
        return known

    def surprise_unless(self, condition: str) -> None:
        """Give up unless `condition` holds: the reference codec will say what is wrong."""
        self.line(f"if not ({condition}): return None")

    def cut(self, text: str, names: list[str], slices: list[slice]) -> None:
        """Cut `text` into several names at once."""
        if len(names) == 1:
            self.line(f"{names[0]} = {text}[{slices[0].start}:{slices[0].stop}]")
        else:
            self.line(f"{', '.join(names)} = {self.constant(itemgetter(*slices))}({text})")

    def function(self) -> Callable[..., Any]:
        """The compiled function."""
        namespace: dict[str, Any] = dict(self._constants)
        exec(compile("\n".join(self._lines), "<iso8583 plan>", "exec"), namespace)  # noqa: S102
        function: Callable[..., Any] = namespace["plan"]
        return function
