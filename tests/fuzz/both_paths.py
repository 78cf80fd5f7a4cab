"""The two paths of the codec on the same input: compiled plans, and the reference codec, which is the meaning.

The plan of one shape, the plan of any shape and the reference codec must agree on the result, down to the types and the
order of the fields, or on every part of the error. What is accepted has one spelling: it encodes back to the same
bytes. Nothing but `Iso8583Error` may come out.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.dialect import Dialect
from iso8583.dialects import NAMES
from iso8583.encodings import FieldError
from iso8583.table import Table
from tests.fuzz.damage import damaged_message, damaged_wire
from tests.fuzz.drawn import Shape, changed, odd_table, places, shapes

CASES_OF_A_SHAPE: Final = 40  # in each direction
KEPT_MAX: Final = 20  # differences are told one by one up to here

# What a fault of our own would raise; it is counted and told. Whatever else comes out stops the run.
BREAKS: Final = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, FieldError, LookupError, MemoryError, NameError),
    *(OSError, RuntimeError, StopIteration, SyntaxError, TypeError, ValueError),
)

Outcome = tuple[Any, ...]


@dataclass(slots=True)
class Tally:
    """What was seen.

    `counts` has "cases"; "planned", those that a plan was asked about; "accepted", those accepted by the reference
    codec, and "accepted by a plan"; "refused in a field", those that came past the bitmaps; "differences"; and "other
    exceptions", on either path.
    """

    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def differs(self, text: str) -> None:
        """Count a difference, and keep the first ones in words."""
        self.counts["differences"] += 1
        if len(self.told) < KEPT_MAX:
            self.told.append(text)

    def add(self, other: "Tally") -> None:
        """Take over what another tally has."""
        self.counts += other.counts
        self.told += other.told[: KEPT_MAX - len(self.told)]


def compare(seed: int, cases: int) -> Tally:
    """Compare both paths on `cases` seeded cases: even seeds on a shipped dialect each, odd ones on an odd table."""
    chance = Random(seed)
    table = odd_table(chance, f"odd{seed}") if seed % 2 else load_dialect(NAMES[seed // 2 % len(NAMES)]).table
    return compare_on(table, chance, cases, f"seed {seed}")


def compare_on(table: Table, chance: Random, cases: int, label: str = "") -> Tally:
    """Compare both paths on one table."""
    tally = Tally()
    pair = _Pair(Dialect(table), tally, f"{label} {table.name}".strip())
    for shape in shapes(chance, table, cases // (2 * CASES_OF_A_SHAPE)):
        pair.warm(shape.message(chance))
        for _ in range(CASES_OF_A_SHAPE):
            _one_of_each(pair, shape, chance)
    return tally


def _one_of_each(pair: "_Pair", shape: Shape, chance: Random) -> None:
    good = changed(chance, shape, pair.warmed, 0.3)
    pair.encode(damaged_message(chance, good, shape.table))
    wire = pair.reference.encode(good)
    pair.decode(damaged_wire(chance, wire, places(shape.table, good, wire)))


class _WatchedPlan:
    """A plan that counts how often it is asked, and how often it answers."""

    def __init__(self, plan: Callable[..., Any], counts: Counter[str]) -> None:
        self._plan, self._counts = plan, counts

    def __call__(self, *given: Any) -> Any:
        self._counts["asked"] += 1
        result = self._plan(*given)
        self._counts["answered"] += result is not None
        return result


class _WatchedPlans(dict[Any, Any]):
    """A dialect's plans, each of them watched."""

    def __init__(self, plans: Mapping[Any, Any], counts: Counter[str]) -> None:
        self._counts = counts
        for key, plan in plans.items():
            self[key] = plan

    def __setitem__(self, key: Any, plan: Any) -> None:
        watched = plan if isinstance(plan, _WatchedPlan) else _WatchedPlan(plan, self._counts)
        super().__setitem__(key, watched)


def watch_plans(whole: Dialect) -> Counter[str]:
    """Where it is counted from now on how often plans of the dialect are "asked", and how often they "answered"."""
    counts = Counter[str]()
    whole._decoders = _WatchedPlans(whole._decoders, counts)
    whole._encoders = _WatchedPlans(whole._encoders, counts)
    return counts


def of_any_shape(table: Table) -> Dialect:
    """A dialect that has no plan of one shape, and those of any."""
    dialect = Dialect(replace(table, messages=()))
    dialect._learn_to_decode_any()
    dialect._learn_to_encode_any()
    return dialect


class _Pair:
    """A dialect and its reference codec."""

    def __init__(self, whole: Dialect, tally: Tally, label: str) -> None:
        self.whole, self.reference = whole, whole._reference
        self.any_shape = of_any_shape(whole.table)
        self.tally, self.label = tally, label
        self.watch = watch_plans(whole)
        self.warmed = Message("", {})

    def warm(self, message: Message) -> None:
        """Have plans for messages like this one."""
        self.warmed = message
        self.whole.decode(self.whole.encode(message))

    def encode(self, message: Message) -> None:
        """One case: a message."""
        wire = self._judge("encode", message, self.whole.encode, self.any_shape.encode, self.reference.encode)
        if wire is not None:
            back = outcome(self.reference.decode, wire)
            if back[:3] != ("message", message.mti, _as_read(message, self.whole.table)):
                self.tally.differs(f"{self.label}: encoded, then decoded to another: {message.fields!r}")

    def decode(self, wire: bytes) -> None:
        """One case: bytes, in whatever holds them."""
        held = (bytes, bytes, bytes, bytearray, memoryview)[len(wire) % 5](wire)
        decoders = self.whole.decode, self.any_shape.decode, self.reference.decode
        message = self._judge("decode", held, *decoders, wire)
        if message is not None:
            for encode in (self.whole.encode, self.reference.encode):
                if outcome(encode, message) != ("bytes", wire):
                    self.tally.differs(f"{self.label}: decoded, then encoded to others: {wire.hex()}")

    def _judge(
        self,
        what: str,
        given: Any,
        fast: Callable[[Any], Any],
        any_shape: Callable[[Any], Any],
        plain: Callable[[Any], Any],
        plain_given: Any = None,
    ) -> Any:
        """Compare one call on all paths. The result, if it was accepted."""
        counts = self.tally.counts
        self.watch.clear()
        result, one = tried(fast, given)
        asked, answered = self.watch["asked"], self.watch["answered"]
        other = outcome(plain, given if plain_given is None else plain_given)
        accepted = other[0] in {"message", "bytes"}
        counts["cases"] += 1
        counts["accepted"] += accepted
        counts["planned"] += asked
        counts["accepted by a plan"] += accepted and answered
        counts["refused in a field"] += other[0] == "refused" and isinstance(other[1], int) and other[1] > 1
        third = outcome(any_shape, given)
        if not one == third == other or one[0] == "broke":
            shown = given.fields if isinstance(given, Message) else bytes(given).hex()
            self.tally.differs(f"{self.label} {what}: {one} and {third} instead of {other}, given {shown!r}")
        if "broke" in {one[0], third[0], other[0]}:
            counts["other exceptions"] += 1
        return result if accepted and one == other else None


def outcome(call: Callable[[Any], Any], given: Any) -> Outcome:
    """Everything that can be told of a result or an error, to compare."""
    return tried(call, given)[1]


def tried(call: Callable[[Any], Any], given: Any) -> tuple[Any, Outcome]:
    """The result, None if there is none, and its `outcome`."""
    try:
        result = call(given)
    except Iso8583Error as error:
        whole = (error.field, error.offset, error.reason, error.clause, error.args)
        return None, ("refused", *whole, None if error.partial is None else _told(error.partial))
    except BREAKS as fault:
        return None, ("broke", type(fault).__name__, str(fault))
    return result, _told(result)


def _told(result: Any) -> Outcome:
    if isinstance(result, Message):
        fields = [(number, type(value), value) for number, value in result.fields.items()]
        return "message", result.mti, fields, id(result._rows), type(result.mti)
    return type(result).__name__, result


def _as_read(message: Message, table: Table) -> list[tuple[Any, ...]]:
    """The fields as they come back: in order, plain, and with the letter for a track's separator."""
    fields: list[tuple[Any, ...]] = []
    for number in message:
        row, value = table.fields[number], message[number]
        if isinstance(value, bytes):
            fields.append((number, bytes, bytes(value)))
        else:
            fields.append((number, str, value.replace("=", "D") if row.content == "z" else str(value)))
    return fields
