"""Every command of every part keeps the promises of the command line: help with an example, and `--json`."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import typer.core
import typer.main

import tillgate

Part = list[tuple[str, typer.core.TyperCommand]]


def commands(name: str, command: object) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """The words to type, and the command, for each below and including `command`."""
    if isinstance(command, typer.core.TyperGroup):
        for word, below in command.commands.items():
            yield from commands(f"{name} {word}", below)
    else:
        assert isinstance(command, typer.core.TyperCommand)
        yield name, command


@pytest.fixture(params=tillgate.PARTS)
def part(request: pytest.FixtureRequest) -> Part:
    module, _help = tillgate.PARTS[request.param]
    return list(commands(f"tillgate {request.param}", typer.main.get_command(import_module(module).app)))


def test_help_shows_an_example_that_can_be_typed(part: Part) -> None:
    assert [name for name, command in part if f"{name} " not in f"{command.help or ''} {command.epilog or ''} "] == []


def test_machines_can_ask_for_json(part: Part) -> None:
    assert [name for name, command in part if not any("--json" in option.opts for option in command.params)] == []
