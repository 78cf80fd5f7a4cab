"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import iso8583

MODULES = ["iso8583", *(module.name for module in pkgutil.walk_packages(iso8583.__path__, "iso8583."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
