"""Results said aloud, where the profile has a speaker: what came of a payment, and the amount in words.

Nothing that was read from a card or a phone is ever said, nor a balance. Only what happens while somebody listens: what
had ended when the terminal started is not said again. Whoever speaks never holds a payment up: this only looks on.
"""

from collections.abc import Mapping

from terminal.cashier.spoken_amounts import in_words
from terminal.cashier.texts import Texts, texts_in
from terminal.cashier.words import FAMILIES, View, name_of
from terminal.runner import Runner
from terminal.slips import CURRENCIES


class Announcements:
    """Which result is to be said: the newest that has become known since the last look."""

    def __init__(self, view: View) -> None:
        self._known = _states(view)

    def newest(self, view: View) -> str:
        """The sentence to say now; empty if there is nothing new."""
        known, self._known = self._known, _states(view)
        texts = texts_in(view["terminal"]["language"])
        sentences = (sentence(p, texts) for p in view["payments"] if known.get(p["key"]) != p["state"])
        return next((found for found in sentences if found), "")


def _states(view: View) -> Mapping[str, str]:
    return {payment["key"]: payment["state"] for payment in view["payments"]}


def sentence(payment: View, texts: Texts) -> str:
    """What is said of a payment; empty for a state, or a type, of which nothing is said."""
    key = f"voice.{FAMILIES[payment['type']]}_{name_of(payment['state'])}"
    if key not in texts.keys or payment["closed_by_people"] or payment["currency"] not in CURRENCIES:
        return ""
    return texts(key, amount=in_words(payment["amount"], payment["currency"], texts.language))


async def announce(runner: Runner) -> None:
    """Say results until cancelled."""
    announcements = Announcements(runner.view())
    async for view in runner.changes():
        said, speaker = announcements.newest(view), runner.devices.speaker
        if said and speaker is not None:
            speaker.say(said, view["terminal"]["language"])
