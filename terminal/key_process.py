"""The key process: a `KeyStore` alone in a small process, and what Linux gives an unprivileged one to keep it so.

A terminal starts it (`terminal.key_link`) and speaks to it over a pair of sockets that has no name anywhere, in the
requests of `terminal.key_frames`. Before it reads a key it makes itself undumpable, which also bars other processes of
the same user from its memory and its open files, forbids core files and new privileges, and locks its memory against
being swapped out: all of it, or, where the system does not allow so much, the buffer that holds the keys.

It ends when the terminal does, or on SIGTERM; keys are overwritten first. On SIGUSR1, which `tillgate terminal tamper`
sends, and when the terminal asks for it, it also erases its file. While it runs it holds a lock on that file, so that
no two terminals use one vault and its number can be asked of the kernel (`holder`).
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Final

from terminal.key_frames import (
    DATA_MAX,
    DONE,
    MAC_BYTES,
    NO_KEY,
    NOT_UNDERSTOOD,
    REASONS,
    REFUSED,
    SEVERAL,
    SEVERAL_MAX,
    SIGNATURE_BYTES,
    TERMINAL_BYTES,
    Ending,
    KeysDiffer,
    KeysGone,
    NoWorkingKey,
    VaultError,
    joined,
    parted,
)  # fmt: skip
from terminal.key_store import KeyStore, erase_file, erased_mark

LOCK_WITHIN_S: Final = 5.0
"""A terminal that is started again at once may still have its old key process about: that ends in no time."""

LOCK_AGAIN_S: Final = 0.02
ERASED_WITHIN_S: Final = 5.0
ERASE_SIGNAL: Final = signal.SIGUSR1
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_FLOCK: Final = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, process


class _Erase(BaseException):
    """Tampering: whatever is being done, the keys must go."""


class _Stop(BaseException):
    """Told to end."""


def main() -> None:
    """Be the key process: ``descriptor path`` on the command line. Does not return."""
    descriptor, path = sys.argv[1:]
    signal.signal(ERASE_SIGNAL, _raise_erase)
    signal.signal(signal.SIGTERM, _raise_stop)
    for number in (signal.SIGINT, signal.SIGHUP):  # these are meant for the terminal, which ends us by ending
        signal.signal(number, signal.SIG_IGN)
    os._exit(run(socket.socket(fileno=int(descriptor)), Path(path)))


def run(terminal: socket.socket, path: Path) -> Ending:
    """Serve one terminal until it is gone; return with what to end."""
    harden()
    try:
        _keep_keys(terminal, path)
    except KeysGone as error:
        return Ending(next(code for code, reason in REASONS.items() if reason == error.reason))
    except _Erase:
        erase_file(path)
        return Ending.ERASED
    except (_Stop, OSError):
        pass
    return Ending.STOPPED


def _keep_keys(terminal: socket.socket, path: Path) -> None:
    store = KeyStore(path)
    try:
        lock_memory(store.memory)
        with _locked(path):  # after the keys were read: to close any other handle of the file would open the lock
            terminal.sendall(DONE)
            serve(terminal, store)
    finally:
        store.close()


def serve(terminal: socket.socket, store: KeyStore) -> None:
    """Answer requests until the other end is closed."""
    while packet := terminal.recv(SEVERAL_MAX + 1):
        terminal.sendall(answers(store, packet) if packet[:1] == SEVERAL else answer(store, packet))


def answers(store: KeyStore, packet: bytes) -> bytes:
    """Carry out several requests, in their order."""
    if len(packet) > SEVERAL_MAX:
        return NOT_UNDERSTOOD
    try:
        parts = parted(packet[1:])
    except ValueError:
        return NOT_UNDERSTOOD
    return DONE + joined(answer(store, part) for part in parts)


def answer(store: KeyStore, packet: bytes) -> bytes:
    """Carry out one request. Whatever it is, the answer says no more about it than its status."""
    operation, data = packet[:1], packet[1:]
    handler = _HANDLERS.get(operation)
    if handler is None or len(data) > DATA_MAX:
        return NOT_UNDERSTOOD
    try:
        return DONE + handler(store, data)
    except NoWorkingKey:
        return NO_KEY
    except KeysDiffer:
        return REFUSED
    except ValueError:  # also what is no ASCII
        return NOT_UNDERSTOOD


def _load(store: KeyStore, data: bytes) -> bytes:
    store.load_working_keys(data)
    return b""


def _check(store: KeyStore, data: bytes) -> bytes:
    if not store.check_mac(data[MAC_BYTES:], data[:MAC_BYTES]):
        raise KeysDiffer("the MAC is another")
    return b""


def _check_signature(store: KeyStore, data: bytes) -> bytes:
    if not store.check_signature(data[SIGNATURE_BYTES:], data[:SIGNATURE_BYTES]):
        raise KeysDiffer("the signature is another")
    return b""


def _seal_for_host(store: KeyStore, data: bytes) -> bytes:
    return store.seal_for_host(data[:TERMINAL_BYTES].decode("ascii"), data[TERMINAL_BYTES:])


def _erase(_store: KeyStore, _data: bytes) -> bytes:
    raise _Erase


_HANDLERS: Final[Mapping[bytes, Callable[[KeyStore, bytes], bytes]]] = {
    b"L": _load,
    b"M": lambda store, data: store.mac(data),
    b"C": _check,
    b"T": lambda store, data: store.encrypt_track(data.decode("ascii")).encode("ascii"),
    b"S": lambda store, data: store.seal(data.decode("ascii")),
    b"U": lambda store, data: store.unseal(data).encode("ascii"),
    b"G": lambda store, data: store.sign(data),
    b"V": _check_signature,
    b"F": lambda store, data: store.fingerprint(data.decode("ascii")),
    b"Q": _seal_for_host,
    b"X": _erase,
}


def harden() -> None:
    """Let nobody look into this process, and nothing of it reach a file by accident."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)


def lock_memory(keys: bytearray) -> bool:
    """Keep memory from being swapped out: all of it, else that of the keys; return whether all of it is locked."""
    libc = ctypes.CDLL(None)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        return True
    place = (ctypes.c_char * len(keys)).from_buffer(keys)
    libc.mlock(ctypes.byref(place), len(keys))
    return False


def holder(path: Path) -> int:
    """The number of the key process that has this vault open; 0 if none has."""
    try:
        with path.open("r+b") as file:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, process = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return 0
    return 0 if kind == fcntl.F_UNLCK else int(process)


def erase_keys(path: Path) -> None:
    """Erase the keys of a terminal from outside: whoever holds them is told to, else it is done here.

    Raises VaultError if they are still there after `ERASED_WITHIN_S`, OSError if that is not allowed.
    """
    erased_mark(path).touch(0o600)
    deadline = time.monotonic() + ERASED_WITHIN_S
    while path.exists():
        if time.monotonic() > deadline:
            raise VaultError("the key process does not obey: switch the terminal off, and try again")
        _tell_holder_or_erase(path)
        time.sleep(LOCK_AGAIN_S)
    erase_file(path)


def _tell_holder_or_erase(path: Path) -> None:
    with suppress(FileNotFoundError, ProcessLookupError), path.open("r+b", buffering=0) as file:
        if try_to_lock(file):
            erase_file(path)
        elif process := holder(path):
            os.kill(process, ERASE_SIGNAL)


def _locked(path: Path) -> BinaryIO:
    """The vault file, held against others. Raises KeysGone if another holds it, or it has just been erased."""
    deadline = time.monotonic() + LOCK_WITHIN_S
    try:
        file = path.open("r+b", buffering=0)
    except FileNotFoundError:
        raise KeysGone("keys_erased") from None
    with ExitStack() as unless_held:
        unless_held.enter_context(file)
        while not try_to_lock(file):
            if time.monotonic() > deadline:
                raise KeysGone("keys_in_use")
            time.sleep(LOCK_AGAIN_S)
        if not os.fstat(file.fileno()).st_nlink:
            raise KeysGone("keys_erased")
        unless_held.pop_all()
    return file


def try_to_lock(file: BinaryIO) -> bool:
    """Hold a vault file against others, until it is closed; False if somebody holds it."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _raise_erase(*_: object) -> None:
    _ignore_signals()
    raise _Erase


def _raise_stop(*_: object) -> None:
    _ignore_signals()
    raise _Stop


def _ignore_signals() -> None:
    """What has begun to end is not to be interrupted by another signal."""
    for number in (ERASE_SIGNAL, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
