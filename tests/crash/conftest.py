"""One run of real processes for all tests of this folder that look at what came of it."""

from pathlib import Path

import pytest

from simulators.crash.kills import Case, Outcome
from simulators.crash.plans import BUSY_HOUR, PLANS
from tests.crash.kept_apart import outcomes

SALE, OFFLINE_SALE, CODE_SALE, PHONE_SALE, VOID, SETTLEMENT = (
    next(p for p in PLANS if p.name == name)
    for name in (
        "sale", "offline sale", "offline sale by a signed code", "sale to a phone without network", "void",
        "settlement",
    )
)
CASES = (
    *(Case(SALE, "terminal", effect) for effect in (1, 4, 5)),
    *(Case(SALE, "host", effect) for effect in (1, 3)),
    *(Case(SALE, "keys", effect) for effect in (1, 4, 6)),
    *(Case(OFFLINE_SALE, "terminal", effect) for effect in (3, 10)), Case(OFFLINE_SALE, "host", 3),
    *(Case(CODE_SALE, "terminal", effect) for effect in (3, 4)), Case(CODE_SALE, "host", 2),
    *(Case(PHONE_SALE, "host", effect) for effect in (1, 2)), Case(PHONE_SALE, "terminal", 4),
    Case(VOID, "terminal", 2), Case(VOID, "host", 2), Case(SETTLEMENT, "terminal", 3), Case(SETTLEMENT, "host", 1),
    Case(BUSY_HOUR, moments=(("issuer", 0.3), ("host", 0.6))),
)  # fmt: skip


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes ran; ``base`` in it is the shop that had sold four times when the cases began."""
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="package")
def found(folder: Path) -> list[Outcome]:
    """An undisturbed sale, the cases, and a sale at a forgetful terminal."""
    return outcomes(folder, [Case(SALE), *CASES], [Case(SALE, "terminal", 4)])
