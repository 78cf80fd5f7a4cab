"""Who may speak to whom: the matrix of certificates, on real sockets, with the real link and the real listener."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_config.profile import HostEndpoint
from host_switch import certificates as of_host
from host_switch.connections import Limits
from host_switch.keys import KeyRoom
from host_switch.listener import Listener
from host_switch.store import MemoryStore
from iso8583.framing import with_length
from terminal import certificates as of_terminal
from terminal.events import Event, LinkLost, LinkUp, Received
from terminal.host_link import HostLink
from terminal.key_store import KeyStore
from terminal.vault import Vault
from tests.host_switch.room import POLICY
from tests.host_switch.till import Till
from tests.in_a_loop import in_a_loop

PATIENCE_S = 10.0
OURS, OTHERS = "12345678", "87654321"


@dataclass(frozen=True, slots=True)
class House:
    """A host that listens with certificates, and terminals that may have some."""

    folder: Path
    port: int

    @property
    def host(self) -> Path:
        return self.folder / "host"

    def terminal(self, terminal_id: str, issuing: Path | None = None) -> Path:
        """The folder of a terminal whose certificate this host has issued, or another one has."""
        folder = self.folder / f"{terminal_id}-{issuing.name if issuing else 'ours'}"
        folder.mkdir()
        request = of_terminal.request(folder, terminal_id)
        of_terminal.install(folder, terminal_id, of_host.certify_terminal(issuing or self.host, terminal_id, request))
        return folder

    def stranger(self) -> Path:
        """Another host, with an authority of its own."""
        of_host.found(self.folder / "stranger", ["127.0.0.1"])
        return self.folder / "stranger"

    async def answer(self, context: ssl.SSLContext | None, till: Till) -> bytes:
        """What comes back to an echo: a frame, or nothing from a connection that is closed. Raises as the line does."""
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
            try:
                writer.write(with_length(till.frame(till.echo())))
                length = await reader.read(2)
                return await reader.readexactly(int.from_bytes(length, "big")) if length else b""
            finally:
                writer.transport.abort()


@asynccontextmanager
async def house(folder: Path, names: tuple[str, ...] = ("127.0.0.1",)) -> AsyncIterator[House]:
    of_host.found(folder / "host", names)
    context = of_host.server_context(folder / "host")
    assert context is not None
    listener = Listener(
        MemoryStore(POLICY, KeyRoom(bytes(32)).fresh_keys), Limits(first_frame_s=PATIENCE_S),
        certified=partial(of_host.certified, folder / "host"),
    )  # fmt: skip
    port = await listener.start("127.0.0.1", 0, context)
    yield House(folder, port)
    await listener.stop()


def refused(answer: bytes) -> bool:
    return answer == b""


@in_a_loop
async def test_a_terminal_with_its_certificate_is_heard(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        context = of_terminal.client_context(there.terminal(OURS))
        till = Till(OURS)
        assert till.read(await there.answer(context, till))[39] == "97"  # not registered, but it was heard


@in_a_loop
async def test_nobody_speaks_in_another_terminals_name(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        there.terminal(OTHERS)
        context = of_terminal.client_context(there.terminal(OURS))
        assert refused(await there.answer(context, Till(OTHERS)))


@in_a_loop
async def test_a_certificate_ends_when_another_is_issued_or_it_is_taken_away(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        folder = there.terminal(OURS)
        before = of_terminal.client_context(folder)
        again = of_host.certify_terminal(there.host, OURS, of_terminal.request(folder, OURS))
        assert refused(await there.answer(before, Till(OURS)))
        of_terminal.install(folder, OURS, again)
        after = of_terminal.client_context(folder)
        assert not refused(await there.answer(after, Till(OURS)))
        (there.host / of_host.FOLDER / "terminals" / f"{OURS}.pem").unlink()
        assert refused(await there.answer(after, Till(OURS)))


def trusting(there: House) -> ssl.SSLContext:
    """TLS that trusts the host, and has nothing to show."""
    return ssl.create_default_context(cafile=there.host / of_host.FOLDER / "ca.pem")


def of_no_authority(there: House) -> ssl.SSLContext:
    return trusting(there)


def of_another_authority(there: House) -> ssl.SSLContext:
    return _shows(there, there.terminal(OURS, there.stranger()))


def signed_by_itself(there: House) -> ssl.SSLContext:
    return _forged(there, "itself", days=1)


def expired(there: House) -> ssl.SSLContext:
    return _forged(there, "ours", days=-1)


def not_yet_valid(there: House) -> ssl.SSLContext:
    return _forged(there, "ours", days=30, begins=10)


def never_issued_but_well_signed(there: House) -> ssl.SSLContext:
    """Whoever stole the authority's key must also write into the host's folder."""
    return _forged(there, "ours", days=1)


def tls_1_2(there: House) -> ssl.SSLContext:
    context = of_terminal.client_context(there.terminal(OURS))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def the_hosts_own(there: House) -> ssl.SSLContext:
    context = trusting(there)
    context.load_cert_chain(there.host / of_host.FOLDER / "host.pem")
    return context


def _shows(there: House, folder: Path) -> ssl.SSLContext:
    context = trusting(there)
    context.load_cert_chain(folder / of_terminal.CERTIFICATE_FILE, folder / of_terminal.KEY_FILE)
    return context


def _forged(there: House, signer: str, *, days: int, begins: int = -2) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    here = there.host / of_host.FOLDER
    authority = x509.load_pem_x509_certificate((here / "ca.pem").read_bytes())
    signing = serialization.load_pem_private_key((here / "ca.key").read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OURS)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).public_key(key.public_key()).serial_number(7)
    builder = builder.issuer_name(authority.subject if signer == "ours" else name)
    builder = builder.not_valid_before(now + timedelta(days=begins)).not_valid_after(now + timedelta(days=days))
    made = builder.sign(signing if signer == "ours" else key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    folder = there.folder / "forged"
    folder.mkdir()
    (folder / of_terminal.CERTIFICATE_FILE).write_bytes(made.public_bytes(pem))
    (folder / of_terminal.KEY_FILE).write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return _shows(there, folder)


@pytest.mark.parametrize(
    "who",
    [of_no_authority, of_another_authority, signed_by_itself, expired, not_yet_valid, never_issued_but_well_signed,
     tls_1_2, the_hosts_own],
)  # fmt: skip
@in_a_loop
async def test_who_cannot_prove_its_name_is_not_heard(tmp_path: Path, who: Callable[[House], ssl.SSLContext]) -> None:
    async with house(tmp_path) as there:
        context = who(there)
        with suppress(ssl.SSLError, ConnectionError):
            assert refused(await there.answer(context, Till(OURS)))
        honest = of_terminal.client_context(there.terminal("11111111"))
        assert not refused(await there.answer(honest, Till("11111111")))


@in_a_loop
async def test_bytes_in_clear_are_not_heard(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        try:
            answer = await there.answer(None, Till(OURS))
        except ConnectionError:
            return
        assert answer[:1] != b"\x60", "an alert of TLS, no frame"


# --- the terminal's side ----------------------------------------------------------------------------------------------


async def events_of_a_link(terminal: Path, port: int, count: int) -> list[Event]:
    """What a link reports: so many events, or all until it has tried for a second time in vain."""
    KeyStore.create(terminal / "vault.json", bytes(16))
    events: asyncio.Queue[Event] = asyncio.Queue()
    endpoint = HostEndpoint(port=port, tls=True)
    vault = Vault(KeyStore(terminal / "vault.json"))
    link = HostLink(endpoint, vault, events.put_nowait, of_terminal.client_context(terminal))
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while link.failures < 2 and events.qsize() < count:  # noqa: ASYNC110 - two things are waited for
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])
    return [events.get_nowait() for _ in range(events.qsize())]


@in_a_loop
async def test_a_terminal_speaks_to_the_host_that_it_knows(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        assert LinkUp() in await events_of_a_link(there.terminal(OURS), there.port, 1)


@in_a_loop
async def test_a_terminal_tells_nothing_to_a_host_of_another_authority(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        events = await events_of_a_link(there.terminal(OURS, there.stranger()), there.port, 2)
        assert events == [LinkLost("not_trusted")] * 2


@in_a_loop
async def test_a_terminal_tells_nothing_to_a_host_of_another_name(tmp_path: Path) -> None:
    async with house(tmp_path, ("pos.example.com",)) as there:
        assert await events_of_a_link(there.terminal(OURS), there.port, 2) == [LinkLost("not_trusted")] * 2


@in_a_loop
async def test_a_terminal_whose_certificate_has_ended_says_that_the_line_is_down(tmp_path: Path) -> None:
    async with house(tmp_path) as there:
        folder = there.terminal(OURS)
        (there.host / of_host.FOLDER / "terminals" / f"{OURS}.pem").unlink()
        events = await events_of_a_link(folder, there.port, 2)
        assert LinkLost() in events
        assert not any(isinstance(event, Received) for event in events)
