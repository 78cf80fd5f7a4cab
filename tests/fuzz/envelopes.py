"""What atheris feeds to the courier's envelopes: a topic, a line break, and a payload.

Whatever comes out is in the name that the topic has, small, and of a kind that may come late.
"""

from typing import Final

from host_switch.envelopes import AMOUNT_MAX, CARRIED, COUNT_MAX, DEVICES_MAX, EnvelopeError, unfolded
from host_switch.events import FrameReceived, TelemetryTold
from host_switch.frames import decoded
from tests.host_switch.till import MERCHANT, Till

_TILL = Till(mac_key=bytes(8))
_UP = f"tg/{MERCHANT}/{_TILL.id}/up/".encode()

SEEDS: Final = [
    _UP + b"advice\n" + _TILL.frame(_TILL.offline_sale()),
    _UP + b"reversal\n" + _TILL.frame(_TILL.reversal(_TILL.offline_sale())),
    _UP + b"upload\n" + _TILL.frame(_TILL.sign_on()),
    _UP + b"presence\nonline",
    _UP + b'telemetry\n{"batch": "000001", "owed_count": 2, "owed_amount": 500, "devices": {"printer": false}}',
]


def swollen(size: int) -> list[bytes]:
    """Inputs of about so many bytes that take it long."""
    nested = [_UP + b"telemetry\n" + bracket * size for bracket in (b"[", b'{"a":', b"9")]
    return [b"tg/" + b"a/" * (size // 2), *(seed + b"0" * size for seed in SEEDS), *nested]


def run(data: bytes) -> None:
    """Return if all is well with some bytes; raise if not."""
    name, _, payload = data.partition(b"\n")
    topic = name.decode("latin-1")
    try:
        event = unfolded(topic, payload)
    except EnvelopeError:
        return
    if isinstance(event, FrameReceived):
        parts = topic.split("/")
        assert (event.certified, event.message[41], event.message[42]) == (parts[2], parts[2], parts[1])
        assert event.rules is not None and event.rules.name in CARRIED
        assert event == decoded(event.connection, payload, event.certified), "another frame than by the line"
    elif isinstance(event, TelemetryTold):
        assert 0 <= event.owed_count <= COUNT_MAX and 0 <= event.owed_amount <= AMOUNT_MAX
        assert len(event.broken) <= DEVICES_MAX * 26 and len(event.batch) in {0, 6}
