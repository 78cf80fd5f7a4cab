"""The engine of the simulated world: virtual time, one source of chance, nodes that may die between any two effects.

It knows nothing of money. It keeps a heap of (time, sequence, node, action); it carries a node's effects out one
by one and asks the source of chance before the first and after each of them whether the node dies there; it loses,
delays, repeats and cuts what nodes say to each other. The same seed gives the same trace, to the byte.

To add a core, write its node, one small class with these methods, and put it into `shop.py`:

- `boot()`: build the volatile core from what is durable, and take up what was interrupted;
- `fall()`: lose everything that is volatile;
- whatever it does then starts in an action given to `World.after`, is decided by the core with the node's own time, and
  ends in `World.perform(self, effects, self._perform)`, so that a crash may fall anywhere in between. What it says to
  another node goes through `World.network`. What it did, it tells the auditor.

To add a fault, write a function that arranges it, and put it into the table `FAULTS` of `faults.py`.
"""

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

AT_ONCE_MAX = 10_000  # actions at one time
START = 1_800_000_000.0  # a Friday morning in January 2027, UTC

Effect = TypeVar("Effect")


class Node(Protocol):
    """A machine of the world. `life` counts starts and deaths: what was planned in an earlier one does not happen."""

    name: str
    life: int
    up: bool

    def boot(self) -> None:
        """Start, or start again, from what is durable."""

    def fall(self) -> None:
        """Die: forget all that is not durable."""


class Chance(Protocol):
    """Decides what goes wrong. Drawn from a seed, or told by an odometer."""

    def crash(self, node: Node, effect: object) -> float | None:
        """Whether the node dies after this effect (None: before the first), and in how many seconds it is back."""

    def delays(self, source: str, target: str, packet: Any) -> Sequence[float]:
        """After how many seconds each copy of a packet arrives; none if it is lost."""

    def notice_s(self) -> float:
        """After how many seconds the other end notices that a connection is over."""


class Trace:
    """What happened, as a running hash, and as lines where somebody wants to read them."""

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._show = show
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, now: float, who: str, what: str) -> None:
        """Add one line."""
        line = f"{now - START:14.3f}  {who:<9} {what}"
        self._hash.update(line.encode())
        if self._show:
            self._show(line)

    @property
    def digest(self) -> str:
        """The hash of all lines so far."""
        return self._hash.hexdigest()


class World:
    """Time, chance, the network and the nodes' lives."""

    def __init__(self, chance: Chance, trace: Trace | None = None) -> None:
        self.now = START
        self.chance = chance
        self.trace = trace
        self.network = Network(self)
        self.happened: Counter[str] = Counter()
        self.crash_chances = 0
        self._heap: list[tuple[float, int, Node | None, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = itertools.count()

    def after(self, delay_s: float, node: Node | None, action: Callable[..., None], *values: Any) -> None:
        """Plan an action. It is forgotten if the node dies before; one that belongs to no node always comes."""
        life = node.life if node else 0
        heapq.heappush(self._heap, (self.now + delay_s, next(self._sequence), node, life, action, values))

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Let time pass until `done`, which is asked after every action, or `until` a time; tell whether it is done."""
        heap = self._heap
        at_once = 0
        while not done():
            if not heap or heap[0][0] > until:
                self.now = max(self.now, until)
                return False
            at_once = at_once + 1 if heap[0][0] == self.now else 0
            assert at_once < AT_ONCE_MAX, "time must go on: somebody is busy with nothing"
            self.now, _, node, life, action, values = heapq.heappop(heap)
            if node is None or (node.up and node.life == life):
                action(*values)
        return True

    def perform(self, node: Node, effects: Iterable[Effect], act: Callable[[Effect], None]) -> None:
        """Carry effects out in order. The node may die before the first and after each; what is left is not done."""
        if self._dies(node, None):
            return
        life = node.life
        for effect in effects:
            act(effect)
            if node.life != life or self._dies(node, effect):
                return

    def _dies(self, node: Node, effect: object) -> bool:
        self.crash_chances += 1
        down_s = self.chance.crash(node, effect)
        if down_s is None:
            return False
        self.crash(node, down_s)
        return True

    def crash(self, node: Node, down_s: float) -> None:
        """Kill a node, and start it again after a while."""
        self.note(node.name, f"dies, back in {down_s:.1f} s")
        self.happened["crashes"] += 1
        node.up = False
        node.life += 1
        node.fall()
        self.after(down_s, None, self.start, node)

    def start(self, node: Node) -> None:
        """Start a node."""
        self.note(node.name, "starts")
        node.up = True
        node.life += 1
        node.boot()

    def note(self, who: str, *what: object) -> None:
        """Add a line to the trace, if there is one; only then is it worded."""
        if self.trace:
            self.trace.note(self.now, who, " ".join(map(_worded, what)))


def _worded(part: object) -> str:
    return part.hex() if isinstance(part, bytes) else str(part)


class Network:
    """Carries packets between nodes, badly: `under_way` of them now. Ways have a direction, so a cut may be one-way."""

    def __init__(self, world: World) -> None:
        self.under_way = 0
        self._world = world
        self._cut_until: dict[tuple[str, str], float] = {}
        self._clogged_until: dict[tuple[str, str], float] = {}

    def send(self, source: str, target: str, packet: Any, deliver: Callable[[Any], None]) -> None:
        """Deliver every copy of a packet that arrives."""
        way = (source, target)
        if not self.is_open(*way):
            return
        clogged_s = max(0.0, self._clogged_until.get(way, 0.0) - self._world.now)
        for delay_s in self._world.chance.delays(source, target, packet):
            self.under_way += 1
            self._world.after(clogged_s + delay_s, None, self._arrive, way, packet, deliver)

    def _arrive(self, way: tuple[str, str], packet: Any, deliver: Callable[[Any], None]) -> None:
        self.under_way -= 1
        if self.is_open(*way):
            deliver(packet)

    def is_open(self, source: str, target: str) -> bool:
        """Whether packets get through now."""
        return self._cut_until.get((source, target), 0.0) <= self._world.now

    def opens_at(self, *ways: tuple[str, str]) -> float:
        """When the last of these ways is open again, as far as is known now."""
        return max(self._cut_until.get(way, 0.0) for way in ways)

    def cut(self, source: str, target: str, seconds: float) -> None:
        """Let nothing through, one way, for a while."""
        self._world.note("network", f"{source} -> {target} cut for {seconds:.0f} s")
        self._cut_until[source, target] = self._world.now + seconds

    def clog(self, source: str, target: str, seconds: float) -> None:
        """Hold everything back, one way, for a while."""
        self._clogged_until[source, target] = self._world.now + seconds

    def heal(self) -> None:
        """End all cuts and clogs."""
        self._cut_until.clear()
        self._clogged_until.clear()
