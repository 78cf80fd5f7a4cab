"""Signed changes of the lists of customers' keys that do not pay, which the broker keeps for terminals.

The list signer signs them (docs/paycode.md, 4), terminals check them, and the host only carries: they stand in a folder
of its own, and go to the broker, retained, whenever it is there. The newest `SLOTS` of each list are kept; a terminal
that is further behind gets the whole list from a technician.
"""

from pathlib import Path
from typing import Final

from host_switch.keys import write_durably
from paycode.lists import CARRIED_BYTES_MAX, ListClaim, claimed

FOLDER: Final = "code_lists"
NAMES: Final = ("revoked", "quota")
SLOTS: Final = 64
"""So many changes of a list are kept: version n stands where n - 64 stood, so that the broker keeps no more."""


class CodeListError(Exception):
    """A change of a list was not published; the text says why."""


class CodeLists:
    """The folder of one host. Read by the thread that talks to the broker, too."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def publish(self, delta: bytes) -> ListClaim:
        """Keep a change for the terminals.

        Raises:
            CodeListError: it is none, or too long for a broker, or a later one stands in its place.
            OSError: it cannot be written.
        """
        claim = claimed(delta)
        if claim is None or claim.name not in NAMES:
            raise CodeListError("this is no signed change of revoked or quota, as docs/paycode.md, 4, has it")
        if len(delta) > CARRIED_BYTES_MAX:
            raise CodeListError(f"the broker carries at most {CARRIED_BYTES_MAX} bytes: have it signed in steps")
        path = self._folder / f"{claim.name}-{claim.before % SLOTS}.cose"
        there = claimed(path.read_bytes()) if path.exists() else None
        if there is not None and there.before > claim.before:
            raise CodeListError(f"that of version {there.before} is kept already, and {claim.before} is long before")
        write_durably(path, delta)
        return claim

    def published(self) -> list[ListClaim]:
        """What is kept, by list and version."""
        claims = [claimed(delta) for delta in self.by_topic().values()]
        return sorted(filter(None, claims), key=lambda claim: (claim.name, claim.before))

    def by_topic(self) -> dict[str, bytes]:
        """Each change by the topic at which the broker keeps it."""
        paths = sorted(self._folder.glob("*.cose"))
        return {f"tg/lists/{path.stem.replace('-', '/')}": path.read_bytes() for path in paths}

    def looks(self) -> int:
        """Another number when something was published since."""
        try:
            return self._folder.stat().st_mtime_ns
        except OSError:
            return 0
