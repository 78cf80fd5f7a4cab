"""Lists of revoked keys: nothing on them is missed, and only what the issuer signed for this version changes them."""

from collections.abc import Callable
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paycode import lists
from paycode.cose import public_key_of, sign
from paycode.lists import CompactList, ListError, adopt, apply, fingerprint, publish, state
from paycode.signed import CODE_CONTEXT
from tests.paycode.issuing import ISSUER, OTHER_ISSUER, THIEF, message

KEY = public_key_of(ISSUER)
EMPTY = CompactList("revoked")
FIRST_DELTA, FIRST = publish(ISSUER, EMPTY, [b"one", b"two", b"three"])
SECOND_DELTA, SECOND = publish(ISSUER, FIRST, [b"four"], [b"two"])


def test_deltas_lead_from_version_to_version() -> None:
    assert apply(FIRST_DELTA, EMPTY, KEY) == FIRST
    assert apply(SECOND_DELTA, FIRST, KEY) == SECOND
    assert (SECOND.version, len(SECOND)) == (2, 3)
    assert [entry in SECOND for entry in (b"one", b"two", b"three", b"four", b"five")] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_a_whole_list_takes_the_place_of_any_earlier_version() -> None:
    for earlier in (EMPTY, FIRST):
        assert adopt(state(ISSUER, SECOND), SECOND.fingerprints, earlier, KEY) == SECOND


def test_a_list_may_lie_in_a_mapped_file(tmp_path) -> None:
    import mmap

    file = tmp_path / "list"
    file.write_bytes(FIRST.fingerprints)
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        there = adopt(state(ISSUER, FIRST), view, EMPTY, KEY)
        assert b"one" in there and b"four" not in there
        assert apply(SECOND_DELTA, there, KEY) == SECOND
        view.release()


Attack = Callable[[], object]


def changed(message: bytes, **said: object) -> bytes:
    """A delta with other fields, signed by the issuer: what its own program would never make."""
    labels = {"name": 1, "before": 2, "after": 3, "added": 4, "removed": 5, "digest": 6}
    fields = cbor2.loads(cbor2.loads(message)[2]) | {labels[name]: value for name, value in said.items()}
    payload = cbor2.dumps({label: value for label, value in sorted(fields.items()) if value is not None})
    return sign(ISSUER, payload, lists.LIST_CONTEXT)


ONE, TWO = sorted([fingerprint("revoked", b"one"), fingerprint("revoked", b"two")])
ATTACKS: dict[str, tuple[Attack, str]] = {
    "signed by a thief": (lambda: apply(publish(THIEF, EMPTY, [b"x"])[0], EMPTY, KEY), "algorithm_other"),
    "signed by another issuer": (lambda: apply(publish(OTHER_ISSUER, EMPTY)[0], EMPTY, KEY), "signature_wrong"),
    "an old delta again": (lambda: apply(FIRST_DELTA, SECOND, KEY), "version 2 is here already"),
    "the last delta again": (lambda: apply(SECOND_DELTA, SECOND, KEY), "version 2 is here already"),
    "a delta left out": (lambda: apply(SECOND_DELTA, EMPTY, KEY), "applies to version 1, not 0"),
    "an old whole list": (lambda: adopt(state(ISSUER, FIRST), FIRST.fingerprints, SECOND, KEY), "is here already"),
    "a delta of another list": (lambda: apply(publish(ISSUER, CompactList("quota"))[0], EMPTY, KEY), "another list"),
    "a whole list under another name": (
        lambda: adopt(state(ISSUER, CompactList("quota", 9)), b"", EMPTY, KEY), "another list"
    ),
    "fewer fingerprints than stated": (
        lambda: adopt(state(ISSUER, FIRST), FIRST.fingerprints[6:], EMPTY, KEY), "whole"
    ),
    "a cut fingerprint": (
        lambda: adopt(state(ISSUER, replace(FIRST, fingerprints=b"123")), b"123", EMPTY, KEY), "is cut"
    ),
    "fingerprints not sorted": (
        lambda: adopt(state(ISSUER, replace(FIRST, fingerprints=TWO + ONE)), TWO + ONE, EMPTY, KEY), "not sorted"
    ),
    "a fingerprint twice": (lambda: apply(changed(FIRST_DELTA, added=ONE + ONE), EMPTY, KEY), "not sorted"),
    "a delta with a cut fingerprint": (lambda: apply(changed(FIRST_DELTA, added=ONE[1:]), EMPTY, KEY), "is cut"),
    "added and removed": (
        lambda: apply(changed(FIRST_DELTA, added=ONE, removed=ONE), EMPTY, KEY), "adds what it removes"
    ),
    "a delta that makes another list": (lambda: apply(changed(FIRST_DELTA, added=ONE), EMPTY, KEY), "not the one"),
    "a version that stays": (lambda: apply(changed(SECOND_DELTA, after=1), FIRST, KEY), "version 1 is here"),
    "a version below nothing": (lambda: apply(changed(FIRST_DELTA, after=-1), EMPTY, KEY), "version 0 is here"),
    "a field too many": (lambda: apply(_with_field(), EMPTY, KEY), "critical_unknown"),
    "a statement for a delta": (lambda: apply(state(ISSUER, FIRST), EMPTY, KEY), "fields_wrong"),
    "a delta for a statement": (lambda: adopt(FIRST_DELTA, FIRST.fingerprints, EMPTY, KEY), "critical_unknown"),
    "no CBOR": (lambda: apply(b"\xff", EMPTY, KEY), "cbor_broken"),
    "too long": (lambda: apply(bytes(lists.MESSAGE_BYTES_MAX + 1), EMPTY, KEY), "1048576 bytes"),
    "signed for another use": (
        lambda: apply(message(ISSUER, cbor2.dumps({1: -7}), cbor2.loads(FIRST_DELTA)[2], CODE_CONTEXT), EMPTY, KEY),
        "signature_wrong",
    ),
}  # fmt: skip


def _with_field() -> bytes:
    payload = cbor2.dumps(cbor2.loads(cbor2.loads(FIRST_DELTA)[2]) | {7: 0})
    return sign(ISSUER, payload, lists.LIST_CONTEXT)


@pytest.mark.parametrize(("attack", "told"), ATTACKS.values(), ids=ATTACKS)
def test_refused_and_the_list_stays(attack: Attack, told: str) -> None:
    with pytest.raises(ListError, match=told):
        attack()


def test_a_delta_flipped_at_every_byte() -> None:
    for place in range(len(FIRST_DELTA)):
        with pytest.raises(ListError):
            apply(FIRST_DELTA[:place] + bytes([FIRST_DELTA[place] ^ 1]) + FIRST_DELTA[place + 1 :], EMPTY, KEY)


def test_more_entries_than_a_terminal_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "ENTRIES_MAX", 2)
    with pytest.raises(ListError, match="at most 2 entries"):
        apply(FIRST_DELTA, EMPTY, KEY)


def test_an_issuer_is_told_that_an_entry_cannot_come_and_go_at_once() -> None:
    with pytest.raises(ValueError, match="not both"):
        publish(ISSUER, EMPTY, [b"one"], [b"one"])


def test_ten_million_entries_need_less_than_64_mib() -> None:
    assert lists.ENTRIES_MAX * lists.FINGERPRINT_BYTES <= 64 * 2**20


entries = st.sets(st.binary(max_size=4), max_size=12)


@settings(max_examples=60)
@given(st.lists(st.tuples(entries, entries), max_size=6), entries)
def test_after_any_deltas_a_list_holds_what_a_set_would(
    steps: list[tuple[set[bytes], set[bytes]]], asked: set[bytes]
) -> None:
    published, received, model = EMPTY, EMPTY, set[bytes]()
    for added, removed in steps:
        delta, published = publish(ISSUER, published, added - removed, removed)
        received = apply(delta, received, KEY)
        model = (model | added) - removed
    assert received == published
    assert {entry for entry in asked | model if entry in received} == model
    prints = [fingerprint("revoked", entry) for entry in model]
    assert received.fingerprints == b"".join(sorted(prints))
