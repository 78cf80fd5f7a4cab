"""A reader of magnetic stripes on a pseudo-terminal: what it sends is what a serial reader sends."""

from pathlib import Path

from simulators.cards.personalisation import Personalisation
from simulators.pseudo_terminal import PseudoTerminal
from terminal.magnetic_stripe import END, lrc_of

_STARTS = {1: "%", 2: ";", 3: "+"}


class VirtualStripeReader:
    """A reader whose line the terminal finds at `path`; `line` is unplugged and plugged. Needs a running loop."""

    def __init__(self, path: Path, *, with_lrc: bool = False) -> None:
        self._with_lrc = with_lrc
        self.line = PseudoTerminal(path, lambda data, now: None)  # noqa: ARG005 - a reader takes no orders

    @property
    def path(self) -> Path:
        """What the terminal opens; stays the same over a replug."""
        return self.line.path

    def swipe(self, card: Personalisation) -> None:
        """Pull a card through. Raises OSError when unplugged."""
        self.send(swipe_of(card, with_lrc=self._with_lrc) + b"\r")

    def send(self, data: bytes) -> None:
        """Put bytes on the line as they are, such as half a swipe or noise."""
        self.line.write(data)

    def close(self) -> None:
        """Remove the reader."""
        self.line.unplug()


def swipe_of(card: Personalisation, *, with_lrc: bool = False) -> bytes:
    """The three tracks of a card as a reader sends them."""
    ends = {number: END + (lrc_of(number, data) if with_lrc else "") for number, data in card.tracks.items()}
    return "".join(_STARTS[number] + data + ends[number] for number, data in card.tracks.items()).encode("ascii")
