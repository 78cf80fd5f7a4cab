"""`tillgate iso` as its tests run it: in this process, with bytes on standard input, and its outputs caught."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import tillgate

Run = Callable[..., "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def everything(self) -> str:
        """All that somebody could read."""
        return self.out + self.err

    @property
    def rows(self) -> list[Any]:
        """The lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    def sentence(self) -> str:
        """The one line on standard error of a command that refused."""
        assert self.err.startswith("tillgate: ")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        assert "内部故障" not in self.err
        return self.err


class _Stdin:
    def __init__(self, data: bytes, *, is_terminal: bool) -> None:
        self.buffer = io.BytesIO(data)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def iso(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs `tillgate iso …` in English, with `stdin` piped in."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(*arguments: str, stdin: bytes | str = b"", is_terminal: bool = False) -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", _Stdin(data, is_terminal=is_terminal))
        code = tillgate.main(["iso", *arguments])
        out, err = capsysbinary.readouterr()
        return Outcome(code, out.decode("utf-8", "replace"), err.decode("utf-8"), out)

    return run
