"""Find out how bytes are to be read: which form, which length in front, which head, which dialect.

Every combination is tried on the first messages of a unit. The codec is strict, so wrong ones seldom decode at all; of
those that do, `plausibility` prefers the one whose contents make sense. A reading says why it was chosen and what else
fits; where two fit equally well it says that as well, for then only the user knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from iso8583.dialect import Dialect
from iso8583.errors import Iso8583Error
from iso8583.message import Message
from iso8583.tool.envelope import HEADS, LENGTHS, MESSAGE_MAX, Envelope, cut, lacks
from iso8583.tool.plausibility import plausibility, usual_head
from iso8583.tool.wire_input import InputError, Offer, Unit

SAMPLE: Final = 4  # messages of a unit, and units of an input, on which every combination is tried
ALTERNATIVES_MAX: Final = 3
# Where nothing decodes, the head that a dialect always has says as much as this many fields that can be read.
_HEAD_IN_FIELDS: Final = 6
# Bytes behind the last message: a capture may end or begin anywhere, what somebody copied seldom does.
_CUT_SHORT: Final = 0.5
_STRANGE: Final = "needed an ISO 8583 message of a known dialect, there is something else"


@dataclass(frozen=True, slots=True)
class Found:
    """One message of the input, or what is wrong with it.

    Attributes:
        where: its place in the input, in words.
        begin: its place in the unit: the number of bytes before it.
        wire: its bytes with length and head.
        envelope: what stands around it.
        at: where the message begins in `wire`.
        dialect: how it was read.
        message: what it says; None if it does not decode.
        error: why it does not decode, with offsets in `wire`.
        is_recognised: it looks like a message of some dialect at all; if not, the rest is a guess without any ground.
    """

    where: str
    begin: int
    wire: bytes
    envelope: Envelope
    at: int
    dialect: Dialect
    message: Message | None
    error: Iso8583Error | None = None
    is_recognised: bool = True

    @property
    def body(self) -> bytes:
        """The message from its MTI on."""
        return self.wire[self.at :]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is to be tried: the dialects, and what the user already said about length and head (empty: guess)."""

    dialects: tuple[Dialect, ...]
    length: str = ""
    head: str = ""

    def lengths(self) -> Sequence[str]:
        return [self.length] if self.length else ["none", *LENGTHS]

    def heads(self) -> Sequence[str]:
        return [self.head] if self.head else list(HEADS)


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """How well a way of reading fits, the more important first.

    Attributes:
        fit: the share of messages that decode, times the share of bytes that are in messages.
        plausible: `iso8583.tool.plausibility` of what decodes.
        fields: of what does not, how many fields could be read.
        offset: and how far.
        decoded: the first factor of `fit`.
        explained: the second.
    """

    fit: float = 0.0
    plausible: float = 0.0
    fields: int = 0
    offset: int = 0
    decoded: float = 0.0
    explained: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """One combination."""

    length: str
    head: str
    dialect: Dialect

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.length, self.head, self.dialect.name


@dataclass(frozen=True, slots=True)
class Reading:
    """How a unit was read.

    Attributes:
        unit: what was read.
        form: the form of the input it was in.
        way: the combination that was chosen.
        score: how well it fits.
        others: names of dialects, or combinations, that fit as well, best first.
        tied: the first of them fits equally well.
        tried: how many combinations there were.
    """

    unit: Unit
    form: str
    way: Way
    score: Score
    others: tuple[Way, ...] = ()
    tied: bool = False
    tried: int = 1
    messages: tuple[Found, ...] = field(default=(), repr=False)
    rest: int = 0


def read_source(offers: Sequence[Offer], rules: Rules) -> tuple[Offer, list[Reading]]:
    """The best offer, and every unit of it read.

    Raises:
        InputError: nothing in it even begins like a message.
    """
    ranked = [(_offer_score(offer, rules), -place, offer) for place, offer in enumerate(offers)]
    best = max(ranked, key=lambda row: row[:2])[2]
    return best, list(_readings(best, rules))


def _offer_score(offer: Offer, rules: Rules) -> Score:
    sample = offer.units[:SAMPLE]
    scores = [reading.score if (reading := _read(unit, offer.form, rules)) else Score() for unit in sample]
    return Score(
        sum(score.fit for score in scores) / len(sample),
        sum(score.plausible for score in scores) / len(sample),
        sum(score.fields for score in scores) // len(sample),
        sum(score.offset for score in scores) // len(sample),
    )


def _readings(offer: Offer, rules: Rules) -> Iterator[Reading]:
    last: Way | None = None
    for unit in offer.units:
        reading = _again(unit, offer.form, last) if last else None
        if reading is None:
            reading = _read(unit, offer.form, rules)
        if reading is None:
            raise _nothing(unit, offer, rules)
        last = reading.way if reading.score.decoded == 1 and not reading.tied else None
        yield _filled(reading, rules)


def _filled(reading: Reading, rules: Rules) -> Reading:
    """The reading with its messages; or with one that is none, where nothing looks like a message."""
    unit, way = reading.unit, reading.way
    if reading.score.decoded == 0 and reading.score.fields <= 0 and len(rules.dialects) > 1:
        strange = Iso8583Error("message", 0, _STRANGE)
        found = Found(unit.where, 0, unit.data, Envelope(), 0, way.dialect, None, strange, is_recognised=False)
        return replace(reading, messages=(found,))
    rest = cut(unit.data, way.length)[1] if unit.flow else 0
    return replace(reading, messages=tuple(_all(reading)), rest=rest)


def _nothing(unit: Unit, offer: Offer, rules: Rules) -> InputError:
    place = f" ({unit.where})" if unit.where else ""
    names = ", ".join(dialect.name for dialect in rules.dialects)
    if len(unit.data) > MESSAGE_MAX and not rules.length:
        limit = f"超过 {MESSAGE_MAX} 字节 / longer than {MESSAGE_MAX} bytes"
        reason = f"{limit}, which no message is, and not cut into messages by any length"
    else:
        reason = "这些字节无法按长度切成报文 / its bytes cannot be cut into messages by that length"
    return InputError(f"找不到报文{place} / No message found{place}, read as {offer.form}: {reason}. Tried: {names}.")


def _again(unit: Unit, form: str, way: Way) -> Reading | None:
    """The unit read as the one before it, if every sampled message of it decodes that way."""
    frames, rest = _frames(unit, way.length)
    if not frames or (rest and unit.flow is None):
        return None
    score = _score(unit.data, frames[:SAMPLE], rest, way, is_flow=unit.flow is not None)
    return Reading(unit, form, way, score, tried=1) if score.decoded == 1 else None


def _read(unit: Unit, form: str, rules: Rules) -> Reading | None:
    """The unit read in the way that fits best; None if it cannot be cut into anything."""
    ranked: list[tuple[Score, int, Way]] = []
    for way, frames, rest in _ways(unit, rules):
        ranked.append((_score(unit.data, frames[:SAMPLE], rest, way, is_flow=unit.flow is not None), -len(ranked), way))
    if not ranked:
        return None
    ranked.sort(key=lambda row: row[:2], reverse=True)
    best = ranked[0]
    also = [row for row in ranked[1:] if row[0].decoded == 1 and row[0].fit == best[0].fit]
    tied = bool(also) and also[0][0].plausible == best[0].plausible
    others = tuple(way for _, _, way in also[:ALTERNATIVES_MAX])
    return Reading(unit, form, best[2], best[0], others, tied, len(ranked))


def _ways(unit: Unit, rules: Rules) -> Iterator[tuple[Way, list[tuple[int, int, int]], int]]:
    for length in rules.lengths():
        frames, rest = _frames(unit, length)
        if not frames:
            continue
        first = unit.data[frames[0][1] : frames[0][2]]
        for head in rules.heads():
            if rules.head or HEADS[head].fits(first):
                yield from ((Way(length, head, dialect), frames, rest) for dialect in rules.dialects)


def _frames(unit: Unit, length: str) -> tuple[list[tuple[int, int, int]], int]:
    """As `cut`; but if the first message is cut short, that is one, and `rest` is what it lacks."""
    frames, rest = cut(unit.data, length)
    missing = lacks(unit.data, length) if not frames and unit.flow is None else 0
    return ([(0, LENGTHS[length].width, len(unit.data))], missing) if missing else (frames, rest)


def _head_size(head: str) -> int:
    return int(head) if head.isdigit() else HEADS[head].size


def _score(data: bytes, frames: Sequence[tuple[int, int, int]], rest: int, way: Way, *, is_flow: bool) -> Score:
    size = _head_size(way.head)
    decoded = 0
    plausible = 0
    fields = offset = 0
    for _, start, end in frames:
        body = data[start + size : end]
        try:
            message = way.dialect.decode(body)
        except Iso8583Error as error:
            fields += len(error.partial) if error.partial is not None else 0
            offset += error.offset
            continue
        decoded += 1
        plausible += plausibility(message, way.dialect, way.head, way.length)
    count = len(frames)
    fields += _HEAD_IN_FIELDS * (fields > 0 and way.head != "none" and way.head == usual_head(way.dialect))
    explained = frames[-1][2] / len(data) if len(frames) < SAMPLE else 1 - rest / len(data)
    whole = 1.0 if rest == 0 or is_flow else _CUT_SHORT
    return Score(decoded / count * explained * whole, plausible / count, fields, offset, decoded / count, explained)


def _all(reading: Reading) -> Iterable[Found]:
    unit, way = reading.unit, reading.way
    frames, rest = cut(unit.data, way.length)
    has_tail = rest > 0 and unit.flow is None
    for number, frame in enumerate(frames, 1):
        numbered = f"message {number}" if len(frames) > 1 or has_tail else ""
        yield _found(unit.data, frame, way, ", ".join(filter(None, (unit.where, numbered))))
    if has_tail:
        numbered = f"message {len(frames) + 1}" if frames else ""
        yield _tail(unit.data[-rest:], len(unit.data) - rest, way, ", ".join(filter(None, (unit.where, numbered))))


def _found(data: bytes, frame: tuple[int, int, int], way: Way, where: str) -> Found:
    begin, start, end = frame
    at = start + _head_size(way.head)
    kind = way.head if way.head in HEADS and HEADS[way.head].fits(data[start:end]) else "other"
    envelope = Envelope(way.length, kind, data[start:at])
    wire = data[begin:end]
    try:
        message = way.dialect.decode(data[at:end])
    except Iso8583Error as error:
        return Found(where, begin, wire, envelope, at - begin, way.dialect, None, error.moved(at - begin))
    return Found(where, begin, wire, envelope, at - begin, way.dialect, message)


def _tail(data: bytes, begin: int, way: Way, where: str) -> Found:
    """What stands behind the last whole message: one that is cut short, or bytes behind an impossible length."""
    if way.length == "none":
        reason = f"needed at most {MESSAGE_MAX} bytes, there are {len(data)}"
        error = Iso8583Error("message", 0, reason)
        return Found(where, begin, data, Envelope(), 0, way.dialect, None, error, is_recognised=False)
    width, missing = LENGTHS[way.length].width, lacks(data, way.length)
    found = _found(data, (0, min(width, len(data)), len(data)), way, where)
    said = f"needed {len(data) - width + missing} bytes behind the length, there are {len(data) - width}"
    reason = said if missing else f"needed a length of {width} bytes that a message can have, there is something else"
    partial = found.message if found.error is None else found.error.partial
    return replace(
        found, begin=begin, message=None, error=Iso8583Error("length", 0, reason, partial if missing else None)
    )
