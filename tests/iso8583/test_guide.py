"""The guide to `tillgate iso` shows what the commands really print. To write it anew: GUIDE=write pytest this file."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.iso8583.iso_command import Run
from tests.iso8583.vectors import GOLDEN

PAGE = Path(__file__).parents[2] / "docs" / "guide_iso.md"
_SHOWN = re.compile(r"```console\n\$ tillgate iso ([^\n]*)\n(.*?)```", re.DOTALL)


def test_the_guide_shows_what_is_printed(iso: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sale = GOLDEN["sale"].wire.hex()
    Path("sale.hex").write_text(sale, "ascii")
    Path("answer.hex").write_text(GOLDEN["sale_answer"].wire.hex(), "ascii")
    Path("broken.hex").write_text(sale.replace("000000001234", "0000000A1234", 1), "ascii")

    def printed(shown: re.Match[str]) -> str:
        outcome = iso(*shlex.split(shown[1]))
        text = re.sub(r"[ \t]+$", "", (outcome.out.strip("\n") + "\n" + outcome.err), flags=re.MULTILINE)
        return f"```console\n$ tillgate iso {shown[1]}\n{text}```"

    page = PAGE.read_text("utf-8")
    assert len(_SHOWN.findall(page)) >= 6
    real = _SHOWN.sub(printed, page)
    if os.environ.get("GUIDE") == "write":
        PAGE.write_text(real, "utf-8")
    assert real == page
