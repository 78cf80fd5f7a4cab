"""What a power cut leaves, and that both stores stand it. `make crash` cuts in ten times as many places."""

from contextlib import closing
from pathlib import Path
from random import Random

from paycode.digits import HANDLES_MAX
from simulators.crash.power_cuts import SECTOR, Disk, disks
from simulators.crash.stores import CutHostStore, CutJournal, cut_everywhere

OLD, NEW = b"o" * 700, b"n" * 1500


def test_a_log_that_grew_is_cut_at_every_sector_and_around_both_ends() -> None:
    cuts = list(disks(Disk(b"db", OLD), Disk(b"db", OLD + NEW), Random(1)))
    written = [len(cut.disk.log) - len(cut.disk.log.lstrip(b"o")) for cut in cuts]
    assert set(written) == {700}
    assert [cut.complete for cut in cuts] == [False] * (len(cuts) - 1) + [True]
    assert {700, 701, 1024, 1536, 2048, 2199, 2200} <= {_new_until(cut.disk.log) for cut in cuts}


def _new_until(log: bytes) -> int:
    """Where the new bytes end: garbage holds an n as first byte only by chance, which seed 1 does not."""
    return 700 + len(log[700:]) - len(log[700:].lstrip(b"n"))


def test_half_of_the_cuts_have_garbage_behind_them() -> None:
    cuts = list(disks(Disk(b"", b""), Disk(b"", b"n" * 40 * SECTOR), Random(1)))
    garbage = [cut for cut in cuts if set(cut.disk.log) - {ord("n")}]
    assert len(cuts) / 4 < len(garbage) < len(cuts) * 3 / 4


def test_a_log_that_begins_anew_keeps_its_old_end() -> None:
    before, after = Disk(b"db", b"o" * 4096), Disk(b"db", b"n" * 1024 + b"o" * 3072)
    cuts = list(disks(before, after, Random(1)))
    assert {len(cut.disk.log) for cut in cuts} == {4096}
    assert all(cut.disk.log.endswith(b"o" * 2000) for cut in cuts)


def test_a_checkpoint_leaves_any_mix_of_sectors_and_the_whole_log() -> None:
    before, after = Disk(b"a" * 1024, OLD), Disk(b"b" * 2048, OLD + NEW)
    mixed = [cut for cut in disks(before, after, Random(1)) if cut.disk.database != before.database]
    assert mixed
    assert all(cut.complete and cut.disk.log == after.log for cut in mixed)
    assert all(len(cut.disk.database) in {1024, 2048} for cut in mixed)


def test_a_journal_loses_nothing_acknowledged(tmp_path: Path) -> None:
    images, faults = cut_everywhere(CutJournal(), tmp_path, 6, Random(1), around_checkpoint=0)
    assert images >= 100
    assert faults == []


def test_a_host_store_sells_on_when_the_phone_has_shown_all_its_codes(tmp_path: Path) -> None:
    with closing(CutHostStore().open(tmp_path / "host.db")) as written:
        for _ in range(8 * HANDLES_MAX):
            written.write()
        assert len(written.state().transactions) > 2 * HANDLES_MAX + 1


def test_a_host_store_loses_nothing_acknowledged(tmp_path: Path) -> None:
    images, faults = cut_everywhere(CutHostStore(), tmp_path, 6, Random(1), around_checkpoint=0)
    assert images >= 100
    assert faults == []


def test_a_journal_that_lost_a_record_is_found_out(tmp_path: Path) -> None:
    store, path = CutJournal(), tmp_path / "journal.db"
    written = store.open(path)
    for _ in range(5):
        written.write()
    assert list(store.judge(path, (5,))) == []
    assert [fault.kind for fault in store.judge(path, (6, 7))] == ["lost"]
    written.close()


def test_a_host_store_that_lost_a_posting_is_found_out(tmp_path: Path) -> None:
    store, path = CutHostStore(), tmp_path / "host.db"
    written = store.open(path)
    before = written.state()
    for _ in range(3):
        written.write()
    assert list(store.judge(path, (before, written.state()))) == []
    assert [fault.kind for fault in store.judge(path, (before,))] == ["lost"]
    written.close()


def test_half_of_the_host_stores_sales_are_by_codes_that_pay_once(tmp_path: Path) -> None:
    written = CutHostStore().open(tmp_path / "host.db")
    for _ in range(12):
        written.write()
    books = written.state()
    by_phone = [row for row in books.transactions if row.kind == "qr_sale"]
    assert len(by_phone) == len(books.codes_spent) >= len(books.transactions) // 2
    written.close()
