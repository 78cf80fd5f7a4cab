"""`make house`: sizes, docstrings and types of every package beside the figures we aim at.

For looking at, not for obeying: never split a function that reads well whole, and never pad a test. A function's size
is the lines of its body without the docstring. A public name is a module, class, function or method without a leading
underscore, in public company; a function inside a function is nobody's. Tests are the folder tests/ of the same name.
"""

import argparse
import ast
import json
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("iso8583", "paycode", "firmware_config", "terminal", "host_switch", "simulators", "bench")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


@dataclass(frozen=True, slots=True)
class Measures:
    """One row of the table: counts, sizes in lines, shares in percent. None where there is nothing to measure."""

    package: str
    files: int
    lines: int
    file_median: float | None
    file_p90: float | None
    file_max: int | None
    functions: int
    body_median: float | None
    body_p90: float | None
    body_max: int | None
    docstrings_percent: float | None
    return_types_percent: float | None
    tests_to_code: float | None


TARGETS = {
    "file_median": "<= 150",
    "file_max": "<= 500",
    "body_median": "<= 8",
    "body_p90": "<= 25",
    "docstrings_percent": ">= 95",
    "return_types_percent": "100",
    "tests_to_code": ">= 1.3",
}
"""What good code of this field measures. Tables of a dialect may make longer files."""


def measure(package: str, texts: Sequence[str], test_lines: int) -> Measures:
    """Measure the source texts of one package."""
    trees = [ast.parse(text) for text in texts]
    sizes = [len(text.splitlines()) for text in texts]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    bodies = [body_lines(function) for function in functions]
    public = [node for tree in trees for node in public_names(tree)]
    return Measures(
        package=package,
        files=len(texts),
        lines=sum(sizes),
        file_median=statistics.median(sizes) if sizes else None,
        file_p90=percentile(sizes, 90),
        file_max=max(sizes, default=None),
        functions=len(functions),
        body_median=statistics.median(bodies) if bodies else None,
        body_p90=percentile(bodies, 90),
        body_max=max(bodies, default=None),
        docstrings_percent=_percent(ast.get_docstring(node) is not None for node in public),
        return_types_percent=_percent(function.returns is not None for function in functions),
        tests_to_code=round(test_lines / sum(sizes), 2) if any(sizes) else None,
    )


def body_lines(function: Function) -> int:
    """Lines of a function's body without its docstring, from the first statement to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def public_names(node: Documented) -> Iterator[Documented]:
    """The node and every public name inside it, but nothing inside a function."""
    yield node
    for child in node.body if not isinstance(node, Function) else ():
        if isinstance(child, ast.ClassDef | Function) and not child.name.startswith("_"):
            yield from public_names(child)


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The smallest value that `percent` of the values do not exceed (nearest rank)."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1] if values else None


def _percent(marks: Iterable[bool]) -> float | None:
    counted = list(marks)
    return round(100 * sum(counted) / len(counted), 1) if counted else None


def _texts(folder: Path) -> list[str]:
    return [path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))]


def measure_tree(root: Path = ROOT) -> list[Measures]:
    """One row a package that exists below `root`, and one for all of them."""
    code = {name: _texts(root / name) for name in PACKAGES if (root / name).is_dir()}
    tests = {name: sum(len(text.splitlines()) for text in _texts(root / "tests" / name)) for name in code}
    rows = [measure(name, texts, tests[name]) for name, texts in code.items()]
    everything = [text for texts in code.values() for text in texts] + [(root / "tillgate.py").read_text("utf-8")]
    all_tests = sum(len(text.splitlines()) for text in _texts(root / "tests"))
    return [*rows, measure("all", everything, all_tests)]


def table(rows: Sequence[Measures]) -> str:
    """The rows as text, the targets last."""
    names = [field.name for field in fields(Measures)]
    heads = [name.replace("_", " ").replace("percent", "%").split(" ", 1) for name in names]
    cells = [
        [head[0] for head in heads],
        [head[1] if len(head) > 1 else "" for head in heads],
        *([_cell(getattr(row, name)) for name in names] for row in rows),
        ["aim", *(TARGETS.get(name, "") for name in names[1:])],
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    formats = [f"{{:{'>' if column else '<'}{width}}}" for column, width in enumerate(widths)]
    return "\n".join("  ".join(formats).format(*line) for line in cells)


def _cell(value: str | float | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or the same as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.house", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the table")
    wants_json = parser.parse_args(arguments).json
    rows = measure_tree()
    print(json.dumps({"packages": [asdict(row) for row in rows], "aims": TARGETS}) if wants_json else table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
