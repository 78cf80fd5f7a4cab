"""What the courier brings beside frames: which terminals are there, and what they tell of themselves.

Only the newest of each terminal is kept, for people to look at. Nothing is decided by it.
"""

from host_switch.events import Effect, News, Persist, PresenceTold, Report
from host_switch.facts import Facts
from host_switch.records import Presence, Telemetry


def news(event: News, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Keep what was told, if we know the terminal."""
    if facts.terminal is None:
        return (Report("security", "unknown terminal", terminal=event.terminal),)
    if isinstance(event, PresenceTold):
        return (Persist((Presence(event.terminal, event.online, now),)),)
    told = Telemetry(event.terminal, event.batch, event.owed_count, event.owed_amount, event.broken, now)
    return (Persist((told,)),)
