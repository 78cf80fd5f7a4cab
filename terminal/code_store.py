"""Whose signed codes a terminal takes while it is offline: the issuers' keys, and the lists of keys that do not pay.

A technician installs a file of issuers (docs/paycode.md, 5), and then what its list signer has signed. As with
downloads (`download_store.py`), a first line that only this terminal's key process can make and check vouches for all
of it: for the issuers, and for each list's version and SHA-256; the lists lie beside it. If anything is missing,
changed, cut short or signed by another vault, no code is taken at all: a list that is lost must not make a lost phone
good again.

A running terminal is also offered changes by its courier. They are worth what the list signer has signed, and nothing
else: each is taken as a technician's is, in its turn, between payments.

All is written beside the old, forced to the disk, and put in force in one step, by the file with the signature.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from paycode.cose import PublicKey
from paycode.issuer_file import FILE_BYTES_MAX, IssuerFile, IssuerFileError, parse_issuers, write_issuers
from paycode.lists import ENTRIES_MAX, FINGERPRINT_BYTES, CompactList, ListError, adopt, apply, claimed
from terminal.durable_file import write_durably
from terminal.events import CodeTrustLoaded
from terminal.key_frames import KeysGone, VaultError
from terminal.vault import Keys

FILE: Final = "code_trust.signed"
LOCK: Final = "code_trust.lock"
FOLLOWED: Final = ("revoked", "quota")
OFFERED_MAX: Final = 128
"""Changes that wait for those before them: as many as a broker keeps of both lists."""
_FILE_MAX: Final = 4 * FILE_BYTES_MAX
_LIST_BYTES_MAX: Final = ENTRIES_MAX * FINGERPRINT_BYTES

Change = Callable[[CompactList, PublicKey], CompactList]
"""Makes the next version of a list, given the one before and the list signer's key; raises ListError."""

log = structlog.get_logger()


class CodeStoreError(Exception):
    """Nothing was installed; the text says why and what to do."""


class CodeStore:
    """The files of one terminal."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder = folder
        self._keys = keys
        self._looked_at: tuple[int, ...] | None = None
        self._offered: dict[tuple[str, int], bytes] = {}
        self._tried_at: tuple[int, ...] | None = None

    def trust(self, content: bytes) -> IssuerFile:
        """Take a file of issuers in place of the one before; lists stay in force if their signer is the same.

        In place of what cannot be trusted any more, too: then the lists are to be installed again.

        Raises:
            CodeStoreError: it is no such file.
            OSError, VaultError: it could not be written; all is as it was.
        """
        try:
            file = parse_issuers(content[: FILE_BYTES_MAX + 1])
        except IssuerFileError as error:
            raise CodeStoreError(str(error)) from None
        with self._alone():
            self._write(file, self._lists_under(file.list_signer))
        return file

    def adopt(self, name: str, statement: bytes, fingerprints: bytes) -> CompactList:
        """Take a whole list, signed by the list signer, of a higher version than the one before. Raises as `trust`."""
        return self._take(name, lambda before, signer: adopt(statement, fingerprints, before, signer))

    def apply(self, name: str, delta: bytes) -> CompactList:
        """Take a change of a list, signed by the list signer. Raises as `trust`."""
        return self._take(name, lambda before, signer: apply(delta, before, signer))

    def offer(self, delta: bytes) -> None:
        """Remember a change that somebody says the list signer has signed, until `follow`; the last few only."""
        claim = claimed(delta)
        if claim is None or claim.name not in FOLLOWED:
            log.warning("code_list_refused", reason="not a signed change of a list that is followed")
            return
        self._offered.pop((claim.name, claim.before), None)
        if len(self._offered) >= OFFERED_MAX:
            del self._offered[next(iter(self._offered))]
        self._offered[claim.name, claim.before] = delta
        self._tried_at = None

    def follow(self) -> None:
        """Take of what was offered whatever leads on from the versions that are here; the rest may fit another time.

        It is durable when this returns, and in force for `load`. What is not to be trusted is dropped; that is logged,
        and all else stays as it was.
        """
        if not self._offered or self._tried_at == self._looks():
            return
        try:
            with self._alone():
                self._follow()
        except (CodeStoreError, VaultError) as error:
            log.warning("code_lists_not_followed", reason=str(error))
        except OSError as error:
            log.warning("code_lists_not_followed", reason=error.strerror)
        self._tried_at = self._looks()

    def _follow(self) -> None:
        known = self.known()
        if known is None or known[0].list_signer is None:
            return
        (file, lists), signer, taken = known, known[0].list_signer, False
        for name in FOLLOWED:
            current = lists.get(name, CompactList(name))
            while delta := self._offered.pop((name, current.version), None):
                try:
                    current = lists[name] = apply(delta, current, signer)
                except ListError as error:
                    log.warning("code_list_refused", list=name, version=current.version, reason=str(error))
                    break
                taken = True
            late = [key for key in self._offered if key[0] == name and key[1] < current.version]
            for key in late:
                del self._offered[key]
        if taken:
            self._write(file, lists)
            versions = {name: one.version for name, one in lists.items()}
            log.info("code_lists_followed", versions=versions)
        if self._offered:
            log.warning("code_lists_behind", waiting=len(self._offered))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A technician's command and the terminal never write at the same time."""
        with os.fdopen(os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def known(self) -> tuple[IssuerFile, dict[str, CompactList]] | None:
        """What is installed; None if nothing is. Raises CodeStoreError if it cannot be trusted, or KeysGone."""
        try:
            return self._known()
        except FileNotFoundError:
            if not (self._folder / FILE).exists():
                return None
            raise CodeStoreError(_BROKEN) from None
        except KeysGone:
            raise
        except (OSError, ValueError, TypeError, KeyError, IssuerFileError, VaultError):
            raise CodeStoreError(_BROKEN) from None

    def load(self) -> CodeTrustLoaded:
        """What is in force. Without a key process nobody can tell, and none is taken."""
        self._looked_at = self._looks()
        try:
            known = self.known()
        except KeysGone:
            return CodeTrustLoaded()
        except CodeStoreError:
            log.error("code_trust_refused")
            return CodeTrustLoaded(refused=True)
        if known is None:
            return CodeTrustLoaded()
        file, lists = known
        return CodeTrustLoaded(file.keys, lists.get("revoked"), lists.get("quota"))

    def has_changed(self) -> bool:
        """Whether something was installed since `load`."""
        return self._looks() != self._looked_at

    def _take(self, name: str, change: Change) -> CompactList:
        with self._alone():
            return self._change(name, change)

    def _change(self, name: str, change: Change) -> CompactList:
        known = self.known()
        if known is None:
            raise CodeStoreError("install the issuers first: tillgate terminal codes trust")
        file, lists = known
        if file.list_signer is None:
            raise CodeStoreError("the file of issuers names no list signer: install one that does")
        try:
            lists[name] = change(lists.get(name, CompactList(name)), file.list_signer)
        except ListError as error:
            raise CodeStoreError(str(error)) from None
        self._write(file, lists)
        return lists[name]

    def _lists_under(self, signer: PublicKey | None) -> dict[str, CompactList]:
        try:
            known = self.known()
        except CodeStoreError:
            return {}
        if known is None or signer is None or known[0].list_signer is None:
            return {}
        return known[1] if _same(known[0].list_signer, signer) else {}

    def _known(self) -> tuple[IssuerFile, dict[str, CompactList]]:
        with (self._folder / FILE).open("rb") as opened:
            signature, _, content = opened.read(_FILE_MAX).partition(b"\n")
        if not self._keys.check_signature(_digest(content), bytes.fromhex(signature.decode("ascii"))):
            raise ValueError("it is not what this terminal wrote")
        kept: dict[str, Any] = json.loads(content)
        return parse_issuers(kept["issuers"]), {name: self._list(name, kept["lists"][name]) for name in kept["lists"]}

    def _list(self, name: str, kept: dict[str, Any]) -> CompactList:
        with self._list_file(name, kept["version"]).open("rb") as opened:
            fingerprints = opened.read(_LIST_BYTES_MAX + 1)
        if hashlib.sha256(fingerprints).hexdigest() != kept["sha256"]:
            raise ValueError("it is not the list that was installed")
        return CompactList(name, kept["version"], fingerprints)

    def _write(self, file: IssuerFile, lists: dict[str, CompactList]) -> None:
        kept = dict[str, Any]()
        for name, one in lists.items():
            fingerprints = bytes(one.fingerprints)
            kept[name] = {"version": one.version, "sha256": hashlib.sha256(fingerprints).hexdigest()}
            write_durably(self._list_file(name, one.version), fingerprints)
        content = json.dumps({"issuers": write_issuers(file), "lists": kept}).encode("ascii")
        signature = self._keys.sign(_digest(content))
        write_durably(self._folder / FILE, signature.hex().encode("ascii") + b"\n" + content)
        in_force = {self._list_file(name, one.version) for name, one in lists.items()}
        for path in self._folder.glob("code_list_*.bin"):
            if path not in in_force:
                path.unlink()

    def _list_file(self, name: str, version: int) -> Path:
        return self._folder / f"code_list_{name}_{version}.bin"

    def _looks(self) -> tuple[int, ...]:
        try:
            status = (self._folder / FILE).stat()
        except OSError:
            return ()
        return status.st_ino, status.st_mtime_ns, status.st_size


_BROKEN: Final = "what was installed is damaged, or is another terminal's: install the issuers and lists again"


def _same(one: PublicKey, other: PublicKey) -> bool:
    return (one.algorithm, one.data) == (other.algorithm, other.data)


def _digest(content: bytes) -> bytes:
    """What is signed: the key process takes short requests only."""
    return hashlib.sha256(content).digest()
