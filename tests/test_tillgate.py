"""The command `tillgate` itself: lazy, and plain about errors."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer

import tillgate

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def run_part(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], int]:
    """Runs `tillgate host` with `body` as the whole of its command."""

    def run(body: Callable[[], None]) -> int:
        part = ModuleType("planted_part")
        part.app = typer.Typer()  # type: ignore[attr-defined]
        part.app.command()(body)
        monkeypatch.setitem(sys.modules, "planted_part", part)
        monkeypatch.setitem(tillgate.PARTS, "host", ("planted_part", "help"))
        return tillgate.main(["host"])

    return run


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_no_part_is_imported_before_it_is_called(option: str) -> None:
    script = (
        "import sys, tillgate; code = tillgate.main(sys.argv[1:]);"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "sys.exit(code or sorted(loaded & {'terminal', 'host_switch', 'simulators', 'iso8583', 'PIL'}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, option], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "tillgate" in done.stdout


def test_help_lists_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert tillgate.main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in tillgate.PARTS)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["hots"], "Did you mean 'host'"),
        (["--vershun"], "No such option"),
        (["host", "--nonsense"], "See: tillgate host --help"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str], run_part: Callable[[Callable[[], None]], int]
) -> None:
    run_part(lambda: None)
    assert tillgate.main(arguments) == 2
    stderr = capsys.readouterr().err
    assert hint in stderr
    assert stderr.count("\n") == 1


def _refuse() -> None:
    raise typer.TyperException("主机未签到 / The terminal is not signed on: sign on first.")


def _exit_1() -> None:
    raise typer.Exit(1)


def _abort() -> None:
    raise typer.Abort


def _open_missing() -> None:
    Path("/nonexistent/journal").read_bytes()


def _import_missing() -> None:
    import no_such_module  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (_refuse, "sign on first."),
        (_exit_1, ""),
        (_abort, "Stopped"),
        (_open_missing, "/nonexistent/journal"),
        (_import_missing, "no_such_module"),
    ],
)
def test_failure_is_one_sentence_and_exit_code_1(
    body: Callable[[], None],
    told: str,
    capsys: pytest.CaptureFixture[str],
    run_part: Callable[[Callable[[], None]], int],
) -> None:
    assert run_part(body) == 1
    stderr = capsys.readouterr().err
    assert told in stderr
    assert stderr.count("\n") == bool(told)
    assert "Traceback" not in stderr


def test_unforeseen_error_tells_kind_and_place_but_never_its_text(
    capsys: pytest.CaptureFixture[str], run_part: Callable[[Callable[[], None]], int]
) -> None:
    def leak() -> None:
        raise ValueError("6217000000000000001")

    assert run_part(leak) == 1
    stderr = capsys.readouterr().err
    assert "ValueError at tests/test_tillgate.py:" in stderr
    assert "6217" not in stderr


def test_developers_get_the_whole_traceback(
    monkeypatch: pytest.MonkeyPatch, run_part: Callable[[Callable[[], None]], int]
) -> None:
    monkeypatch.setenv(tillgate.SHOW_TRACEBACK, "1")
    with pytest.raises(typer.TyperException):
        run_part(_refuse)


def test_success_is_exit_code_0(run_part: Callable[[Callable[[], None]], int]) -> None:
    assert run_part(lambda: None) == 0
