"""Putting a host together: its directory, its lock, its keys and store, its channel, its listener.

The directory holds ``master.key`` (only for the owner), ``host.db`` (the store), ``host.lock`` (held while a process
writes the store), ``host.sock`` (the operators' door, while the host runs) and, where terminals speak TLS,
``certificates/``. Without certificates only terminals on this machine are listened to.
"""

import asyncio
import fcntl
import json
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from firmware_config.profile import is_loopback
from host_switch import certificates
from host_switch.channels.iso_issuer import IsoIssuer
from host_switch.code_lists import CodeLists
from host_switch.connections import Limits
from host_switch.door import SOCKET_NAME, open_door, through_door
from host_switch.events import Decide, Decision, Effect, Input, Order
from host_switch.facts import Policy
from host_switch.ingest_mqtt import Ingest
from host_switch.keys import KeyRoom, ZoneKeys, des_key, write_secret
from host_switch.listener import Listener
from host_switch.process import limits_within_open_files, one_line
from host_switch.rescue import outcome
from host_switch.sqlite_store import SqliteStore
from host_switch.switch import decide

ZONE_KEYS = "zone keys"
DES_KEY_BYTES = 16


class HostError(Exception):
    """The host cannot be started or used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``127.0.0.1:9800``. Raises HostError if it is no address."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) >= 1 << 16:
            raise HostError(f"{text} is not an address such as 127.0.0.1:9800")
        return cls(host, int(port))


@contextmanager
def opened_store(directory: Path, *, to_write: bool) -> Iterator[SqliteStore]:
    """Open the store of a host directory; to write, only while no other process does.

    Raises:
        HostError: another process writes it.
        KeyRoomError, StoreError: it cannot be used.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / "host.lock").open("a") as lock:
        if to_write:
            _take(lock.fileno(), directory)
        room = KeyRoom.in_file(directory / "master.key")
        policy = Policy(room.content_key, b"", code_keys=room.code_keys)
        store = SqliteStore.open(directory / "host.db", room, policy, to_write=to_write)
        try:
            yield store
        finally:
            store.close()


def _take(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HostError(f"another process is using {directory}: stop it first, or give it another --data") from None


def carry_out(directory: Path, order: Order) -> str:
    """Carry out an operator's order, through the running host if there is one; say what became of it, in a word.

    Raises:
        DoorError, HostError, KeyRoomError, StoreError: it was not carried out.
    """
    told = through_door(directory, order)
    if told is not None:
        return told
    with opened_store(directory, to_write=True) as store:
        return outcome(_decided(store, order))


def _decided(store: SqliteStore, event: Input) -> Decision:
    """Decide and write, and go on with what it asks to be decided in its place."""
    decision = decide(event, store.facts_for([event])[0], time.time())
    store.commit([decision])
    more = next((effect.event for effect in decision.effects if isinstance(effect, Decide)), None)
    return decision if more is None else _decided(store, more)


def read_zone_keys(path: Path) -> bytes:
    """Read a file of zone keys, JSON with ``pin_key`` and ``mac_key`` of 32 hexadecimal digits each.

    Raises:
        HostError: the file is missing or is something else.
    """
    try:
        fields = json.loads(path.read_text())
        joined = bytes.fromhex(fields["pin_key"]) + bytes.fromhex(fields["mac_key"])
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise HostError(f'{path.name} must be JSON: {{"pin_key": 32 hex digits, "mac_key": 32 hex digits}}') from None
    if len(joined) != 2 * DES_KEY_BYTES:
        raise HostError(f"the keys in {path.name} must have {2 * DES_KEY_BYTES} hexadecimal digits each")
    return joined


def zone_keys(store: SqliteStore) -> ZoneKeys:
    """The keys shared with the issuer. Raises HostError if none were given."""
    joined = store.secret(ZONE_KEYS)
    if joined is None:
        raise HostError("no zone keys yet: give them with tillgate host zone-keys --file zone.json")
    return ZoneKeys(joined[:DES_KEY_BYTES], joined[DES_KEY_BYTES:])


def _at_broker(
    listener: Listener, broker: Address | None, tls: ssl.SSLContext | None, directory: Path
) -> Ingest | None:
    if broker is None or tls is None:
        return None
    ingest = Ingest(listener.ask, broker.host, broker.port, tls, lists=CodeLists(directory))
    listener.courier = ingest
    ingest.start()
    return ingest


@asynccontextmanager
async def opened(
    directory: Path,
    listen: Address,
    issuer: Address,
    *,
    broker: Address | None = None,
    limits: Limits | None = None,
    channel_timeout_s: float | None = None,
    after_effect: Callable[[Effect], None] | None = None,
) -> AsyncIterator[tuple[Listener, int]]:
    """A host that takes terminals, and the port where: its store, its channel, its listener and its operators' door.

    `broker` is where the courier's messages are, if they are to be taken. `limits` and `channel_timeout_s` (how long
    the issuer may be silent) are those of the house unless given.

    Raises:
        CertificateError, HostError, KeyRoomError, StoreError: it cannot be started.
    """
    tls = certificates.server_context(directory)
    if tls is None and not is_loopback(listen.host):
        raise HostError("terminals elsewhere need TLS: make certificates first, with tillgate host certificates")
    courier_tls = certificates.broker_context(directory) if broker else None
    with opened_store(directory, to_write=True) as store:
        keys = zone_keys(store)
        timeout_s = store.policy.channel_timeout_s if channel_timeout_s is None else channel_timeout_s
        store.policy = replace(store.policy, zone_pin_key=keys.pin_key, channel_timeout_s=timeout_s)
        certified = partial(certificates.certified, directory)
        listener = Listener(store, limits, after_effect=after_effect, certified=certified)
        channel = IsoIssuer(
            keys, listener.channel_answered, listener.channel_unavailable, listener.channel_connected
        )
        listener.channel = channel
        port = await listener.start(listen.host, listen.port, tls)
        channel.connect(issuer.host, issuer.port)
        door = await open_door(listener, directory)
        ingest = _at_broker(listener, broker, courier_tls, directory)
        try:
            yield listener, port
        finally:
            door.close()
            if ingest is not None:
                await ingest.stop()
            await listener.stop()
            await channel.close()
            (directory / SOCKET_NAME).unlink(missing_ok=True)


async def run(
    directory: Path,
    listen: Address,
    issuer: Address,
    *,
    broker: Address | None = None,
    on_ready: Callable[[int], None] = lambda _port: None,
    after_effect: Callable[[Effect], None] | None = None,
) -> None:
    """Run a host until SIGTERM or SIGINT. `on_ready` is told the port when terminals can connect.

    Raises:
        CertificateError, HostError, KeyRoomError, StoreError, ProcessError: it cannot be started.
    """
    limits = limits_within_open_files(Limits())
    asyncio.get_running_loop().set_exception_handler(one_line())
    async with opened(
        directory, listen, issuer, broker=broker, limits=limits, after_effect=after_effect
    ) as (listener, port):  # fmt: skip
        work = _work_until_signalled(listener)
        on_ready(port)
        await asyncio.wait([work])
        if not work.cancelled():
            work.result()


def _work_until_signalled(listener: Listener) -> asyncio.Task[None]:
    """The listener's work as a task that SIGTERM and SIGINT cancel."""
    loop = asyncio.get_running_loop()
    work = loop.create_task(listener.serve_until_broken())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    return work


def master_key_in(path: Path) -> bytes:
    """The terminal master key in a file of 32 hexadecimal digits; a new one is drawn and written if it is not there.

    Raises:
        HostError: the file holds something else, or cannot be read or written.
    """
    try:
        if not path.exists():
            write_secret(path, des_key(DES_KEY_BYTES, secrets.token_bytes).hex().upper().encode())
        master_key = bytes.fromhex(path.read_text())
    except OSError as error:
        raise HostError(f"cannot use {path}: {error.strerror}") from None
    except ValueError:
        raise HostError(f"{path.name} must hold 32 hexadecimal digits") from None
    if len(master_key) != DES_KEY_BYTES:
        raise HostError(f"{path.name} must hold 32 hexadecimal digits")
    return master_key
