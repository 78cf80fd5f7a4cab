"""The documentation says what the code does."""

import re
from pathlib import Path

import pytest

from docs.state_diagrams import PAGE, ROOT, drawn

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "iso8583/README.md"])
_LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
_FOLDERS = "iso8583|paycode|firmware_config|terminal|host_switch|simulators|bench|tests|docs"
_CODE_PATH = re.compile(rf"`((?:{_FOLDERS})/[\w./-]*)`")


def test_state_diagrams_are_those_of_the_tables():
    assert drawn(PAGE.read_text()) == PAGE.read_text(), "run: python -m docs.state_diagrams"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(page: Path):
    text = page.read_text()
    targets = [page.parent / link for link in _LINK.findall(text)]
    targets += [ROOT / path for path in _CODE_PATH.findall(text) if "<" not in path]
    assert [str(target) for target in targets if not target.exists()] == []
