"""What every test may rely on: how a log is written is as it was before the test."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command configures the log for its process; here many commands share one."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
