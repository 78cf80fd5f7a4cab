"""The command `tillgate`: one name in front of every package's own commands.

A package's commands live in its `commands.py` as `app: typer.Typer`; here is only the table that says which module
stands behind which word. That module is imported when its word is typed, so that `tillgate --version` and
`tillgate --help` load none of them, and a part that cannot be imported leaves the others usable.

Exit codes: 0 done, 1 refused or failed, 2 wrong use. Errors are one sentence on stderr that says what to do next, never
a traceback: the text of an unforeseen error may hold card data, so only its kind and place are told. A command refuses
with `raise typer.TyperException("the sentence")`.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
import typer.main

__version__ = "0.1.0"

PARTS = {
    "demo": ("simulators.demo", "整家店跑起来 · The whole shop on this machine: tour, slips, addresses to open"),
    "terminal": ("terminal.commands", "收银终端 · The counter: run it, read its journal and queue, test its devices"),
    "host": ("host_switch.commands", "收单主机 · The acquirer's host: run it, see terminals, ledger and settlement"),
    "iso": ("iso8583.commands", "报文工具 · ISO 8583 messages: decode, encode, explain, compare, redact, measure"),
    "paycode": ("paycode.commands", "离线付款码 · Offline payment codes: issue and verify them"),
    "sim": ("simulators.commands", "模拟器 · Everything outside: issuer, devices, the seeded world"),
}
"""The word typed: (module whose `app` answers to it, one line of help)."""

SHOW_TRACEBACK = "TILLGATE_TRACEBACK"
"""Environment variable for developers: set, an unforeseen error shows where it came from in full, data included."""


class _Parts(typer.core.TyperGroup):
    """Lists the parts by their line of help, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _line_of_help, rest = super().resolve_command(ctx, args)
        module, _help = PARTS[str(name)]
        return name, typer.main.get_command(import_module(module).app), rest


app = typer.Typer(
    cls=_Parts,
    help="断网也能收款的 POS 网关 · A POS edge gateway that keeps selling when the network is gone.\n\n"
    "例 / Example: tillgate demo --once",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tillgate {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001  acted on by its eager callback
        bool, typer.Option("--version", help="版本 · Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _line_of_help() -> None:
    """Stands in the list for a part's app until that is called."""


for _name, (_module, _help) in PARTS.items():
    app.command(_name, help=_help)(_line_of_help)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (`sys.argv[1:]` by default) and return its exit code: 0, 1, 2, or 130 when interrupted."""
    try:
        outcome = typer.main.get_command(app).main(arguments, prog_name="tillgate", standalone_mode=False)
    except Exception as error:
        if os.environ.get(SHOW_TRACEBACK):
            raise
        sentence, code = _explain(error)
        if sentence:
            print(f"tillgate: {sentence}", file=sys.stderr)
        return code
    return outcome if isinstance(outcome, int) else 0


def _explain(error: Exception) -> tuple[str, int]:
    match error:
        case typer.TyperException(exit_code=2):
            return _wrong_use(error), 2
        case typer.TyperException():
            return error.format_message(), error.exit_code
        case typer.Abort():
            return "已中止 / Stopped before anything was done.", 1
        case ModuleNotFoundError():
            missing = f"缺少模块 / The Python module {error.name} is missing"
            return f"{missing}: install the requirements, or the extra (hardware, camera, postgres) that brings it.", 1
        case OSError():
            return f"系统拒绝 / The system refused: {error}. Mend that and run the command again.", 1
    fault = f"内部故障 / A fault of Tillgate's own: {type(error).__name__} at {_place(error)}"
    return f"{fault}. Set {SHOW_TRACEBACK}=1 to see all of it, and report it.", 1


def _wrong_use(error: typer.TyperException) -> str:
    message = error.format_message().strip()
    if not message:  # a part called without arguments: its help has just been shown
        return ""
    context = getattr(error, "ctx", None)
    return f"用法有误 / {message} See: {context.command_path if context else 'tillgate'} --help"


def _place(error: Exception) -> str:
    """Our own deepest line in the traceback, as `terminal/journal.py:120`."""
    home = Path(__file__).resolve().parent
    ours = [
        f"{Path(frame.filename).relative_to(home)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(home) and "site-packages" not in frame.filename
    ]
    return ours[-1] if ours else "an unknown place"


if __name__ == "__main__":
    sys.exit(main())
