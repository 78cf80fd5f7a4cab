"""What a terminal knows of cards it has not yet seen today: a black list, and what was spent with each.

Card numbers are not kept for it. A number stands in these lists as a fingerprint under a key of the terminal, so that a
stolen list tells nothing to whoever does not have the key. Nor does the kernel: whoever has it makes the fingerprints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KnownCards:
    """The exception file (download 390), and the amounts of the open batch by card, in minor units.

    `fingerprint` makes of a card number what stands for it here; it is only asked if there is a list.
    """

    fingerprint: Callable[[str], bytes] = field(default=lambda _pan: b"", repr=False)
    blocked: frozenset[bytes] = field(default=frozenset(), repr=False)
    recent_amounts: Mapping[bytes, int] = field(default_factory=dict, repr=False)

    def is_blocked(self, pan: str) -> bool:
        """Whether the card stands on the black list."""
        return bool(self.blocked) and self.fingerprint(pan) in self.blocked

    def recent_amount(self, pan: str) -> int:
        """What has been spent with the card; 0 for an unknown one."""
        return self.recent_amounts.get(self.fingerprint(pan), 0) if self.recent_amounts else 0


NO_CARDS = KnownCards()
