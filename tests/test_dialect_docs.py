"""The pages about dialects: made from the tables, and every block in them runs."""

import doctest
import re
from pathlib import Path

import pytest

from docs.dialect_pages import FOLDER, INDEX, ROOT, index, page
from iso8583 import load_dialect
from iso8583.dialects import NAMES

RUN = [INDEX, ROOT / "docs" / "tutorial_iso8583.md"]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_those_of_the_tables(name: str) -> None:
    assert page(name) == (FOLDER / f"{name}.md").read_text("utf-8"), "run: python -m docs.dialect_pages"


def test_the_index_lists_the_dialects() -> None:
    assert index(INDEX.read_text("utf-8")) == INDEX.read_text("utf-8"), "run: python -m docs.dialect_pages"
    assert {path.stem for path in FOLDER.glob("*.md")} == {*NAMES, "README"}


@pytest.mark.parametrize("name", NAMES)
def test_each_page_has_each_field(name: str) -> None:
    numbers = set[int]()
    fields = page(name).split("## Fields")[1].split("\n## ")[0]
    for first, last in re.findall(r"^\| (\d+)(?:–(\d+))? \|", fields, re.MULTILINE):
        numbers.update(range(int(first), int(last or first) + 1))
    assert numbers == load_dialect(name).table.fields.keys()


@pytest.mark.parametrize("document", RUN, ids=lambda document: document.name)
def test_every_block_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sessions = []
    for language, block in _BLOCK.findall(document.read_text("utf-8")):
        if language == "toml":
            name = re.match(r"# (\w+\.toml)\n", block)
            assert name, "the first line of a TOML block names its file"
            Path(name[1]).write_text(block, "utf-8")
        else:
            assert language == "pycon"
            sessions.append(block)
    test = doctest.DocTestParser().get_doctest("\n".join(sessions), {}, document.name, str(document), 0)
    assert len(test.examples) > 5
    assert doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test).failed == 0
