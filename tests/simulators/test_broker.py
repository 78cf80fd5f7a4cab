"""The demo's broker as it is started there: Mosquitto with our rules, or what stands in for it."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from simulators import broker
from tests.host_switch.at_broker import place, until
from tests.in_a_loop import in_a_loop
from tests.mosquitto import Mosquitto, Simulated, StandIn


@pytest.mark.parametrize(("kind", "version"), [(Simulated, 5), (StandIn, 4)])
@in_a_loop
async def test_a_sale_goes_through_it_and_its_answer_back(
    tmp_path: Path, kind: type[Mosquitto], version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_switch.ingest_mqtt.ANSWERED_WITHIN_S", 0.5)
    with capture_logs() as log:
        async with place(tmp_path, kind) as here, here.opened():
            await until(lambda: any(line["event"] == "at the broker" for line in log))
            terminal = await here.terminal()
            for _ in range(2):
                assert (await terminal.tell(terminal.till.offline_sale()))[39] == "00"
            assert here.owed_to_merchant() == 2 * 1234
    assert [line["version"] for line in log if line["event"] == "at the broker"] == [version]


def test_mosquitto_is_found_where_only_root_has_it_in_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    found = broker.mosquitto()
    assert found is not None
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert broker.mosquitto() == found
    monkeypatch.setattr(broker, "SYSTEM_FOLDERS", ())
    assert broker.mosquitto() is None
