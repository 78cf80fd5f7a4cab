"""The examples in docstrings and in the README run."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import iso8583

MODULES = ["iso8583", *(module.name for module in pkgutil.walk_packages(iso8583.__path__, "iso8583."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_readme() -> None:
    page = Path(iso8583.__path__[0]) / "README.md"
    outcome = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 10
    assert outcome.failed == 0
