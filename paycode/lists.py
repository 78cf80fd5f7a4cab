"""Lists that terminals carry: revoked keys and cards, and those whose quota is used up; and how they are kept current.

A list is its entries' fingerprints, 6 bytes each, sorted: the first bytes of SHA-256 over the list's name and the
entry. What is on the list is always found. What is not is found by mistake with a chance of the list's length in 2^48:
of ten million entries, one customer in 28 million. It costs that customer an offline payment: the terminal asks for the
line or for other means.

The issuer signs every version: a *delta* names the version it applies to, the one it makes, and the SHA-256 of that; a
*statement* only the last two, and goes with the whole list. A delta applies to no other version, and versions never go
back.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from paycode.cose import PrivateKey, PublicKey, Table, fields, parse, sign, write
from paycode.verdict import CodeRefused, Reason

FINGERPRINT_BYTES: Final = 6
ENTRIES_MAX: Final = 10_000_000
MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""Of a delta or a statement: 170,000 changes. Who is further behind fetches the whole list."""

CARRIED_BYTES_MAX: Final = 8000
"""Of a delta that goes through a broker, whose packets have at most 8 KiB: 1,300 changes."""

LIST_CONTEXT: Final = b"paycode 1 list"

_DELTA: Final = Table({1: str, 2: int, 3: int, 4: bytes, 5: bytes, 6: bytes})
"""Name, version before and after, fingerprints added and removed, SHA-256 of the list after it."""

_STATEMENT: Final = Table({1: str, 3: int, 6: bytes})


class ListError(Exception):
    """A list cannot be used; the text says why and what to do. The one that was there stays in use."""


@dataclass(frozen=True, slots=True)
class CompactList:
    """One version of a list. The fingerprints may lie in a mapped file: they are only sliced."""

    name: str
    version: int = 0
    fingerprints: bytes | memoryview = field(default=b"", repr=False)

    def __len__(self) -> int:
        return len(self.fingerprints) // FINGERPRINT_BYTES

    def __contains__(self, entry: bytes) -> bool:
        wanted = fingerprint(self.name, entry)
        return self._at(self._place(wanted)) == wanted

    def _at(self, place: int) -> bytes:
        start = place * FINGERPRINT_BYTES
        return bytes(self.fingerprints[start : start + FINGERPRINT_BYTES])

    def _place(self, wanted: bytes) -> int:
        return bisect_left(range(len(self)), wanted, key=self._at)

    def changed(self, version: int, added: Iterable[bytes], removed: Iterable[bytes]) -> "CompactList":
        """The list of another version, with some fingerprints more and some fewer."""
        gone = set(removed)
        pieces, start = list[bytes | memoryview](), 0
        for one in sorted(gone.union(added)):
            place = self._place(one)
            pieces += [self.fingerprints[start : place * FINGERPRINT_BYTES], b"" if one in gone else one]
            start = (place + (self._at(place) == one)) * FINGERPRINT_BYTES
        return CompactList(self.name, version, b"".join([*pieces, self.fingerprints[start:]]))


def fingerprint(name: str, entry: bytes) -> bytes:
    """What stands on the list of that name for an entry: a user's key, or a card's account as it is in the code."""
    return sha256(name.encode() + b"\0" + entry).digest()[:FINGERPRINT_BYTES]


# The issuer's side ---------------------------------------------------------------------------------------------------


def publish(
    key: PrivateKey, old: CompactList, added: Iterable[bytes] = (), removed: Iterable[bytes] = ()
) -> tuple[bytes, CompactList]:
    """The next version of a list, and the signed delta that leads there from the old one.

    Args:
        key: the issuer's.
        old: the list as it is published now; `CompactList(name)` before the first.
        added: entries (not fingerprints) to put on it.
        removed: entries to take off, none of which shares its fingerprint with one that stays: it would be lost too.
    """
    come, gone = ({fingerprint(old.name, entry) for entry in entries} for entries in (added, removed))
    if come & gone:
        raise ValueError("an entry is put on the list or taken off, not both")
    new = old.changed(old.version + 1, come, gone)
    said = {1: new.name, 2: old.version, 3: new.version, 4: b"".join(sorted(come)), 5: b"".join(sorted(gone))}
    return sign(key, write({**said, 6: _digest(new)}), LIST_CONTEXT), new


def state(key: PrivateKey, whole: CompactList) -> bytes:
    """The signed statement that goes with the fingerprints of a whole list."""
    return sign(key, write({1: whole.name, 3: whole.version, 6: _digest(whole)}), LIST_CONTEXT)


# The terminal's side -------------------------------------------------------------------------------------------------


def apply(delta: bytes, current: CompactList, key: PublicKey) -> CompactList:
    """The list after a signed delta. Raises ListError."""
    said = _said(delta, _DELTA, current, key)
    if said[2] != current.version:
        raise ListError(f"the delta applies to version {said[2]}, not {current.version}: fetch those between, or all")
    added, removed = list(_cut(said[4])), list(_cut(said[5]))
    if not set(added).isdisjoint(removed):
        raise ListError("the delta adds what it removes: fetch the whole list")
    return _as_named(current.changed(said[3], added, removed), said[6])


@dataclass(frozen=True, slots=True)
class ListClaim:
    """What a delta says of itself: its list, and the versions before and after it. Nothing of it is proven."""

    name: str
    before: int
    after: int


def claimed(delta: bytes) -> ListClaim | None:
    """To sort deltas by, before any is applied; None if it is no delta."""
    if len(delta) > MESSAGE_BYTES_MAX:
        return None
    try:
        said = fields(parse(delta, LIST_CONTEXT).payload, _DELTA)
    except CodeRefused:
        return None
    return ListClaim(said[1], said[2], said[3])


def adopt(statement: bytes, fingerprints: bytes | memoryview, current: CompactList, key: PublicKey) -> CompactList:
    """A whole list in place of the current one, which may be `CompactList(name)`. Raises ListError."""
    said = _said(statement, _STATEMENT, current, key)
    new = _as_named(CompactList(current.name, said[3], fingerprints), said[6])
    for _ in _cut(fingerprints):
        pass
    return new


def _said(message: bytes, table: Table, current: CompactList, key: PublicKey) -> dict[int, Any]:
    if len(message) > MESSAGE_BYTES_MAX:
        raise ListError(f"a delta has at most {MESSAGE_BYTES_MAX} bytes: fetch the whole list")
    try:
        signed = parse(message, LIST_CONTEXT)
        said = fields(signed.payload, table)
        signed.verify(key, Reason.SIGNATURE_WRONG)
    except CodeRefused as refusal:
        raise ListError(f"this is not what the issuer signs for a list ({refusal.reason}): fetch it again") from None
    if said[1] != current.name:
        raise ListError(f"this belongs to another list than {current.name!r}")
    if said[3] <= current.version:
        raise ListError(f"this leads to version {said[3]}, and version {current.version} is here already")
    return said


def _as_named(new: CompactList, digest: bytes) -> CompactList:
    if len(new) > ENTRIES_MAX:
        raise ListError(f"a list has at most {ENTRIES_MAX} entries")
    if _digest(new) != digest:
        raise ListError("the list is not the one that was signed: fetch it whole")
    return new


def _digest(whole: CompactList) -> bytes:
    return sha256(whole.fingerprints).digest()


def _cut(fingerprints: bytes | memoryview) -> Iterator[bytes]:
    """One by one. Raises ListError unless they are whole, sorted and different: search would miss some."""
    if len(fingerprints) % FINGERPRINT_BYTES:
        raise ListError("the last fingerprint is cut: fetch the list again")
    last = b""
    for at in range(0, len(fingerprints), FINGERPRINT_BYTES):
        one = bytes(fingerprints[at : at + FINGERPRINT_BYTES])
        if one <= last:
            raise ListError("the fingerprints are not sorted: fetch the whole list")
        yield one
        last = one
