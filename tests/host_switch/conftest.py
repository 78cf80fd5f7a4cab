from collections.abc import Iterator
from pathlib import Path

import pytest

from host_switch.keys import KeyRoom
from host_switch.sqlite_store import SqliteStore
from host_switch.store import MemoryStore, Store
from tests.host_switch.room import POLICY, Room
from tests.host_switch.till import Till


@pytest.fixture
def key_room() -> KeyRoom:
    return KeyRoom(bytes(range(32)))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, key_room: KeyRoom) -> Iterator[Store]:
    """Both stores, which must not be told apart by whoever uses them."""
    if request.param == "memory":
        yield MemoryStore(POLICY, key_room.fresh_keys)
    else:
        durable = SqliteStore.open(tmp_path / "host.db", key_room, POLICY)
        yield durable
        durable.close()


@pytest.fixture
def room(store: Store) -> Iterator[Room]:
    """A host room, whose books are in order at the end of every test."""
    room = Room(store)
    yield room
    room.books()


@pytest.fixture
def till(room: Room) -> Till:
    return room.till()
