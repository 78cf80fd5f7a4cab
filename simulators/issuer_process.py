"""The issuer twin as a process: a TCP port for the host, a control port for moods, and a store that survives a kill.

All requests that arrive in one turn of the loop share one commit, and are answered after it. The control port takes one
JSON object a line, on loopback only:

    {"mood": "delay", "delay_s": 3, "times": 1}
    {"mood": "good"}
    {"balance": "6299990000000009"}

and answers one JSON object a line.
"""

import argparse
import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import structlog

from host_switch.channels.iso_issuer import ChannelFault, protect, verified
from iso8583 import Iso8583Error, Message
from iso8583.framing import FrameBuffer, with_length
from simulators.issuer import (
    ZONE_MAC_KEY,
    Account,
    Change,
    CodeUsed,
    Issuer,
    Mood,
    Movement,
    Verdict,
    default_accounts,
)

CONTROL_LINE_MAX = 4096

_log = structlog.get_logger("simulators.issuer")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    number TEXT PRIMARY KEY, balance INTEGER NOT NULL, pin BLOB NOT NULL, chip_key BLOB NOT NULL, expiry TEXT NOT NULL,
    refuse TEXT NOT NULL, wrong_pins INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS movements (
    reference TEXT PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL,
    original TEXT NOT NULL, code TEXT NOT NULL, auth_code TEXT NOT NULL, balances TEXT NOT NULL, voucher TEXT NOT NULL,
    chip_data BLOB NOT NULL, reversed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (code TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
"""


class IssuerStore:
    """What the bank remembers, in one SQLite file. It survives the process; a power cut is not its subject."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def load(self) -> list[Change]:
        """Everything remembered, as changes."""
        accounts = (Account(*row) for row in self._db.execute("SELECT * FROM accounts"))
        movements = (Movement(*row) for row in self._db.execute("SELECT * FROM movements"))
        codes = (CodeUsed(code) for (code,) in self._db.execute("SELECT code FROM codes"))
        return [*accounts, *movements, *codes]

    def save(self, changes: Iterable[Change]) -> None:
        """Remember changes, all or none."""
        self._db.execute("BEGIN")
        for change in changes:
            self._db.execute(*_statement(change))
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def _statement(change: Change) -> tuple[str, tuple[Any, ...]]:
    names = [column.name for column in fields(change)]
    table = {Account: "accounts", Movement: "movements", CodeUsed: "codes"}[type(change)]
    values = tuple(getattr(change, name) for name in names)
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(names))})", values  # noqa: S608


class IssuerProcess:
    """The bank's body: connections, the commit of each turn, answers at their time."""

    def __init__(self, issuer: Issuer, store: IssuerStore, mac_key: bytes = ZONE_MAC_KEY) -> None:
        self.issuer = issuer
        self._store = store
        self._mac_key = mac_key
        self._turn: list[tuple[_HostConnection, Verdict]] = []
        self._servers: list[asyncio.Server] = []
        self.connections: set[_HostConnection] = set()

    async def start(self, port: int, control_port: int) -> tuple[int, int]:
        """Listen on loopback. Port 0 takes a free one; returns the two ports."""
        loop = asyncio.get_running_loop()
        issuing = await loop.create_server(lambda: _HostConnection(self), "127.0.0.1", port)
        control = await asyncio.start_server(self._control, "127.0.0.1", control_port, limit=CONTROL_LINE_MAX)
        self._servers = [issuing, control]
        return _port(issuing), _port(control)

    async def stop(self) -> None:
        """Stop listening, hang up, and let go of the store."""
        for server in self._servers:
            server.close()
        hung_up = [connection.hang_up() for connection in self.connections]
        await asyncio.gather(*hung_up)
        self._store.close()

    def received(self, connection: "_HostConnection", frame: bytes) -> None:
        """Decide one request; it is answered after this turn's commit."""
        try:
            message = verified(frame, self._mac_key)
        except ChannelFault as error:
            _log.warning("request not used", reason=str(error))
            return
        verdict = self.issuer.decide(message, time.time())
        self.issuer.spend_mood(message)
        self.issuer.apply(verdict.changes)
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._turn.append((connection, verdict))

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, []
        self._store.save(change for _, verdict in turn for change in verdict.changes)
        for connection, verdict in turn:
            for answer in verdict.answers:
                self._answer(connection, answer.message, answer.delay_s)

    def _answer(self, connection: "_HostConnection", message: Message, delay_s: float) -> None:
        data = with_length(protect(message, self._mac_key))
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, connection.send, data)
        else:
            connection.send(data)

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.controlled(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # whoever drove us is gone, or does not speak in lines
        finally:
            writer.close()

    def controlled(self, line: bytes) -> dict[str, Any]:
        """Carry out one line of the control port."""
        try:
            order = json.loads(line)
            if "balance" in order:
                return {"ok": True, "balance": self.issuer.balance(order["balance"])}
            self.issuer.mood = Mood(name=order.pop("mood"), **order)
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "reason": f"not an order: {type(error).__name__}"}
        return {"ok": True, **asdict(self.issuer.mood)}


class _HostConnection(asyncio.Protocol):
    def __init__(self, process: IssuerProcess) -> None:
        self._process = process
        self._buffer = FrameBuffer()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport
        self._over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._process.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._process.connections.discard(self)
        self._over.set_result(None)

    def hang_up(self) -> "asyncio.Future[None]":
        self._transport.abort()
        return self._over

    def data_received(self, data: bytes) -> None:
        self._buffer.receive(data)
        try:
            while (frame := self._buffer.next_frame()) is not None:
                self._process.received(self, frame)
        except Iso8583Error as error:
            _log.warning("connection closed", reason=str(error))
            self._transport.abort()

    def send(self, data: bytes) -> None:
        """Send with everything else of this turn, in one piece."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._write)
        self._outgoing.append(data)

    def _write(self) -> None:
        data, self._outgoing = b"".join(self._outgoing), []
        if not self._transport.is_closing():
            self._transport.write(data)


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def opened_issuer(data: Path, balance: int | None = None) -> tuple[Issuer, IssuerStore]:
    """The bank as its store remembers it, with the default accounts; new ones have `balance` fen if given."""
    store = IssuerStore(data / "issuer.db")
    remembered = store.load()
    known = {change.number for change in remembered if isinstance(change, Account)}
    fresh = default_accounts() if balance is None else default_accounts(balance)
    store.save([account for account in fresh if account.number not in known])
    issuer = Issuer(fresh)
    issuer.apply(remembered)
    return issuer, store


async def serve(data: Path, port: int, control_port: int, balance: int | None = None) -> None:
    """Run until SIGTERM or SIGINT. Prints one line of JSON with the ports when ready."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    process = IssuerProcess(*opened_issuer(data, balance))
    ports = await process.start(port, control_port)
    print(json.dumps({"ready": True, "port": ports[0], "control_port": ports[1]}), flush=True)
    await stopped.wait()
    await process.stop()


def main() -> None:
    """The command line of ``python -m simulators.issuer``."""
    parser = argparse.ArgumentParser(prog="python -m simulators.issuer", description="Run the simulated issuer.")
    parser.add_argument("--port", type=int, default=9800, help="port for the host (0: any free one)")
    parser.add_argument("--control-port", type=int, default=9801, help="port for moods (0: any free one)")
    parser.add_argument("--data", type=Path, required=True, help="directory for what the issuer remembers")
    parser.add_argument("--balance", type=int, default=None, help="fen in every account of a new issuer")
    options = parser.parse_args()
    asyncio.run(serve(options.data, options.port, options.control_port, options.balance))
