"""The terminal's end of the line to its key process: starts it, asks it, notices its death, starts it again.

A request waits for its answer, as a write to the journal waits for the disk; it is as short, and `ANSWER_WITHIN_S` is
the most that a process which hangs can hold the terminal up, before it is killed. Nothing here holds a key.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import cryptography
import structlog

from terminal.events import Event, KeysBack, KeysLost
from terminal.key_frames import (
    DATA_MAX,
    DONE,
    LENGTH_BYTES,
    NO_KEY,
    PACKET_MAX,
    REASONS,
    REFUSED,
    SENTENCES,
    SEVERAL,
    SEVERAL_MAX,
    KeysDiffer,
    KeysGone,
    NoWorkingKey,
    VaultError,
    joined,
    parted,
)  # fmt: skip
from terminal.key_process import erase_keys

START_WITHIN_S: Final = 15.0
ANSWER_WITHIN_S: Final = 1.0
END_WITHIN_S: Final = 1.0
RESTART_AFTER_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
LIVED_WELL_S: Final = 60.0
LOOK_AGAIN_S: Final = 1.0
"""How often a terminal without keys looks whether it has been given some."""

_OF_THE_FILE: Final = frozenset({"no_keys", "keys_erased", "keys_damaged", "keys_exposed"})
"""What no restart mends: somebody must see to the file."""

_FOLDERS: Final = [str(Path(module).resolve().parents[1]) for module in (__file__, str(cryptography.__file__))]
_BEGIN: Final = f"import sys; sys.path += {_FOLDERS!r}; from terminal.key_process import main; main()"

log = structlog.get_logger()


class KeyLink:
    """The key process of one vault file, while it is open. `trouble` is why there is none now, empty if there is."""

    def __init__(self, vault: Path, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self.trouble = "key_process"
        self._vault = vault
        self._answer_within_s = answer_within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._starting: socket.socket | None = None
        self._lost = asyncio.Event()
        self._began = 0.0
        self._seen: tuple[int, ...] = ()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None, "begun"
        return self._process.pid

    def begin(self) -> None:
        """Let the process start, while the terminal does something else; `opened` waits for it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-c", _BEGIN, str(theirs.fileno()), str(self._vault.resolve())]
        self._began, self._seen, self.trouble = time.monotonic(), self._looks(), "key_process"
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),), cwd="/", env={}, start_new_session=True,
                )  # fmt: skip
        except OSError as error:  # no memory, or no room for another process: it is tried again
            ours.close()
            log.warning("key_process_not_started", reason=error.strerror)
            return
        ours.setblocking(False)
        self._starting = ours

    async def opened(self) -> None:
        """Wait until the process has its keys, or has ended because it has none: then `trouble` says why."""
        line, self._starting = self._starting, None
        if line is None:
            self._lost.set()
            return
        loop = asyncio.get_running_loop()
        word = b""
        try:
            async with asyncio.timeout(START_WITHIN_S):
                word = await loop.sock_recv(line, PACKET_MAX)
        except (OSError, TimeoutError):
            pass
        except asyncio.CancelledError:
            self._end(line)
            raise
        if word != DONE:
            self._end(line)
            self._lost.set()
            return
        self.trouble = ""
        line.settimeout(self._answer_within_s)
        self._socket = line
        loop.add_reader(line.fileno(), self._lose)  # it never speaks unasked: it has died

    async def keep(self, report: Callable[[Event], None]) -> None:
        """Start the process again whenever it has ended; report KeysLost and KeysBack. Until cancelled."""
        failures = 0
        while True:
            await self._lost.wait()
            self._tell(report)
            while self.trouble:
                lived_well = time.monotonic() - self._began > LIVED_WELL_S
                failures = 0 if lived_well or self.trouble in _OF_THE_FILE else failures
                await self._until_worth_it(RESTART_AFTER_S[min(failures, len(RESTART_AFTER_S) - 1)])
                failures += 1
                before = self.trouble
                self._lost.clear()
                self.begin()
                await self.opened()
                if self.trouble and self.trouble != before:
                    self._tell(report)
            report(KeysBack())

    def _tell(self, report: Callable[[Event], None]) -> None:
        (log.error if self.trouble in _OF_THE_FILE else log.warning)("keys_lost", reason=SENTENCES[self.trouble])
        report(KeysLost(self.trouble))

    def close(self) -> None:
        """Let the process end; it overwrites its keys."""
        line = self._socket or self._starting
        if line is not None:
            self._forget_reader()
            self._socket = self._starting = None
            self._end(line)

    def load_working_keys(self, field_62: bytes) -> None:
        """As `KeyStore` does; so do the others."""
        self._ask(b"L", field_62)

    def macs(self, data: Sequence[bytes]) -> list[bytes | VaultError]:
        """Make MACs, in one request."""
        return self._ask_each(b"M", data)

    def check_macs(self, signed: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Check MACs, in one request; without keys none is right."""
        answers = self._ask_each(b"C", [mac + data for data, mac in signed])
        return [not isinstance(answer, VaultError) for answer in answers]

    def unseal_each(self, sealed: Sequence[bytes]) -> list[str | VaultError]:
        """Unseal card numbers, in one request."""
        answers = self._ask_each(b"U", sealed)
        return [answer if isinstance(answer, VaultError) else answer.decode("ascii") for answer in answers]

    def encrypt_track(self, track: str) -> str:
        """Encrypt a track."""
        return self._ask(b"T", track.encode("ascii")).decode("ascii")

    def seal(self, pan: str) -> bytes:
        """Seal a card number."""
        return self._ask(b"S", pan.encode("ascii"))

    def sign(self, data: bytes) -> bytes:
        """Vouch for what lies in a file."""
        return self._ask(b"G", data)

    def check_signature(self, data: bytes, signature: bytes) -> bool:
        """Check what `sign` made. Raises KeysGone: without keys nobody can tell."""
        try:
            self._ask(b"V", signature + data)
        except KeysDiffer:
            return False
        return True

    def fingerprint(self, pan: str) -> bytes:
        """Make the fingerprint of a card number."""
        return self._ask(b"F", pan.encode("ascii"))

    def seal_for_host(self, terminal: str, frame: bytes) -> bytes:
        """Seal a frame that this terminal cannot send."""
        return self._ask(b"Q", terminal.encode("ascii") + frame)

    def erase(self) -> None:
        """Somebody tampers with the devices: let keys and file be erased, whether there is a process or not."""
        with suppress(VaultError):
            self._ask(b"X", b"")
        if self._vault.exists():
            erase_keys(self._vault)

    def _ask(self, operation: bytes, data: bytes) -> bytes:
        if len(data) > DATA_MAX:
            raise VaultError("this is too long for the key process")
        return _meaning(self._exchange(operation + data))

    def _ask_each(self, operation: bytes, items: Sequence[bytes]) -> list[bytes | VaultError]:
        """The same of each of them; in place of what cannot be done stands why."""
        found: list[bytes | VaultError] = []
        for few in _in_packets([operation + item for item in items]):
            try:
                answers = parted(_meaning(self._exchange(SEVERAL + joined(few))))
            except VaultError as error:
                found += [error] * len(few)
            else:
                found += [_tried(answer) for answer in answers]
        return found

    def _exchange(self, packet: bytes) -> bytes:
        """Send a packet and wait for the answer. Raises KeysGone."""
        if self._socket is None:
            raise KeysGone(self.trouble)
        try:
            self._socket.sendall(packet)
            answer = self._socket.recv(SEVERAL_MAX + 1)
        except OSError:  # also a time-out: one that hangs is not waited for again
            answer = b""
            if self._process is not None:
                self._process.kill()
        if not answer:
            self._lose()
            raise KeysGone(self.trouble)
        return answer

    def _lose(self) -> None:
        """It has died, or is of no use any more."""
        if self._socket is not None:
            self._forget_reader()
            line, self._socket = self._socket, None
            self._end(line)
            self._lost.set()

    def _forget_reader(self) -> None:
        if self._socket is not None:
            with suppress(RuntimeError):  # the loop is over
                asyncio.get_running_loop().remove_reader(self._socket.fileno())

    def _end(self, line: socket.socket) -> None:
        """Close the line, by which the process ends; kill one that does not."""
        assert self._process is not None, "begun"
        line.close()
        try:
            code = self._process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self.trouble = REASONS.get(code, "key_process")

    async def _until_worth_it(self, pause_s: float) -> None:
        """Wait before a restart: a while, or until somebody has seen to the file."""
        if self.trouble not in _OF_THE_FILE:
            await asyncio.sleep(pause_s)
            return
        while self._looks() == self._seen:  # noqa: ASYNC110 - somebody else writes the file: no event of ours
            await asyncio.sleep(LOOK_AGAIN_S)

    def _looks(self) -> tuple[int, ...]:
        try:
            status = self._vault.stat()
        except OSError:
            return ()
        return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_mode, status.st_uid)


def _meaning(answer: bytes) -> bytes:
    """What an answer brings. Raises VaultError, as its status says."""
    match answer[:1]:
        case status if status == DONE:
            return answer[1:]
        case status if status == NO_KEY:
            raise NoWorkingKey("there is no working key: the terminal must sign on first")
        case status if status == REFUSED:
            raise KeysDiffer("what should be under this terminal's keys is not")
    raise VaultError("the key process did not understand")


def _tried(answer: bytes) -> bytes | VaultError:
    try:
        return _meaning(answer)
    except VaultError as error:
        return error


def _in_packets(requests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """In as few packets as hold them."""
    few, size = list[bytes](), 1
    for request in requests:
        length = len(request) + LENGTH_BYTES
        if few and size + length > SEVERAL_MAX:
            yield few
            few, size = [], 1
        few.append(request)
        size += length
    if few:
        yield few
