"""Set up a shop in a folder: host with one terminal registered, terminal with keys and operators, devices, issuer.

What is there already stays, so that a shop can be closed and opened again; only the profile is written anew, because
ports may have changed.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from host_switch import certificates as host_certificates
from host_switch import start as host
from host_switch.download_files import items_of
from host_switch.events import DownloadGiven, PhoneGiven, SignerGiven, TerminalRegistered
from host_switch.records import CodeIssuer, Download, SignedKey
from paycode.cose import public_key_of
from paycode.digits import SEED_BYTES
from paycode.issuer_file import parse_issuers
from simulators import broker, pcscd
from simulators.cards import DOWNLOADS, load_card
from simulators.counter.devices import SLIPS_FOLDER
from simulators.counter.phone import WALLET_FILE
from simulators.counter.process import PAD_KEY_FILE
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY
from simulators.tour.processes import Part
from simulators.wallet import Wallet
from simulators.wallet.issuing import (
    ISSUER_KEY_FILE,
    PHONE_CARD,
    PHONE_USER,
    PHONE_USER_NAME,
    certified,
    digits_from,
    issuer_file,
    issuer_key,
)
from terminal import certificates
from terminal.code_store import FILE as CODE_TRUST
from terminal.code_store import CodeStore
from terminal.key_store import KeyStore
from terminal.operators import Operators, Role

TERMINAL_ID = "10000001"
MERCHANT_ID = "898110053110001"
MERCHANT_NAMES = ("晨光便利店", "MORNING LIGHT STORE")
CASHIER, CASHIER_PIN = "01", "0000"
OFFLINE_SALE_MAX = 20_000
SUPERVISOR, SUPERVISOR_PIN = "00", "123456"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class House:
    """What is the merchant's own in a profile: the names, in Chinese and English, and the limits of offline sales.

    reply_timeout_s: how long a sale waits for the host's answer; without it as long as in any profile.
    """

    names: tuple[str, str]
    offline: Mapping[str, int]
    reply_timeout_s: float | None = None


HOUSE = House(MERCHANT_NAMES, {"sale_amount_max": OFFLINE_SALE_MAX})


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on loopback. The defaults are easy to remember; see `reserved_ports`."""

    page: int = 8700
    counter: int = 8701
    host: int = 9700
    line: int = 9701
    issuer: int = 9800
    issuer_control: int = 9801
    card_reader: int = 9802
    printer: int = 9803
    contactless_reader: int = 9804
    broker: int = 8883


@contextmanager
def reserved_ports() -> Iterator[Ports]:
    """The default ports, and for each that is taken another that is free.

    Only one shop of a user at a time has the defaults, so that two that are opened together do not get the same ones.
    """
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0tillgate shop of {os.getuid()}")  # a name in the kernel only: it goes with its process
            wanted = asdict(Ports())
        except OSError:
            wanted = dict.fromkeys(asdict(Ports()), 0)
        yield Ports(**{name: _free(port) for name, port in wanted.items()})


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop that is set up: its folder and its ports, and what it has of its own beside them.

    with_pcscd, with_broker: processes. with_line: a line to the host that can be cut; see `simulators.tour.shop`.
    """

    folder: Path
    ports: Ports
    with_pcscd: bool = False
    with_broker: bool = False
    with_line: bool = False

    @property
    def host(self) -> Path:
        """The host's folder."""
        return self.folder / "host"

    @property
    def terminal(self) -> Path:
        """The terminal's folder."""
        return self.folder / "terminal"

    @property
    def counter(self) -> Path:
        """The devices' folder: serial lines and slips."""
        return self.folder / "counter"

    @property
    def slips(self) -> Path:
        """Every slip that was printed, as a picture and as text."""
        return self.counter / SLIPS_FOLDER

    @property
    def pad_key_file(self) -> Path:
        """The PIN pad's master key. This terminal and its pad share one."""
        return self.counter / PAD_KEY_FILE

    @property
    def issuer(self) -> Path:
        """The issuer's folder."""
        return self.folder / "issuer"

    @property
    def pcscd(self) -> Path:
        """The folder of the shop's own pcscd, if it has one."""
        return self.folder / "pcscd"

    @property
    def broker(self) -> Path:
        """The broker's folder, if there is one."""
        return self.folder / "broker"

    @property
    def logs(self) -> Path:
        """What the processes have to say."""
        return self.folder / "logs"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The processes, pcscd and broker among them if there are such, in the order in which they are started."""
        ports = self.ports
        issuing = ("simulators.issuer", "--port", ports.issuer, "--control-port", ports.issuer_control)
        carrying = ("simulators.broker", "--port", ports.broker)
        courier = ("--broker", f"{LOOPBACK}:{ports.broker}") if self.with_broker else ()
        hosting = ("tillgate", "host", "run", "--issuer", f"{LOOPBACK}:{ports.issuer}", "--port", ports.host, *courier)
        counting = (
            "tillgate", "sim", "counter", "--page-port", ports.counter, "--reader-port", ports.card_reader,
            "--contactless-port", ports.contactless_reader, "--printer-port", ports.printer,
            "--cashier", f"http://{LOOPBACK}:{ports.page}/", "--bank", str(self.host),
            "--bank-control-port", ports.issuer_control,
        )  # fmt: skip
        reading = ("simulators.pcscd", "--port", ports.card_reader)
        finding = pcscd.environment(self.pcscd) if self.with_pcscd else {}
        return (
            *([_part("pcscd", reading, self.pcscd, ports.card_reader)] if self.with_pcscd else []),
            _part("issuer", issuing, self.issuer, ports.issuer),
            *([_part("broker", carrying, self.broker, ports.broker)] if self.with_broker else []),
            _part("host", hosting, self.host, ports.host),
            _part("counter", counting, self.counter, ports.counter),
            _part("terminal", ("tillgate", "terminal", "run"), self.terminal, ports.page, finding),
        )


def set_up(
    folder: Path, ports: Ports, *,
    with_pcscd: bool = False, with_broker: bool = False, with_line: bool = False, house: House = HOUSE,
) -> Shop:  # fmt: skip
    """Make what is missing in `folder`, and return the shop; `house` is what its profile says of merchant and limits.

    with_pcscd: its cards go into virtual readers behind a pcscd of its own, one for the slot and one for taps.
    with_broker: what is owed to the host also goes through a broker.
    with_line: the terminal looks for its host at the end of a line that can be cut.

    Raises:
        BrokerFilesError, CertificateError, HostError, KeyRoomError, StoreError, WalletError, OSError: the folder cannot
            be used; another shop runs in it, for example.
    """
    if with_pcscd:
        slot, field = pcscd.free_ports()
        ports = replace(ports, card_reader=slot, contactless_reader=field)
    shop = Shop(folder, ports, with_pcscd, with_broker, with_line)
    for part in (shop.host, shop.terminal, shop.counter, shop.issuer, shop.logs):
        part.mkdir(parents=True, exist_ok=True, mode=0o700)
    _give_zone_keys(shop.host)
    (shop.terminal / "profile.toml").write_text(_profile(shop, house), "utf-8")
    if not (shop.terminal / "vault.json").exists():
        # The vault comes last: with it, everything before it has been done.
        _lay_down_downloads(shop.host)
        _give_phone(shop)
        _register(shop)
        _certify(shop)
        _add_operators(shop.terminal)
        KeyStore.create(shop.terminal / "vault.json", host.master_key_in(shop.pad_key_file))
    if with_broker:
        broker.set_up(shop.broker, shop.host, ports.broker)
    if not (shop.terminal / CODE_TRUST).exists():
        _trust_issuer(shop)
    return shop


def _give_zone_keys(folder: Path) -> None:
    """Also finds out whether a host is running in the folder: then nothing in it may be touched."""
    with host.opened_store(folder, to_write=True) as store:
        if store.secret(host.ZONE_KEYS) is None:
            store.put_secret(host.ZONE_KEYS, ZONE_PIN_KEY + ZONE_MAC_KEY)


def _lay_down_downloads(folder: Path) -> None:
    """The customers' cards are test cards: their authority's key, applications and a black list, for new terminals."""
    for kind, file in DOWNLOADS.items():
        host.carry_out(folder, DownloadGiven(Download(kind, items_of(kind, file.read_text("utf-8")))))


def _give_phone(shop: Shop) -> None:
    """The customer's phone was online once: the host knows its user, and it can make both kinds of codes."""
    now = int(time.time())
    account = load_card(PHONE_CARD).pan
    host.carry_out(shop.host, PhoneGiven(PHONE_USER, secrets.token_bytes(SEED_BYTES), now, account, PHONE_USER_NAME))
    wallet = Wallet(shop.counter / WALLET_FILE)
    wallet.take_digits(digits_from(shop.host, PHONE_USER))
    certified(wallet, issuer_key(shop.host / ISSUER_KEY_FILE), now)


def _trust_issuer(shop: Shop) -> None:
    """Host and terminal know who certifies the phone for signed codes, the host also whose key the phone's is."""
    issuer, phone = issuer_key(shop.host / ISSUER_KEY_FILE), Wallet(shop.counter / WALLET_FILE).phone_key
    for one in parse_issuers(issuer_file(issuer)).issuers:
        host.carry_out(shop.host, SignerGiven(CodeIssuer(one.key_id, one.key.algorithm, one.key.data, one.name)))
    if phone is not None:
        host.carry_out(shop.host, SignerGiven(SignedKey(public_key_of(phone).data, PHONE_USER)))
    keys = KeyStore(shop.terminal / "vault.json")
    CodeStore(shop.terminal, keys).trust(issuer_file(issuer).encode())
    keys.close()


def _register(shop: Shop) -> None:
    master_key = host.master_key_in(shop.pad_key_file)
    host.carry_out(shop.host, TerminalRegistered(TERMINAL_ID, MERCHANT_ID, master_key))


def _certify(shop: Shop) -> None:
    """Host and terminal know each other by certificates, as in any deployment."""
    host_certificates.found(shop.host, [LOOPBACK])
    request = certificates.request(shop.terminal, TERMINAL_ID)
    issued = host_certificates.certify_terminal(shop.host, TERMINAL_ID, request)
    certificates.install(shop.terminal, TERMINAL_ID, issued)


def _add_operators(folder: Path) -> None:
    operators = Operators(folder / "operators.json")
    roles: tuple[tuple[str, Role, str], ...] = (
        (CASHIER, "cashier", CASHIER_PIN), (SUPERVISOR, "supervisor", SUPERVISOR_PIN),
    )  # fmt: skip
    for number, role, pin in roles:
        operators.add(number, role, pin)


def _profile(shop: Shop, house: House) -> str:
    zh, en = house.names
    readers: dict[str, str | int | bool] = {
        "card_reader_port": shop.ports.card_reader, "contactless_reader_port": shop.ports.contactless_reader,
    }  # fmt: skip
    if shop.with_pcscd:
        slot, field = map(pcscd.reader_name, range(pcscd.SLOTS))
        readers = {"card_reader": f"pcsc:{slot}", "contactless_reader": f"pcsc:{field}"}
    host_port = shop.ports.line if shop.with_line else shop.ports.host
    entries: dict[str, dict[str, str | int | float | bool]] = {
        "": {
            "terminal_id": TERMINAL_ID, "merchant_id": MERCHANT_ID, "merchant_name_zh": zh, "merchant_name_en": en,
            "page_port": shop.ports.page,
        },
        "host": {
            "address": LOOPBACK, "port": host_port, "tls": True,
            **({"reply_timeout_s": house.reply_timeout_s} if house.reply_timeout_s else {}),
        },
        "courier": {"address": LOOPBACK, "port": shop.ports.broker, "tls": True} if shop.with_broker else {},
        "offline": dict(house.offline),
        "devices": {
            **readers,
            "stripe_reader_path": str(shop.counter / "stripe_reader"), "pin_pad_path": str(shop.counter / "pin_pad"),
            "scanner_path": str(shop.counter / "scanner"),
            "printer_address": LOOPBACK, "printer_port": shop.ports.printer,
        },
    }  # fmt: skip
    return "\n".join(_table(name, values) for name, values in entries.items())


def _table(name: str, values: Mapping[str, str | int | float | bool]) -> str:
    lines = [f"[{name}]"] if name else []
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]  # TOML as well
    return "\n".join(lines) + "\n"


def _part(
    name: str, arguments: tuple[str | int, ...], data: Path, port: int, environment: Mapping[str, str] = {}
) -> Part:
    return Part(name, (*map(str, arguments), "--data", str(data)), port, environment)


def _free(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise OSError("no free port on loopback")
