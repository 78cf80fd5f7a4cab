"""Keys stay inside; what comes out is a MAC, an encrypted track, a sealed card number."""

import stat

import pytest

from iso8583 import Message, load_dialect
from iso8583.security import decrypt_track2
from iso8583.unionpay import WorkingKeys62
from terminal.vault import Vault, VaultError

MASTER = bytes.fromhex("11111111111111112222222222222222")
PIN_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
MAC_KEY = bytes.fromhex("1032547698BADCFE")
TRACK_KEY = bytes.fromhex("89ABCDEF0123456776543210FEDCBA98")
KEYS = WorkingKeys62.wrap(MASTER, PIN_KEY, MAC_KEY, TRACK_KEY)
TRACK = "6299990000000009D30122011234567890"
SALE = Message("0200", {
    2: "6299990000000009", 3: "000000", 4: "000000001234", 11: "000002", 22: "051", 25: "00", 35: TRACK,
    41: "12345678", 42: "898110053110001", 49: "156", 53: "0600000000000000", 60: "2200000100060",
})  # fmt: skip


@pytest.fixture
def vault(tmp_path):
    Vault.create(tmp_path / "vault.json", MASTER)
    return Vault(tmp_path / "vault.json")


def test_vault_file_is_for_its_owner_alone(vault, tmp_path):
    assert stat.S_IMODE((tmp_path / "vault.json").stat().st_mode) == 0o600


def test_vault_is_never_overwritten(vault, tmp_path):
    with pytest.raises(FileExistsError):
        Vault.create(tmp_path / "vault.json", MASTER)


def test_terminal_without_keys_is_told_what_to_do(tmp_path):
    with pytest.raises(VaultError, match="tillgate terminal keys"):
        Vault(tmp_path / "vault.json")


def test_damaged_vault_is_told_in_words(tmp_path):
    (tmp_path / "vault.json").write_text("{")
    with pytest.raises(VaultError, match="damaged"):
        Vault(tmp_path / "vault.json")


def test_message_leaves_with_mac_and_encrypted_track(vault):
    vault.load(KEYS.to_bytes())
    wire = vault.protect(SALE)
    assert decrypt_track2(TRACK_KEY, wire.text(35)) == TRACK != wire.text(35)
    assert wire[53] == "0610000000000000"
    data = load_dialect("unionpay_pos").encode(wire)
    assert vault.mac_state(data, wire) == "good"
    assert vault.mac_state(data.replace(b"\x12\x34", b"\x12\x35", 1), wire) == "bad"


def test_management_messages_carry_no_mac(vault):
    vault.load(KEYS.to_bytes())
    echo = Message("0820", {41: "12345678", 42: "898110053110001", 60: "00000001301"})
    assert 64 not in vault.protect(echo)


def test_nothing_is_sent_unsigned(vault):
    with pytest.raises(VaultError, match="sign on"):
        vault.protect(SALE)


def test_wrong_check_value_discards_all_keys_old_and_new(vault):
    vault.load(KEYS.to_bytes())
    broken = bytearray(KEYS.to_bytes())
    broken[16] ^= 1
    with pytest.raises(VaultError):
        vault.load(bytes(broken))
    with pytest.raises(VaultError):
        vault.protect(SALE)


@pytest.mark.parametrize("keys", [b"", bytes(7), bytes(41), bytes(600)])
def test_field_62_of_any_other_length_is_refused(vault, keys):
    with pytest.raises(VaultError):
        vault.load(keys)


def test_pin_key_passes_through_still_encrypted(vault):
    pin_key = vault.load(KEYS.to_bytes())
    assert pin_key.encrypted == KEYS.pin_key and PIN_KEY.hex() not in repr(pin_key)


def test_card_number_is_sealed_and_comes_back(vault):
    sealed = vault.seal("6299990000000009")
    assert "6299990000000009" not in sealed and sealed != vault.seal("6299990000000009")
    assert vault.unseal(sealed) == "6299990000000009" and vault.unseal("") == ""


def test_sealed_card_number_that_was_changed_is_refused(vault):
    sealed = bytearray(bytes.fromhex(vault.seal("6299990000000009")))
    sealed[-1] ^= 1
    with pytest.raises(VaultError, match="does not open"):
        vault.unseal(sealed.hex())
