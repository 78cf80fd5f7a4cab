"""A disk that refuses: full at any byte of a commit, or failing when it is asked to keep what was written.

The kernel itself refuses, so that the real code meets it through the real SQLite: a limit on the size of files lets a
write end in the middle of a block, and a filter of system calls lets fsync and fdatasync fail with EIO, in a process
that is forked for it. A commit must then be refused in words, must leave everything before it as it was, and must go
through when the disk is well again. A commit that is not refused has not asked the disk.
"""

import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from simulators.crash.audit import Fault
from simulators.crash.power_cuts import SECTOR, Disk
from simulators.crash.stores import REFUSALS, CutStore, OpenStore, State

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_SECCOMP_RET_ERRNO, _SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
_LOAD_WORD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_EIO = 5
_SYNC_CALLS = {"x86_64": (74, 75), "aarch64": (82, 83)}
"""The numbers of fsync and fdatasync."""


def full_disk(store: CutStore[State], folder: Path, commits: int) -> tuple[int, list[Fault]]:
    """Let the disk be full at every sector of so many commits; return how often it was, and what was wrong."""
    path = folder / "full.db"
    count, found = 0, list[Fault]()
    with closing(store.open(path)) as written:
        for _ in range(commits):
            log_bytes = path.with_name(path.name + "-wal").stat().st_size
            room = 0
            while not _goes_through(written, log_bytes + room):
                found += store.judge(path, (written.state(),))
                room += SECTOR
                count += 1
        found += store.judge(path, (written.state(),))
    return count, found


def _goes_through(written: OpenStore[State], bytes_max: int) -> bool:
    try:
        with _files_up_to(bytes_max):
            written.write()
    except REFUSALS:
        return False
    return True


@contextmanager
def _files_up_to(bytes_max: int) -> Iterator[None]:
    """No file may grow beyond that. Python ignores the signal that comes with it, so that the write just fails."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def failing_syncs(store: CutStore[State], folder: Path, commits: int) -> tuple[int, list[Fault]]:
    """Let every sync fail from some commit on, for so many commits; return how often, and what was wrong.

    A disk that did not confirm may have kept everything all the same: the commit is found whole, or not at all.
    """
    found, image = list[Fault](), folder / "image.db"
    for number in range(commits):
        path = folder / f"sync-{number}.db"
        with closing(store.open(path)) as written:
            for _ in range(number):
                written.write()
            states = [written.state()]
            if not _refused_in_a_child(written):
                found.append(Fault("lost", f"{path}: commit {number} was acknowledged, and the disk was not asked"))
            left = Disk.read(path)
        with closing(store.open(folder / f"whole-{number}.db")) as written:
            for _ in range(number + 1):
                written.write()
            states.append(written.state())
        left.write(image)
        found += store.judge(image, states)
    return commits, found


def _refused_in_a_child(written: OpenStore[State]) -> bool:
    """Make the next commit in a child whose disk fails. The child's exit code tells: 0 refused, 1 not."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            _let_syncs_fail()
            code = 1
            written.write()
        except REFUSALS:
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 2:
        raise OSError("this kernel lets no process filter its own system calls")
    return code == 0


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def _let_syncs_fail() -> None:
    """Put the filter on this process, for good. Raises OSError where the kernel has none."""
    fsync, fdatasync = _SYNC_CALLS[platform.machine()]
    instructions = (_Instruction * 5)(
        _Instruction(_LOAD_WORD, 0, 0, 0),  # the number of the system call
        _Instruction(_JUMP_EQUAL, 1, 0, fsync),
        _Instruction(_JUMP_EQUAL, 0, 1, fdatasync),
        _Instruction(_RETURN, 0, 0, _SECCOMP_RET_ERRNO | _EIO),
        _Instruction(_RETURN, 0, 0, _SECCOMP_RET_ALLOW),
    )
    program = _Program(len(instructions), instructions)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or kernel.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the filter was refused")
