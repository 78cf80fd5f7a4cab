"""What `make house` counts, on a package small enough to count by hand."""

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import house

DOCUMENTED = '''"""A module."""


class Till:
    """A class."""

    def open(self) -> None:
        """Public, documented: a body of two lines."""
        first = 1
        print(first)

    def close(self):
        pass

    def _lock(self) -> None:
        def inner() -> int:
            return 1
        inner()
'''
BARE = "def ring(): return 1\n"


def test_measures_of_a_small_package() -> None:
    assert house.measure("shop", [DOCUMENTED, BARE], test_lines=38) == house.Measures(
        package="shop",
        files=2,
        lines=19,
        file_median=9.5,
        file_p90=18,
        file_max=18,
        functions=5,  # open, close, _lock, inner, ring
        body_median=1,
        body_p90=3,
        body_max=3,
        docstrings_percent=50.0,  # module, Till, open of these and close, the second module, ring
        return_types_percent=60.0,
        tests_to_code=2.0,
    )


def test_an_empty_package_has_nothing_to_measure() -> None:
    row = house.measure("shop", [], test_lines=0)
    assert row == replace(row, file_median=None, body_max=None, docstrings_percent=None, tests_to_code=None)
    assert "-" in house.table([row])


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([7], 7), (list(range(1, 11)), 9), (list(range(1, 12)), 10)],
)
def test_percentile_is_the_nearest_rank(values: list[int], expected: int | None) -> None:
    assert house.percentile(values, 90) == expected


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("def f(): return 1", 1),
        ("def f():\n    '''Only words.'''", 0),
        ("def f():\n    '''Words.'''\n    a = (\n        1\n    )\n    return a", 4),
    ],
)
def test_a_body_is_counted_without_its_docstring(source: str, lines: int) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert house.body_lines(function) == lines


def test_tree_rows_end_with_all_of_it(tmp_path: Path) -> None:
    for path, text in {
        "iso8583/a.py": "x = 1\n", "terminal/b.py": "y = 1\n" * 2, "tests/terminal/test_b.py": "z = 1\n" * 4,
        "tillgate.py": "w = 1\n",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    rows = {row.package: (row.lines, row.tests_to_code) for row in house.measure_tree(tmp_path)}
    assert rows == {"iso8583": (1, 0.0), "terminal": (2, 2.0), "all": (4, 1.0)}


def test_table_stands_beside_its_aims(capsys: pytest.CaptureFixture[str]) -> None:
    assert house.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split()[:3] == ["package", "files", "lines"]
    assert lines[-1].startswith("aim")
    assert all(aim in lines[-1] for aim in house.TARGETS.values())


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert house.main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["aims"] == house.TARGETS
    assert told["packages"][-1]["package"] == "all"
