"""Asyncio tests without a plugin: each in an event loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps


def in_a_loop(scenario: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """Make a test of a coroutine function."""

    @wraps(scenario)
    def test(**parameters: object) -> None:
        asyncio.run(scenario(**parameters))

    return test
