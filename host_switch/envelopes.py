"""What comes out of the broker: a topic, which the broker has let its sender use, and a payload, which it has not read.

``tg/<merchant>/<terminal>/up/<kind>`` with ISO 8583 frames (without length) for the kinds `reversal`, `advice` and
`upload`, JSON for `telemetry`, and ``online`` or ``offline`` for `presence`. Answers go to ``…/down/answer``. What is
none of these, or not for a courier to carry, is refused: by a reason that shows nothing of what it was.
"""

import json
import re
from typing import Any, Final

from host_switch.events import FrameReceived, News, PresenceTold, TelemetryTold
from host_switch.frames import decoded
from host_switch.records import Severity
from iso8583 import Iso8583Error
from iso8583.framing import FRAME_MAX
from iso8583.transactions import TYPES

ROOT: Final = "tg/"
"""In front of every topic; no connection has such a name."""

EVERYTHING_UP: Final = f"{ROOT}+/+/up/#"
PRESENCE: Final = f"{ROOT}+/+/up/presence"

CARRIED: Final = frozenset(
    kind.name for kind in TYPES.values() if kind.mac and (kind.recovery == "repeat" or kind.name == "reversal")
)
"""What may come late, because it is repeated until it is answered, and what a MAC protects from the broker itself."""

AMOUNT_MAX: Final = 10**12
COUNT_MAX: Final = 10**6
DEVICES_MAX: Final = 16
_TOPIC = re.compile(r"tg/([!-.0-~]{15})/([A-Za-z0-9]{8})/up/([a-z]{1,16})", re.ASCII)
_FRAMES = frozenset({"reversal", "advice", "upload"})
_BATCH, _DEVICE = re.compile(r"[0-9]{6}", re.ASCII), re.compile(r"[a-z_]{1,24}", re.ASCII)


class EnvelopeError(Exception):
    """It is not taken. The reason is one of a few; `terminal` is whose topic it is, empty if it is nobody's."""

    def __init__(self, reason: str, terminal: str = "", severity: Severity = "note") -> None:
        super().__init__(reason)
        self.reason = reason
        self.terminal = terminal
        self.severity: Severity = severity


def unfolded(topic: str, payload: bytes) -> FrameReceived | News:
    """Turn a message into an input of the switch. Whose it is, the topic says: the broker has held it to that.

    Raises:
        EnvelopeError: it is not taken.
    """
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise EnvelopeError("unknown topic")
    merchant, terminal, kind = found.groups()
    if len(payload) > FRAME_MAX:
        raise EnvelopeError("too large", terminal)
    if kind in _FRAMES:
        return _frame(merchant, terminal, payload)
    if kind == "telemetry":
        return _telemetry(terminal, payload)
    if kind == "presence" and payload in {b"online", b"offline"}:
        return PresenceTold(terminal, payload == b"online")
    raise EnvelopeError("unknown kind", terminal)


def _frame(merchant: str, terminal: str, payload: bytes) -> FrameReceived:
    try:
        event = decoded(f"{ROOT}{merchant}/{terminal}/down/answer", payload, terminal)
    except Iso8583Error:
        raise EnvelopeError("no frame", terminal) from None
    if event.malformed or event.rules is None:
        raise EnvelopeError("malformed or unknown", terminal)
    if event.message.get(41) != terminal:
        raise EnvelopeError("another terminal's name", terminal, "security")
    if event.message.get(42) != merchant:
        raise EnvelopeError("another merchant's name", terminal, "security")
    if event.rules.name not in CARRIED:
        raise EnvelopeError("not for the courier", terminal)
    return event


def _telemetry(terminal: str, payload: bytes) -> TelemetryTold:
    """Keep numbers and short words that we know of; whatever else a terminal tells is not looked at."""
    try:
        told: Any = json.loads(payload)
    except (ValueError, RecursionError):
        raise EnvelopeError("no telemetry", terminal) from None
    if not isinstance(told, dict):
        raise EnvelopeError("no telemetry", terminal)
    batch = told.get("batch")
    return TelemetryTold(
        terminal, batch if isinstance(batch, str) and _BATCH.fullmatch(batch) else "",
        _number(told.get("owed_count"), COUNT_MAX), _number(told.get("owed_amount"), AMOUNT_MAX),
        _broken(told.get("devices")),
    )  # fmt: skip


def _broken(devices: object) -> str:
    """The names of the devices that do not work, by what is told of each."""
    told = devices.items() if isinstance(devices, dict) else ()
    names = sorted(name for name, works in told if works is False and _DEVICE.fullmatch(name))
    return ", ".join(names[:DEVICES_MAX])


def _number(value: object, most: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else 0
