"""The key room: sealed to its place, one file for its owner, keys that are keys."""

import itertools
from pathlib import Path

import pytest

from host_switch.keys import KeyRoom, KeyRoomError, des_key, write_secret


def test_what_is_sealed_opens_at_its_place(key_room: KeyRoom) -> None:
    sealed = key_room.seal(b"secret", "terminal/1/keys")
    assert b"secret" not in sealed
    assert key_room.unseal(sealed, "terminal/1/keys") == b"secret"


def test_sealing_twice_looks_different(key_room: KeyRoom) -> None:
    assert key_room.seal(b"secret", "place") != key_room.seal(b"secret", "place")


@pytest.mark.parametrize("damage", ["other place", "other master key", "flipped bit", "cut short", "empty"])
def test_what_was_moved_or_changed_does_not_open_and_its_error_tells_nothing(damage: str, key_room: KeyRoom) -> None:
    sealed = key_room.seal(b"secret", "place")
    room = KeyRoom(bytes(32)) if damage == "other master key" else key_room
    changed = {"flipped bit": sealed[:-1] + bytes([sealed[-1] ^ 1]), "cut short": sealed[:9], "empty": b""}
    with pytest.raises(KeyRoomError) as caught:
        room.unseal(changed.get(damage, sealed), "elsewhere" if damage == "other place" else "place")
    assert "secret" not in str(caught.value)


def test_every_generation_of_payment_codes_has_a_key_of_its_own(key_room: KeyRoom) -> None:
    """Derived, so that the same room makes the same codes; and nobody learns one key by another."""
    keys = key_room.code_keys
    assert list(keys) == [f"771{generation}" for generation in range(10)]
    assert len({key_room.content_key, *keys.values()}) == 11
    assert {len(key) for key in keys.values()} == {32}
    assert KeyRoom(bytes(range(32))).code_keys == keys != KeyRoom(bytes(32)).code_keys


def test_the_master_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "host" / "master.key"
    first = KeyRoom.in_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert KeyRoom.in_file(path).unseal(first.seal(b"x", "place"), "place") == b"x"


def test_a_master_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    KeyRoom.in_file(path)
    path.chmod(0o640)
    with pytest.raises(KeyRoomError, match="can be read by others"):
        KeyRoom.in_file(path)


def test_a_file_that_is_no_master_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    write_secret(path, b"short")
    with pytest.raises(KeyRoomError, match="32 bytes"):
        KeyRoom.in_file(path)


def test_a_secret_is_never_written_over(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "key", b"second")


def test_working_keys_have_their_lengths_odd_parity_and_two_halves(key_room: KeyRoom) -> None:
    keys = key_room.fresh_keys()
    assert (len(keys.pin_key), len(keys.mac_key), len(keys.track_key)) == (16, 8, 16)
    assert all(byte.bit_count() % 2 for byte in keys.pin_key + keys.mac_key + keys.track_key)
    assert keys.pin_key[:8] != keys.pin_key[8:]


def test_a_draw_of_equal_halves_is_drawn_again() -> None:
    draws = itertools.chain([bytes(16)], itertools.repeat(bytes(range(16))))
    assert des_key(16, lambda _: next(draws))[:8] != des_key(16, lambda _: bytes(range(16)))[8:]


def test_keys_do_not_show_in_text(key_room: KeyRoom) -> None:
    keys = key_room.fresh_keys()
    assert keys.mac_key.hex() not in repr(keys)
    assert repr(keys.mac_key) not in repr(keys)
