"""Figures are printed and kept as one line, and judged by the thresholds."""

import json
import tomllib
from pathlib import Path

import pytest

from bench import figures

BOUNDS = """
[sim]
worlds = { min = 5000 }
violations = { max = 0 }
seconds = { max = 360 }
"""


@pytest.fixture
def thresholds(tmp_path: Path) -> Path:
    path = tmp_path / "thresholds.toml"
    path.write_text(BOUNDS)
    return path


def test_a_good_run_is_printed_and_appended_as_the_same_line(
    tmp_path: Path, thresholds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "figures.jsonl"
    kept.write_text('{"command": "earlier"}\n')
    measured: dict[str, figures.Figure] = {"worlds": 5000, "violations": 0, "slowest_seed": "17"}
    assert figures.report("sim", measured, 231.04, thresholds=thresholds, kept=kept) == 0
    line = capsys.readouterr().out
    assert kept.read_text() == '{"command": "earlier"}\n' + line
    told = json.loads(line)
    assert list(told) == ["command", "date", "commit", "machine", "seconds", "figures", "falls_short"]
    assert (told["command"], told["seconds"], told["figures"], told["falls_short"]) == ("sim", 231.0, measured, [])


@pytest.mark.parametrize(
    ("measured", "seconds", "told"),
    [
        ({"worlds": 4999, "violations": 0}, 1.0, "worlds is 4999, it must be at least 5000"),
        ({"worlds": 5000, "violations": 1}, 1.0, "violations is 1, it must be at most 0"),
        ({"worlds": 5000, "violations": 0}, 360.5, "seconds is 360.5, it must be at most 360"),
        ({"worlds": 5000}, 1.0, "violations was not measured"),
        ({"worlds": 5000, "violations": "none"}, 1.0, "violations was not measured"),
        ({"worlds": float("nan"), "violations": 0}, 1.0, "worlds was not measured"),
    ],
)
def test_each_missed_threshold_is_named_and_fails_the_run(
    measured: dict[str, figures.Figure], seconds: float, told: str, tmp_path: Path, thresholds: Path
) -> None:
    kept = tmp_path / "figures.jsonl"
    assert figures.report("sim", measured, seconds, thresholds=thresholds, kept=kept) == 1
    assert json.loads(kept.read_text())["falls_short"] == [told]


def test_a_misspelt_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="worlds wants min or max"):
        list(figures.shortfalls({"worlds": 1}, {"worlds": {"minimum": 1}}))


def test_the_stated_thresholds_can_be_read() -> None:
    for command in ("sim", "crash", "bench"):
        bounds = tomllib.loads(figures.THRESHOLDS.read_text())[command]
        assert len(list(figures.shortfalls({}, bounds))) == len(bounds) > 0


def test_machine_and_commit_are_told_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "Python 3." in figures.machine()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    assert figures.commit() == "unknown"
