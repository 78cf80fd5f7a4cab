"""A shop in a folder: whole at once, kept when it is opened again, on ports that are free."""

import socket
import stat
import time

import pytest

from firmware_config.profile import load_profile
from host_switch.start import HostError, opened_store
from paycode.signed import claimed
from simulators.counter.phone import WALLET_FILE
from simulators.counter.process import pad_key
from simulators.tour.setting_up import (
    CASHIER,
    CASHIER_PIN,
    LOOPBACK,
    SUPERVISOR,
    SUPERVISOR_PIN,
    TERMINAL_ID,
    Ports,
    reserved_ports,
    set_up,
)
from simulators.wallet import Wallet
from simulators.wallet.issuing import PHONE_USER
from terminal.code_store import FILE, CodeStore
from terminal.key_store import KeyStore
from terminal.operators import Operators


def test_terminal_host_and_pin_pad_share_one_key_that_nobody_else_may_read(tmp_path):
    shop = set_up(tmp_path, Ports())
    with opened_store(shop.host, to_write=False) as store:
        (terminal,) = store.books().terminals
    assert (terminal.id, terminal.master_key) == (TERMINAL_ID, pad_key(shop.counter))
    assert sorted(terminal.commands) == ["4", "5", "7"]  # it will fetch what its test cards need
    assert len(KeyStore(shop.terminal / "vault.json").memory) > 0
    secrets = [shop.terminal / "vault.json", shop.terminal / "operators.json", shop.host / "master.key"]
    secrets += [shop.pad_key_file]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_operators_are_as_told(tmp_path):
    operators = Operators(set_up(tmp_path, Ports()).terminal / "operators.json")
    assert operators.check(CASHIER, CASHIER_PIN, "cashier") == ""
    assert operators.check(SUPERVISOR, SUPERVISOR_PIN, "supervisor") == ""


def test_a_shop_that_is_opened_again_keeps_its_keys_and_gets_its_new_ports(tmp_path):
    first = set_up(tmp_path, Ports())
    kept = {path: path.read_bytes() for path in (first.pad_key_file, first.terminal / "vault.json")}
    again = set_up(tmp_path, Ports(page=8790))
    assert {path: path.read_bytes() for path in kept} == kept
    assert load_profile(again.terminal / "profile.toml").page_port == 8790


def test_a_shop_that_is_open_is_left_alone(tmp_path):
    shop = set_up(tmp_path, Ports())
    profile = (shop.terminal / "profile.toml").read_text("utf-8")
    with opened_store(shop.host, to_write=True), pytest.raises(HostError, match="stop it first"):
        set_up(tmp_path, Ports(page=8790))
    assert (shop.terminal / "profile.toml").read_text("utf-8") == profile


def test_ports_that_are_taken_are_replaced():
    with reserved_ports() as ports, socket.create_server((LOOPBACK, 0)) as taken:
        assert taken.getsockname()[1] not in {ports.page, ports.host, ports.issuer}
        with reserved_ports() as others:
            assert not {ports.page, ports.host, ports.issuer} & {others.page, others.host, others.issuer}


def test_a_shop_with_a_broker_starts_it_before_the_host_that_goes_there(tmp_path):
    shop = set_up(tmp_path, Ports(broker=8890), with_broker=True)
    parts = {part.name: part for part in shop.parts}
    assert list(parts) == ["issuer", "broker", "host", "counter", "terminal"]
    assert "127.0.0.1:8890" in parts["host"].arguments and parts["broker"].port == 8890
    assert load_profile(shop.terminal / "profile.toml").courier.port == 8890
    assert "listener 8890 127.0.0.1\n" in (shop.broker / "mosquitto.conf").read_text()
    assert "--broker" not in set_up(tmp_path, Ports()).parts[1].arguments


def test_a_terminal_whose_line_can_be_cut_looks_for_its_host_at_the_end_of_that_line(tmp_path):
    shop = set_up(tmp_path, Ports(), with_line=True)
    assert load_profile(shop.terminal / "profile.toml").host.port == shop.ports.line
    assert set_up(tmp_path, Ports()).parts[1].port == shop.ports.host
    assert load_profile(shop.terminal / "profile.toml").host.port == shop.ports.host


def test_a_shop_with_pcscd_has_one_of_its_own_that_only_its_terminal_is_told_of(tmp_path):
    shop = set_up(tmp_path, Ports(), with_pcscd=True)
    devices = load_profile(shop.terminal / "profile.toml").devices
    assert (devices.card_reader, devices.contactless_reader) == ("pcsc:Counter 0 00 00", "pcsc:Counter 0 00 01")
    assert (devices.card_reader_port, devices.contactless_reader_port) == (0, 0)
    assert [part.name for part in shop.parts] == ["pcscd", "issuer", "host", "counter", "terminal"]
    told = {part.name: dict(part.environment) for part in shop.parts if part.environment}
    assert told == {"terminal": {"PCSCLITE_CSOCK_NAME": str(shop.pcscd / "socket")}}
    assert shop.ports.contactless_reader == shop.ports.card_reader + 1
    assert not {Ports().printer, Ports().page} & {shop.ports.card_reader, shop.ports.contactless_reader}


def test_terminal_and_host_take_the_signed_codes_of_the_customers_phone(tmp_path):
    shop = set_up(tmp_path, Ports())
    keys = KeyStore(shop.terminal / "vault.json")
    trust = CodeStore(shop.terminal, keys).load()
    keys.close()
    with opened_store(shop.host, to_write=False) as store:
        issuers, (key,) = store.signers()
    phone = Wallet(shop.counter / WALLET_FILE)
    claim = claimed(phone.show("signed", int(time.time())).code)
    assert claim is not None
    assert trust.issuers is not None and [one.key_id for one in issuers] == [claim.issuer]
    assert (key.key, key.user) == (claim.key, PHONE_USER)


def test_a_shop_from_before_there_were_signed_codes_takes_them_when_it_is_opened_again(tmp_path):
    shop = set_up(tmp_path, Ports())
    (shop.terminal / FILE).unlink()
    set_up(tmp_path, Ports())
    assert (shop.terminal / FILE).exists()
