"""What a host needs of its process: enough open files for its connections, and one line where asyncio has a traceback.

A process that runs out of files cannot take a connection, nor write its store; so connections are refused well before.
"""

import asyncio
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from host_switch.connections import Limits
from host_switch.listener import BACKLOG

OUR_FILES = 64  # store, lock, door, channel, log, and what Python itself holds
SAY_AGAIN_S = 1.0

_log = structlog.get_logger("host_switch.process")


class ProcessError(Exception):
    """The process may not do what a host needs; the text says what to do."""


def limits_within_open_files(limits: Limits) -> Limits:
    """Ask for as many open files as the limits need, and stay within what we get.

    Connections that are being accepted, up to `BACKLOG` at once, need files before they can be counted and refused.

    Raises:
        ProcessError: there would be no room for a single terminal.
    """
    granted = _granted(limits.connections_max + BACKLOG + OUR_FILES)
    room = granted - BACKLOG - OUR_FILES
    if room < 1:
        raise ProcessError(f"a host needs more than {granted} open files: raise the limit, as in ulimit -n 8192")
    return replace(limits, connections_max=min(limits.connections_max, room))


def _granted(wanted: int) -> int:
    """Raise the soft limit if it is below what is wanted, as far as the hard one allows; return the smaller."""
    soft, hard = (
        wanted if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return min(soft, wanted)


def one_line(now: Callable[[], float] = time.monotonic) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """An exception handler for the loop: what would be a traceback is one line, and not the same one in one second."""
    said: dict[str, float] = {}

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        message, error = context["message"], type(context.get("exception")).__name__
        if now() - said.get(message, -SAY_AGAIN_S) >= SAY_AGAIN_S:
            said[message] = now()
            _log.error("loop", trouble=message, error=error)

    return handle
