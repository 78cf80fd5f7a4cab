"""What only the durable store promises: it survives, keeps no secret in clear, and is not changed behind our back."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from host_switch.events import Decision, Persist
from host_switch.frames import decoded
from host_switch.keys import KeyRoom, KeyRoomError
from host_switch.records import CodeSpent, Download, Entry, Event, Key, Posting, SignedUse, Terminal
from host_switch.sqlite_store import SqliteStore
from host_switch.store import StoreError
from host_switch.switch import decide
from iso8583.unionpay_fields.field62 import Parameters62
from tests.host_switch.phone import SEED, failures_at, phone_of, with_password
from tests.host_switch.room import POLICY, Room
from tests.host_switch.signed_phone import signed_phone
from tests.host_switch.till import MASTER_KEY, MERCHANT, PAN, TRACK2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "host.db"


@pytest.fixture
def store(path: Path, key_room: KeyRoom) -> Iterator[SqliteStore]:
    store = SqliteStore.open(path, key_room, POLICY)
    yield store
    store.close()


def reopened(store: SqliteStore, path: Path, key_room: KeyRoom) -> SqliteStore:
    store.close()
    return SqliteStore.open(path, key_room, POLICY)


def test_everything_is_there_after_a_restart(store: SqliteStore, path: Path, key_room: KeyRoom) -> None:
    room = Room(store)
    till = room.till()
    sale, reference = room.sold(till)
    room.frame(till, till.refund(sale, reference, 5))
    before = room.books()
    room.store = reopened(store, path, key_room)
    assert room.books() == before
    room.issue()
    assert room.owed_to_merchant() == 1229
    assert room.talk(till, till.sale())[37] == "000000000003"
    room.store.close()


def test_a_card_number_is_on_disk_only_while_a_refund_may_be_repeated(store: SqliteStore, path: Path) -> None:
    """Sealed or not: what nobody needs is not kept."""
    room = Room(store)
    till = room.till()
    sale, reference = room.sold(till)
    room.frame(till, till.sale())
    refund = till.refund(sale, reference, 5)
    room.frame(till, refund)
    with sqlite3.connect(path) as disk:
        query = "SELECT kind FROM transactions WHERE pan IS NOT NULL"
        assert disk.execute(query).fetchall() == [("refund",)]
        room.issue()
        assert disk.execute(query).fetchall() == []
    disk.close()


def test_what_was_staged_and_not_flushed_is_gone_after_a_crash(
    store: SqliteStore, path: Path, key_room: KeyRoom
) -> None:
    store.stage([Decision((Persist((Terminal("12345678", MERCHANT, MASTER_KEY),)),))])
    assert reopened(store, path, key_room).books().terminals == ()


def test_a_decision_is_written_whole_or_not_at_all(store: SqliteStore) -> None:
    room = Room(store)
    till = room.till()
    sale, _ = room.sold(till)
    row = room.row(sale)
    twin = Decision((Persist((Event("note", "first", row.key, 1.0), replace(row, number=99))),))
    with pytest.raises(StoreError, match="cannot write"):
        store.commit([twin])  # another transaction under a key that is taken
    assert room.events() == []
    room.sold(till)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE postings SET amount = 1", "DELETE FROM postings", "DELETE FROM transactions",
        "UPDATE events SET text = ''", "INSERT OR REPLACE INTO postings SELECT * FROM postings",
    ],
)  # fmt: skip
def test_what_is_written_stays_written(statement: str, store: SqliteStore, path: Path) -> None:
    room = Room(store)
    till = room.till()
    sale, _ = room.sold(till)
    room.frame(till, sale.with_({4: "000000000001"}))
    with sqlite3.connect(path) as intruder, pytest.raises(sqlite3.IntegrityError):
        intruder.execute(statement)
    intruder.close()
    room.books()


def test_no_secret_is_on_disk(store: SqliteStore, path: Path) -> None:
    """Not the card number, the track, the PIN block or a key; in no spelling that the file could have."""
    room = Room(store)
    till = room.till()
    sale = till.sale(pin=b"123456")
    room.talk(till, sale)
    room.talk(till, till.qr_sale("6212345678901234567"))
    room.frame(till, till.refund(sale, "000000000001", 5))
    secrets = {
        "card number": PAN.encode(), "card number, BCD": bytes.fromhex(PAN), "track": TRACK2[17:].encode(),
        "PIN block": sale.binary(52), "PIN block, hex": sale.binary(52).hex().encode(), "PIN key": till.pin_key,
        "MAC key": till.mac_key, "master key": MASTER_KEY, "payment code": b"6212345678901234567",
    }  # fmt: skip
    files = [file for file in path.parent.iterdir() if file.name.startswith("host.db")]
    content = b"".join(file.read_bytes() for file in files)
    assert b"629999******0009" in content, "the search looks at the right bytes"
    assert [name for name, secret in secrets.items() if secret in content] == []


def test_what_a_phone_shares_with_the_host_is_sealed(store: SqliteStore, path: Path) -> None:
    """Neither its seed nor its account, nor the code or the handle that has paid."""
    room = Room(store)
    till = room.till()
    phone = phone_of(room)
    code = phone.code()
    assert room.talk(till, till.qr_sale(code))[39] == "00"
    content = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.name.startswith("host.db"))
    assert "王芳".encode() in content, "the search looks at the right bytes"
    secrets = {
        "seed": SEED, "account": PAN.encode(), "code": code.encode(), "handle": code[4:18].encode(),
        "another handle": phone.wallet.handles[0].encode(),
    }  # fmt: skip
    assert [name for name, secret in secrets.items() if secret in content] == []


def test_what_codes_have_done_is_there_after_a_restart(store: SqliteStore, path: Path, key_room: KeyRoom) -> None:
    room = Room(store)
    till = room.till()
    phone = phone_of(room)
    paid, other = phone.code(), phone.code()
    for code, answer in ((paid, "00"), (with_password(other), "P8")):
        assert room.talk(till, till.qr_sale(code))[39] == answer
    before, user = room.books(), phone.user
    assert len(user.codes.failed_at) == 1
    room.store = reopened(store, path, key_room)
    assert (room.books(), phone.user) == (before, user)
    assert room.talk(till, till.qr_sale(paid))[39] == "P7"
    wrong = till.qr_sale(with_password(other))
    assert room.talk(till, wrong)[39] == "P8"
    assert failures_at(room, decoded("line", till.frame(wrong))) == 3
    room.store.close()


def test_a_crash_before_the_commit_spends_no_code_and_counts_no_try(
    store: SqliteStore, path: Path, key_room: KeyRoom
) -> None:
    room = Room(store)
    till = room.till()
    phone = phone_of(room)
    sale = decoded("line", till.frame(till.qr_sale(phone.code())))
    store.stage([decide(sale, store.facts_for([sale])[0], room.now)])
    room.store = reopened(store, path, key_room)
    assert room.books().codes_spent == () and phone.user.codes.used == frozenset()
    assert room.books().transactions == ()
    room.store.close()


def test_the_table_itself_lets_a_code_pay_once(store: SqliteStore, path: Path) -> None:
    spent = CodeSpent(b"a handle", 1)
    store.commit([Decision((Persist((spent,)),))])
    with pytest.raises(StoreError, match="cannot write"):
        store.commit([Decision((Persist((replace(spent, number=2),)),))])
    with sqlite3.connect(path) as intruder, pytest.raises(sqlite3.IntegrityError, match="pays once"):
        intruder.execute("DELETE FROM codes_spent")
    intruder.close()
    assert store.books().codes_spent == (spent,)


def test_another_master_key_does_not_open_the_store(store: SqliteStore, path: Path) -> None:
    Room(store).till()
    store.close()
    with pytest.raises(KeyRoomError, match="terminal/12345678/master"):
        SqliteStore.open(path, KeyRoom(bytes(32)), POLICY).books()


def test_a_file_that_is_no_store_is_refused_in_one_sentence(path: Path, key_room: KeyRoom) -> None:
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="cannot open the host store"):
        SqliteStore.open(path, key_room, POLICY)


def test_a_store_of_a_newer_version_is_refused(store: SqliteStore, path: Path, key_room: KeyRoom) -> None:
    store.close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="newer Tillgate"):
        SqliteStore.open(path, key_room, POLICY)


def test_a_store_of_the_first_version_is_read_and_then_brought_up_to_date(
    store: SqliteStore, path: Path, key_room: KeyRoom
) -> None:
    Room(store).till()
    before = store.books()
    store.close()
    with sqlite3.connect(path) as old:
        old.executescript(
            "ALTER TABLE terminals DROP COLUMN parameters; DROP TABLE downloads; UPDATE terminals SET command = '0';"
            "DROP TABLE phone_users; DROP TABLE failed_codes; DROP TABLE codes_spent; DROP TABLE presences;"
            "DROP TABLE telemetry; DROP TABLE code_issuers; DROP TABLE signed_keys;"
            "DROP TABLE signed_uses; PRAGMA user_version = 1;"
        )
    old.close()
    for to_write in (False, True):
        opened = SqliteStore.open(path, key_room, POLICY, to_write=to_write)
        assert opened.books() == before
        assert opened.phone_users() == []
        opened.close()
    store = SqliteStore.open(path, key_room, POLICY)
    given = replace(before.terminals[0], parameters=Parameters62(45, "测试商户"))
    store.commit([Decision((Persist((given, Download("black-list", (b"6299990000000009",)))),))])
    assert store.books().terminals == (given,)
    assert [each.kind for each in store.downloads()] == ["black-list"]
    phone_of(Room(store))
    assert [user.name for user in store.phone_users()] == ["王芳"]
    store.close()
    assert not any(b"629999" in file.read_bytes() for file in path.parent.iterdir())


def test_a_reader_sees_a_running_store_and_cannot_write(store: SqliteStore, path: Path, key_room: KeyRoom) -> None:
    Room(store).till()
    reader = SqliteStore.open(path, key_room, POLICY, to_write=False)
    assert len(reader.books().terminals) == 1
    with pytest.raises(StoreError, match="readonly"):
        reader.commit([Decision((Persist((Terminal("87654321", MERCHANT, MASTER_KEY),)),))])
    reader.close()


def test_every_commit_waits_for_the_disk(store: SqliteStore) -> None:
    settings = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]


def test_the_ledger_goes_on_where_it_was(store: SqliteStore, path: Path, key_room: KeyRoom) -> None:
    entry = Entry(Key("1", "1", "1"), "sale", 1.0, (Posting("a", 1, "156"), Posting("b", -1, "156")))
    store.commit([Decision((Persist((entry,)),))])
    again = reopened(store, path, key_room)
    again.commit([Decision((Persist((entry,)),))])
    assert [record.sequence for record in again.books().records] == [1, 2, 3, 4]
    again.close()


def test_settings_are_sealed(store: SqliteStore, path: Path) -> None:
    assert store.secret("zone keys") is None
    store.put_secret("zone keys", b"very secret zone key")
    assert store.secret("zone keys") == b"very secret zone key"
    assert b"very secret" not in path.read_bytes() + path.with_name("host.db-wal").read_bytes()


def test_the_evidence_is_every_code_of_a_counter_the_paid_one_first_and_no_file_shows_one(
    store: SqliteStore, path: Path
) -> None:
    room = Room(store)
    till, phone = room.till(), signed_phone(room)
    phone.spends_twice = True
    first, second = phone.show(room.now), phone.show(room.now + 1)
    for code in (first, second):
        room.talk(till, till.offline_code_sale(code))
    for number in (1, 2):
        uses = store.evidence(number)
        assert [(use.number, use.paid, use.code) for use in uses] == [(1, True, first), (2, False, second)]
    assert store.evidence(3) == []
    assert not any(first[4:40].encode() in file.read_bytes() for file in path.parent.iterdir())


def test_the_file_itself_pays_a_counter_once_and_keeps_the_evidence(store: SqliteStore, path: Path) -> None:
    key = bytes(32)
    store.commit([Decision((Persist((SignedUse(1, key, 7, True, "TG1:A"), SignedUse(2, key, 7, False, "TG1:B"))),))])
    with pytest.raises(StoreError):
        store.commit([Decision((Persist((SignedUse(3, key, 7, True, "TG1:C"),)),))])
    for change in ("UPDATE signed_uses SET paid = 1", "DELETE FROM signed_uses"):
        with sqlite3.connect(path) as file, pytest.raises(sqlite3.IntegrityError):
            file.execute(change)
        file.close()
    assert [use.number for use in store.books().signed_uses] == [1, 2]
