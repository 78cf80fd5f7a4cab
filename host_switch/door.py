"""The operators' door: a Unix socket in the host's directory, through which commands reach the running host.

One JSON object a line in, one out. Only who may enter the directory (the owner) can open it. An order becomes an input
of the switch like any other, so it is decided, committed and carried out in turn.
"""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from host_switch.events import (
    CommandGiven,
    DownloadGiven,
    MessageRescued,
    Order,
    ParametersGiven,
    PhoneGiven,
    PhoneTaken,
    SignerGiven,
    TerminalRegistered,
)
from host_switch.listener import Listener
from host_switch.records import CodeIssuer, Download, SignedKey
from host_switch.rescue import outcome
from host_switch.store import StoreError
from iso8583.unionpay_fields.field62 import Parameters62

SOCKET_NAME = "host.sock"
LINE_MAX = 128 * 1024  # a set of public keys, in hexadecimal, has up to 45 KiB
ANSWER_TIMEOUT_S = 10.0


class DoorError(Exception):
    """The running host did not carry out an order; the text says why."""


def to_line(order: Order) -> bytes:
    """Write an order as one line."""
    fields: dict[str, str]
    match order:
        case CommandGiven(terminal, command):
            fields = {"order": "command", "terminal": terminal, "command": command}
        case ParametersGiven(terminal, parameters):
            fields = {"order": "parameters", "terminal": terminal, "parameters": parameters.to_bytes().hex()}
        case DownloadGiven(Download(kind, items)):
            fields = {"order": "download", "kind": kind, "items": " ".join(map(bytes.hex, items))}
        case TerminalRegistered(terminal, merchant, master_key):
            fields = {"order": "register", "terminal": terminal, "merchant": merchant, "key": master_key.hex()}
        case MessageRescued(terminal, sealed):
            fields = {"order": "rescued", "terminal": terminal, "sealed": sealed.hex()}
        case PhoneGiven(number, seed, at, account, name):
            fields = {
                "order": "phone", "number": str(number), "seed": seed.hex(), "at": str(at), "account": account,
                "name": name,
            }  # fmt: skip
        case PhoneTaken(number):
            fields = {"order": "phone taken", "number": str(number)}
        case SignerGiven(CodeIssuer(key_id, algorithm, key, name)):
            named = {"key_id": key_id.hex(), "algorithm": str(algorithm), "key": key.hex(), "name": name}
            fields = {"order": "code issuer", **named}
        case SignerGiven(SignedKey(key, user, revoked_at)):
            revoked = "" if revoked_at is None else str(revoked_at)
            fields = {"order": "signed key", "key": key.hex(), "user": str(user), "revoked_at": revoked}
    return json.dumps(fields).encode() + b"\n"


def from_line(line: bytes) -> Order:
    """Read an order. Raises ValueError or KeyError if it is none."""
    fields: dict[str, str] = json.loads(line)
    if fields["order"] == "command":
        return CommandGiven(fields["terminal"], fields["command"])
    if fields["order"] == "parameters":
        return ParametersGiven(fields["terminal"], Parameters62.parse(bytes.fromhex(fields["parameters"])))
    if fields["order"] == "download":
        return DownloadGiven(Download(fields["kind"], tuple(map(bytes.fromhex, fields["items"].split()))))
    if fields["order"] == "register":
        return TerminalRegistered(fields["terminal"], fields["merchant"], bytes.fromhex(fields["key"]))
    if fields["order"] == "rescued":
        return MessageRescued(fields["terminal"], bytes.fromhex(fields["sealed"]))
    if fields["order"] == "phone":
        number, at = int(fields["number"]), int(fields["at"])
        return PhoneGiven(number, bytes.fromhex(fields["seed"]), at, fields["account"], fields["name"])
    if fields["order"] == "phone taken":
        return PhoneTaken(int(fields["number"]))
    if fields["order"] == "code issuer":
        key_id, key = bytes.fromhex(fields["key_id"]), bytes.fromhex(fields["key"])
        return SignerGiven(CodeIssuer(key_id, int(fields["algorithm"]), key, fields["name"]))
    if fields["order"] == "signed key":
        revoked_at = float(fields["revoked_at"]) if fields["revoked_at"] else None
        return SignerGiven(SignedKey(bytes.fromhex(fields["key"]), int(fields["user"]), revoked_at))
    raise ValueError("no such order")


async def open_door(listener: Listener, directory: Path) -> asyncio.Server:
    """Begin to take orders for a running host."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _carried_out(listener, line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the operator's command has gone away, or sent no line
        finally:
            writer.close()

    path = directory / SOCKET_NAME
    path.unlink(missing_ok=True)
    return await asyncio.start_unix_server(take, path, limit=LINE_MAX)


async def _carried_out(listener: Listener, line: bytes) -> dict[str, Any]:
    try:
        decision = await listener.ask(from_line(line))
    except (ValueError, KeyError, TypeError):
        return {"ok": False, "reason": "not an order"}
    except StoreError as error:
        return {"ok": False, "reason": str(error)}
    return {"ok": True, "outcome": outcome(decision)}


def through_door(directory: Path, order: Order) -> str | None:
    """Give an order to the host that runs in `directory`; what became of it in a word, or None if none runs there.

    Raises:
        DoorError: it runs, and refuses or does not answer.
    """
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(ANSWER_TIMEOUT_S)
        try:
            door.connect(str(directory / SOCKET_NAME))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        try:
            door.sendall(to_line(order))
            answer: dict[str, Any] = json.loads(door.makefile("rb").readline(LINE_MAX))
        except (OSError, ValueError):
            raise DoorError("the running host does not answer: look at its log, then try again") from None
    if not answer["ok"]:
        raise DoorError(f"the running host refuses: {answer['reason']}")
    return str(answer["outcome"])
