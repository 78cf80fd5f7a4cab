"""The keys of a terminal at rest and in memory: who may read them, and how they are erased."""

import stat

import pytest

from terminal.key_frames import KeysDiffer, KeysGone, NoWorkingKey, VaultError
from terminal.key_store import KeyStore, erase_file, erased_mark
from tests.terminal.key_rig import KEYS, MAC_KEY, MASTER, TRACK_KEY, new_vault


@pytest.fixture
def vault(tmp_path):
    return new_vault(tmp_path)


def test_vault_file_is_for_its_owner_alone(vault):
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600


def test_vault_is_never_overwritten(vault):
    before = vault.read_bytes()
    with pytest.raises(FileExistsError):
        KeyStore.create(vault, MASTER)
    assert vault.read_bytes() == before


@pytest.mark.parametrize("length", [0, 8, 15, 17, 24])
def test_master_key_of_another_length_is_refused(tmp_path, length):
    with pytest.raises(VaultError, match="32 hexadecimal"):
        KeyStore.create(tmp_path / "vault.json", bytes(length))


def test_terminal_without_keys_is_told_what_to_do(tmp_path):
    with pytest.raises(KeysGone, match="tillgate terminal keys") as told:
        KeyStore(tmp_path / "vault.json")
    assert told.value.reason == "no_keys"


@pytest.mark.parametrize("content", [b"", b"{", b'{"master_key": "11"}', bytes(1024), b"{}" * 2000, b"\xff" * 60])
def test_damaged_vault_is_told_in_words(vault, content):
    vault.write_bytes(content)
    with pytest.raises(KeysGone, match="damaged"):
        KeyStore(vault)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_vault_that_others_may_read_is_not_used(vault, mode):
    vault.chmod(mode)
    with pytest.raises(KeysGone) as told:
        KeyStore(vault)
    assert told.value.reason == "keys_exposed"


def test_erased_file_is_gone_and_the_reason_stays(vault):
    erase_file(vault)
    assert not vault.exists()
    for _ in range(2):
        with pytest.raises(KeysGone) as told:
            KeyStore(vault)
        assert told.value.reason == "keys_erased"
        erase_file(vault)


def test_file_is_overwritten_before_it_is_removed(vault, tmp_path):
    (tmp_path / "other name").hardlink_to(vault)
    erase_file(vault)
    assert set((tmp_path / "other name").read_bytes()) == {0}


def test_new_keys_end_the_story_of_the_old_ones(vault):
    erase_file(vault)
    KeyStore.create(vault, MASTER)
    assert not erased_mark(vault).exists()
    KeyStore(vault).load_working_keys(KEYS.to_bytes())


def test_keys_in_memory_are_overwritten_at_the_end(vault):
    store = KeyStore(vault)
    store.load_working_keys(KEYS.to_bytes())
    assert all(key in store.memory for key in (MASTER, MAC_KEY, TRACK_KEY))
    store.close()
    assert not any(store.memory)
    with pytest.raises(NoWorkingKey):
        store.mac(b"")


def test_keys_of_the_session_before_are_overwritten_when_new_ones_are_refused(vault):
    store = KeyStore(vault)
    store.load_working_keys(KEYS.to_bytes())
    with pytest.raises(KeysDiffer):
        store.load_working_keys(bytes(60))
    assert MAC_KEY not in store.memory and TRACK_KEY not in store.memory and MASTER in store.memory
