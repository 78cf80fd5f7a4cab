"""The parameters that the host sets for this terminal: how far it may, and what is in force then.

They come without a MAC, so whoever can write to the line can send them. A time to wait is believed only within bounds
that let a host be heard and a cashier go on; a name only if it can be printed (`field62`). If one thing is not
so, nothing that came with it is taken.
"""

from collections.abc import Iterable

from firmware_config.profile import TerminalProfile
from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field62 import Parameters62
from terminal.records import ParametersTaken

# Below, good answers of a slow issuer would come too late, and every sale would be reversed; above, a counter stands.
REPLY_TIMEOUT_MIN_S, REPLY_TIMEOUT_MAX_S = 10, 60


def taken(before: ParametersTaken | None, parts: Iterable[bytes], now: float) -> ParametersTaken | None:
    """What is in force after a download: what it names is new, the rest as before; None if it changes nothing.

    Args:
        before: what was in force.
        parts: the field 62 of each answer.
        now: UTC seconds.

    Raises:
        Iso8583Error: a part is malformed, or a value outside its bounds.
    """
    known = Parameters62(before.reply_timeout_s, before.merchant_name) if before else Parameters62()
    after = known
    for part in map(Parameters62.parse, parts):
        timeout_s = after.reply_timeout_s if part.reply_timeout_s is None else _within_bounds(part.reply_timeout_s)
        after = Parameters62(timeout_s, part.merchant_name or after.merchant_name)
    return None if after == known else ParametersTaken(now, after.reply_timeout_s, after.merchant_name)


def _within_bounds(reply_timeout_s: int) -> int:
    if not REPLY_TIMEOUT_MIN_S <= reply_timeout_s <= REPLY_TIMEOUT_MAX_S:
        bounds = f"{REPLY_TIMEOUT_MIN_S} to {REPLY_TIMEOUT_MAX_S}"
        raise Iso8583Error("62/12", 0, f"needed {bounds} seconds, they are {reply_timeout_s}")
    return reply_timeout_s


def in_force(profile: TerminalProfile, parameters: ParametersTaken | None) -> TerminalProfile:
    """The profile as the host's parameters leave it. The host's name for the merchant stands for the Chinese one."""
    if parameters is None:
        return profile
    changes: dict[str, object] = {}
    if parameters.merchant_name:
        changes["merchant_name_zh"] = parameters.merchant_name
    if parameters.reply_timeout_s is not None:
        timeout_s = float(parameters.reply_timeout_s)
        changes["host"] = profile.host.model_copy(update={"reply_timeout_s": timeout_s})
    return profile.model_copy(update=changes)
