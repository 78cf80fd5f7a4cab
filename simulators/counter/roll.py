"""The paper roll: every slip that left the printer, as a picture and as text, in a folder that outlives the process."""

from dataclasses import dataclass
from pathlib import Path

from simulators.printer import PrintedSlip

SHOWN_MAX = 24
"""How many of the newest slips are told of; the folder keeps them all."""


@dataclass(frozen=True, slots=True)
class PaperSlip:
    """A slip on the roll; `torn` if it was torn off half printed."""

    number: int
    torn: bool
    text: str
    picture: Path


class PaperRoll:
    """Slips in `folder`: for each ``slip-000001.png`` of the printer its text as ``slip-000001.txt``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.slips = [_read(picture) for picture in sorted(folder.glob("slip-*.png"))[-SHOWN_MAX:]]

    def add(self, slip: PrintedSlip) -> None:
        """Keep a slip that has just come out."""
        assert slip.picture is not None, "this printer has a folder for pictures"
        slip.picture.with_suffix(".txt").write_text(slip.sheet.text, "utf-8")
        self.slips = [*self.slips, _read(slip.picture)][-SHOWN_MAX:]

    def picture(self, number: int) -> Path | None:
        """The picture of a slip, however old; None if there is no such slip."""
        return next(iter(sorted(self._folder.glob(f"slip-{number:06}*.png"))), None)


def _read(picture: Path) -> PaperSlip:
    text = picture.with_suffix(".txt")
    return PaperSlip(
        number=int(picture.stem.split("-")[1]),
        torn=picture.stem.endswith("-torn"),
        text=text.read_text("utf-8") if text.exists() else "",
        picture=picture,
    )
