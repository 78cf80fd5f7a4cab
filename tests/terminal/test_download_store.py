"""What was downloaded, on disk: signed, whole, old or new; and never a card number."""

import hashlib
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from terminal.download_store import LONG_AGO, DownloadStore, shipped
from terminal.downloads import Download
from terminal.emv.parameters import UNIONPAY_APPLICATIONS
from terminal.key_link import KeyLink
from terminal.key_store import KeyStore
from tests.iso8583.downloads import APPLICATION, APPLICATION_WIRE, CARDS, KEY, KEY_WIRE
from tests.terminal.key_rig import new_vault

KEYS = Download("ca_keys", (KEY_WIRE,))
APPLICATIONS = Download("applications", (APPLICATION_WIRE,))
BLACK_LIST = Download("black_list", tuple(card.encode() for card in CARDS))
OTHER_CARD = "6299990000000025"
AT = 1_700_000_000.0


def store_in(folder: Path) -> DownloadStore:
    """The store of a terminal that has just started."""
    vault = folder / "vault.json"
    return DownloadStore(folder, KeyStore(vault if vault.exists() else new_vault(folder)))


def test_before_the_first_download_what_was_shipped_serves(tmp_path):
    in_force, refused = store_in(tmp_path).load()
    assert refused == () and in_force == shipped()
    assert len(in_force.ca_keys) == 8 and in_force.applications == UNIONPAY_APPLICATIONS


def test_what_was_kept_is_in_force_after_a_restart(tmp_path):
    for download in (KEYS, APPLICATIONS, BLACK_LIST):
        store_in(tmp_path).keep(download, AT)
    in_force, refused = store_in(tmp_path).load()
    assert refused == ()
    assert [(key.rid, key.index, key.expires) for key in in_force.ca_keys] == [
        (KEY.name.identifier, KEY.name.index, KEY.name.expires)
    ]
    assert [each.aid for each in in_force.applications] == [APPLICATION.aid]
    assert [in_force.known_cards.is_blocked(card) for card in (*CARDS, OTHER_CARD)] == [True, True, False]


def test_each_set_knows_when_it_came_and_one_of_an_earlier_program_came_long_ago(tmp_path):
    store = store_in(tmp_path)
    store.keep(BLACK_LIST, AT)
    store.keep(KEYS, AT - 86_400)
    assert store_in(tmp_path).load()[0].downloaded_at == {"ca_keys": AT - 86_400, "black_list": AT}
    content = json.dumps({"kind": "black_list", "items": []}).encode()
    signature = KeyStore(tmp_path / "vault.json").sign(hashlib.sha256(content).digest())
    (tmp_path / "black_list.download").write_bytes(signature.hex().encode() + b"\n" + content)
    assert store_in(tmp_path).load()[0].downloaded_at["black_list"] == LONG_AGO


def test_no_card_number_is_on_disk_or_shown(tmp_path):
    store_in(tmp_path).keep(BLACK_LIST, AT)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    shown = repr(BLACK_LIST) + repr(store_in(tmp_path).load())
    for card in CARDS:
        assert card.encode() not in written and card.encode().hex().encode() not in written and card not in shown


def test_full_black_list_goes_to_its_file_and_back(tmp_path):
    cards = [f"629999{number:010d}" for number in range(999)]
    store_in(tmp_path).keep(Download("black_list", tuple(card.encode() for card in cards)), AT)
    known = store_in(tmp_path).load()[0].known_cards
    assert len(known.blocked) == 999 and known.is_blocked(cards[998])


@pytest.mark.parametrize("download", [KEYS, APPLICATIONS, BLACK_LIST], ids=lambda download: download.kind)
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\n",
        lambda data: data.replace(b"items", b"itemz"),
        lambda data: data[:-4] + bytes([data[-4] ^ 1]) + data[-3:],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: b"\xff" + data,
        lambda data: data.partition(b"\n")[2],
        lambda data: data + b" ",
    ],
)  # fmt: skip
def test_file_that_was_changed_or_cut_is_refused_and_the_shipped_serves(tmp_path, download, damage):
    store_in(tmp_path).keep(download, AT)
    file = tmp_path / f"{download.kind}.download"
    file.write_bytes(damage(file.read_bytes()))
    assert store_in(tmp_path).load() == (shipped(), (download.kind,))


def test_file_of_another_vault_is_refused(tmp_path):
    """After tampering, or new keys: nobody can say any more who wrote it."""
    store_in(tmp_path).keep(BLACK_LIST, AT)
    (tmp_path / "vault.json").unlink()
    in_force, refused = store_in(tmp_path).load()
    assert refused == ("black_list",) and not in_force.known_cards.is_blocked(CARDS[0])
    store_in(tmp_path).keep(BLACK_LIST, AT)
    assert store_in(tmp_path).load()[1] == ()


def test_file_in_the_place_of_another_kind_is_refused(tmp_path):
    store_in(tmp_path).keep(BLACK_LIST, AT)
    (tmp_path / "black_list.download").rename(tmp_path / "applications.download")
    assert store_in(tmp_path).load()[1] == ("applications",)


def test_one_file_that_is_refused_takes_no_other_with_it(tmp_path):
    for download in (KEYS, BLACK_LIST):
        store_in(tmp_path).keep(download, AT)
    (tmp_path / "ca_keys.download").write_bytes(b"")
    in_force, refused = store_in(tmp_path).load()
    assert refused == ("ca_keys",) and in_force.known_cards.is_blocked(CARDS[0])


def test_file_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "ca_keys.download").mkdir()
    assert store_in(tmp_path).load()[1] == ("ca_keys",)


def test_without_a_key_process_nothing_is_judged(tmp_path):
    store_in(tmp_path).keep(KEYS, AT)
    assert DownloadStore(tmp_path, KeyLink(tmp_path / "vault.json")).load() == (shipped(), ())


def test_full_disk_leaves_the_set_before(tmp_path, monkeypatch):
    store = store_in(tmp_path)
    store.keep(BLACK_LIST, AT)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.keep(replace(BLACK_LIST, items=()), AT)
    assert store_in(tmp_path).load()[0].known_cards.is_blocked(CARDS[0])


@pytest.mark.parametrize("after", range(7))
def test_kill_at_any_point_leaves_the_old_set_or_the_new(tmp_path, after):
    """A process of its own is killed after so many calls of the system; the last of these it survives."""
    store_in(tmp_path).keep(BLACK_LIST, AT)
    child = os.fork()
    if not child:
        _die_after(after)
        store_in(tmp_path).keep(Download("black_list", (OTHER_CARD.encode(),)), AT)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) is (after < 6)
    known, refused = store_in(tmp_path).load()[0].known_cards, store_in(tmp_path).load()[1]
    blocked = [known.is_blocked(card) for card in (*CARDS, OTHER_CARD)]
    assert refused == () and blocked in ([True, True, False], [False, False, True])
    assert after < 6 or blocked == [False, False, True]


def _die_after(calls: int) -> None:
    """Count down at every step of writing a file; SIGKILL when there are none left."""
    left = [calls]

    def step(call):
        def counted(*values, **named):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*values, **named)

        return counted

    KeyStore.sign = step(KeyStore.sign)  # type: ignore[method-assign]
    for name in ("fdopen", "fsync", "replace", "close"):
        setattr(os, name, step(getattr(os, name)))
