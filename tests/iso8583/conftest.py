"""Fixtures of the codec's tests."""

from tests.iso8583.iso_command import iso

__all__ = ["iso"]
