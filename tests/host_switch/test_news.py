"""What terminals tell beside their frames: the newest of each is kept, in both stores, and nobody unknown is."""

from host_switch.events import PresenceTold, TelemetryTold
from host_switch.records import Presence, Telemetry
from tests.host_switch.room import NOON, Room
from tests.host_switch.till import Till


def test_presence_has_a_since_that_stays_while_the_same_is_said(room: Room, till: Till) -> None:
    for at, online in ((0, True), (10, True), (20, False), (30, False), (40, True)):
        room.now = NOON + at
        room.decide(PresenceTold(till.id, online))
        since = {0: 0, 10: 0, 20: 20, 30: 20, 40: 40}[at]
        assert room.books().presences == (Presence(till.id, online, NOON + since),)


def test_the_newest_telemetry_of_each_terminal_is_kept(room: Room) -> None:
    first, second = room.till("11111111"), room.till("22222222")
    for terminal, count in ((first, 5), (second, 7), (first, 4)):
        room.decide(TelemetryTold(terminal.id, "000001", count, 100 * count, "printer"))
    assert room.books().telemetry == (
        Telemetry("11111111", "000001", 4, 400, "printer", NOON),
        Telemetry("22222222", "000001", 7, 700, "printer", NOON),
    )


def test_of_an_unknown_terminal_nothing_is_kept(room: Room) -> None:
    room.decide(PresenceTold("99999999", True))
    room.decide(TelemetryTold("99999999"))
    assert (room.books().presences, room.books().telemetry) == ((), ())
    assert [(report.severity, report.kind) for report in room.reports] == [("security", "unknown terminal")] * 2
