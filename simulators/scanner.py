"""A code scanner on a pseudo-terminal: what it sends is what a serial scanner sends."""

from pathlib import Path

from simulators.pseudo_terminal import PseudoTerminal


class VirtualScanner:
    """A scanner whose line the terminal finds at `path`. Needs a running loop."""

    def __init__(self, path: Path, *, suffix: str = "\r") -> None:
        self._suffix = suffix.encode("ascii")
        self._line = PseudoTerminal(path, lambda data, now: None)  # noqa: ARG005 - a scanner takes no orders

    @property
    def path(self) -> Path:
        """What the terminal opens; stays the same over a replug."""
        return self._line.path

    def scan(self, code: str) -> None:
        """Read a code. Raises OSError when unplugged."""
        self.send(code.encode("ascii") + self._suffix)

    def send(self, data: bytes) -> None:
        """Put bytes on the line as they are, such as half a code or noise."""
        self._line.write(data)

    def unplug(self) -> None:
        """Pull the plug."""
        self._line.unplug()

    def replug(self) -> None:
        """Put the plug back in."""
        self._line.plug()

    def close(self) -> None:
        """Remove the scanner."""
        self._line.unplug()
