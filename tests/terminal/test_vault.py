"""What comes out of the vault is a MAC, an encrypted track, a sealed card number: with the keys at hand, and apart."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.security import decrypt_track2, unionpay_mac
from iso8583.unionpay import WorkingKeys62
from terminal.key_frames import NoWorkingKey
from terminal.key_link import KeyLink
from terminal.key_store import KeyStore
from terminal.vault import CardLost, Keys, Vault, VaultError
from tests.terminal.key_rig import KEYS, MAC_KEY, MASTER, PIN_KEY, TRACK_KEY, new_vault

TRACK = "6299990000000009D30122011234567890"
SALE = Message("0200", {
    2: "6299990000000009", 3: "000000", 4: "000000001234", 11: "000002", 22: "051", 25: "00", 35: TRACK,
    41: "12345678", 42: "898110053110001", 49: "156", 53: "0600000000000000", 60: "2200000100060",
})  # fmt: skip
ECHO = Message("0820", {41: "12345678", 42: "898110053110001", 60: "00000001301"})


def _at_hand(path: Path) -> Iterator[Keys]:
    yield KeyStore(path)


def _apart(path: Path) -> Iterator[Keys]:
    with asyncio.Runner() as loop:
        link = KeyLink(path, answer_within_s=10.0)
        link.begin()
        loop.run(link.opened())
        yield link
        link.close()


@pytest.fixture(params=[_at_hand, _apart])
def vault(request, tmp_path):
    keys = request.param(new_vault(tmp_path))
    yield Vault(next(keys))
    next(keys, None)


def test_message_leaves_with_mac_and_encrypted_track(vault):
    vault.load(KEYS.to_bytes())
    wire = vault.protect(SALE)
    assert decrypt_track2(TRACK_KEY, wire.text(35)) == TRACK != wire.text(35)
    assert wire[53] == "0610000000000000"
    data = load_dialect("unionpay_pos").encode(wire)
    assert wire[64] == unionpay_mac(MAC_KEY, data[:-8])
    assert vault.mac_state(data, wire) == "good"
    assert vault.mac_state(data.replace(b"\x12\x34", b"\x12\x35", 1), wire) == "bad"


def test_track_3_leaves_encrypted_too(vault):
    vault.load(KEYS.to_bytes())
    track3 = "99" + TRACK.replace("D", "D156156") + "D000000000000D0000000"
    wire = vault.protect(SALE.with_({36: track3}))
    assert decrypt_track2(TRACK_KEY, wire.text(36)) == track3 != wire.text(36)
    assert decrypt_track2(TRACK_KEY, wire.text(35)) == TRACK
    load_dialect("unionpay_pos").encode(wire)


def test_track_stays_as_it_is_where_the_host_gave_no_key_for_it(vault):
    vault.load(KEYS.to_bytes())
    vault.load(WorkingKeys62.wrap(MASTER, PIN_KEY, MAC_KEY).to_bytes())
    wire = vault.protect(SALE)
    assert wire[35] == TRACK and wire[53] == SALE[53]


def test_management_messages_carry_no_mac(vault):
    vault.load(KEYS.to_bytes())
    assert 64 not in vault.protect(ECHO)


def test_an_echo_with_room_for_a_mac_is_given_one(vault):
    vault.load(KEYS.to_bytes())
    wire = vault.protect(ECHO.with_({64: bytes(8)}))
    data = load_dialect("unionpay_pos").encode(wire)
    assert vault.mac_state(data, wire) == "good"


def test_without_a_key_the_echo_that_wants_a_mac_is_not_sent(vault):
    with pytest.raises(VaultError, match="sign on"):
        vault.protect(ECHO.with_({64: bytes(8)}))


def test_nothing_is_sent_unsigned(vault):
    with pytest.raises(VaultError, match="sign on"):
        vault.protect(SALE)


def test_without_a_key_no_mac_is_good(vault):
    data = load_dialect("unionpay_pos").encode(SALE.with_({64: bytes(8)}))
    assert vault.mac_state(data, SALE.with_({64: bytes(8)})) == "bad"
    assert vault.mac_state(data, SALE) == "absent"


def test_wrong_check_value_discards_all_keys_old_and_new(vault):
    vault.load(KEYS.to_bytes())
    broken = bytearray(KEYS.to_bytes())
    broken[16] ^= 1
    with pytest.raises(VaultError):
        vault.load(bytes(broken))
    with pytest.raises(VaultError):
        vault.protect(SALE)


@pytest.mark.parametrize("keys", [b"", bytes(7), bytes(41), bytes(600), bytes(10_000)])
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


@pytest.mark.parametrize("sealed", ["5EA1ED", "no hex", "00" * 44])
def test_what_is_no_sealed_card_number_is_refused(vault, sealed):
    with pytest.raises(VaultError):
        vault.unseal(sealed)


def test_of_many_messages_each_is_ready_or_says_why_not(vault):
    vault.load(KEYS.to_bytes())
    sealed, of_others = vault.seal("6299990000000009"), bytes(44).hex()
    refund = SALE.without(2, 35, 53).with_({3: "200000", 22: "012", 37: "260115000001", 60: "2500000100060"})
    advice = SALE.without(2, 35, 53).with_({55: b"\x9f\x26\x00", 60: "3600000100060"})
    echo = Message("0820", {41: "12345678", 42: "898110053110001", 60: "00000001301"})
    wanted = [(advice, [sealed]), (advice, [of_others]), (refund, [of_others]), (echo, []), (SALE.with_({4: "x"}), [])]
    first, lost, without, plain, broken = vault.ready(wanted)
    assert first == vault.protect(advice.with_({2: "6299990000000009"}))
    assert isinstance(lost, CardLost) and isinstance(broken, Iso8583Error)
    assert without == vault.protect(refund) and 2 not in without and plain == echo
    assert vault.ready([]) == []


def test_of_many_messages_none_leaves_unsigned(vault):
    assert [type(each) for each in vault.ready([(SALE, [])] * 2)] == [NoWorkingKey] * 2


def test_sealed_card_number_that_was_changed_is_refused(vault):
    sealed = bytearray(bytes.fromhex(vault.seal("6299990000000009")))
    sealed[-1] ^= 1
    with pytest.raises(VaultError):
        vault.unseal(sealed.hex())
