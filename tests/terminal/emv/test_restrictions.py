"""May this card be used here, today, for this?"""

from dataclasses import replace

import pytest

from simulators.cards import Card
from terminal.emv.flags import Tvr
from tests.terminal.emv.rig import FACTS, GOOD, PARAMETERS, Counter, patched

# So that no finding declines before it can be seen.
PATIENT = replace(
    PARAMETERS,
    applications=tuple(replace(application, tac_denial=Tvr.NONE) for application in PARAMETERS.applications),
)


def findings(changes: dict[int, bytes | None], **facts: object) -> Tvr:
    card = patched(GOOD, {0x9F0E: bytes(5), 0x8E: bytes(8) + b"\x1f\x00", **changes})
    return Counter(Card(card), PATIENT, replace(FACTS, **facts)).findings()[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(("version", "finding"), [(b"\x00\x30", 0), (b"\x00\x20", Tvr.VERSION_MISMATCH), (None, 0)])
def test_version(version: bytes | None, finding: Tvr) -> None:
    assert findings({0x9F08: version}) == finding


@pytest.mark.parametrize(
    ("day", "finding"),
    [("301230", 0), ("301231", 0), ("310101", Tvr.EXPIRED), ("250101", 0), ("241231", Tvr.NOT_YET_EFFECTIVE)],
)
def test_dates(day: str, finding: Tvr) -> None:
    assert findings({}, date=day) == finding


def test_years_from_50_on_are_of_the_last_century() -> None:
    assert findings({0x5F25: bytes.fromhex("991231")}) == Tvr.NONE
    assert findings({0x5F24: bytes.fromhex("991231")}) == Tvr.EXPIRED


def test_card_without_an_effective_date_is_effective() -> None:
    assert findings({0x5F25: None}) == Tvr.NONE


@pytest.mark.parametrize(
    ("control", "country", "type_code", "allowed"),
    [
        *(("FF00", "0156", "00", True), ("2100", "0156", "00", True), ("0900", "0156", "00", True)),
        *(("1500", "0156", "00", False), ("1500", "0840", "00", True), ("2900", "0840", "00", False)),
        *(("FE00", "0156", "00", False), ("8100", "0156", "01", True), ("4100", "0156", "01", False)),
        *(("0180", "0156", "09", True), ("0140", "0156", "09", False), ("0140", "0840", "09", True)),
        *(("0100", "0156", "31", True), ("0000", "0156", "31", False)),
    ],
)
def test_usage_control(control: str, country: str, type_code: str, allowed: bool) -> None:
    changes: dict[int, bytes | None] = {0x9F07: bytes.fromhex(control), 0x5F28: bytes.fromhex(country)}
    assert findings(changes, type=type_code) == (Tvr.NONE if allowed else Tvr.SERVICE_NOT_ALLOWED)


def test_usage_is_free_without_a_control_and_only_the_place_counts_without_a_country() -> None:
    assert findings({0x9F07: None}) == Tvr.NONE
    assert findings({0x5F28: None, 0x9F07: b"\x01\x00"}) == Tvr.NONE
    assert findings({0x5F28: None, 0x9F07: b"\xfe\x00"}) == Tvr.SERVICE_NOT_ALLOWED


def test_service_not_allowed_declines_at_once_by_default() -> None:
    assert Counter(Card(patched(GOOD, {0x9F07: b"\x00\x00"}))).run().reason == "declined_by_terminal"
