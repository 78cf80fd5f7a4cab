"""Where what was downloaded lies: a file for each kind, signed, beside the journal.

A journal is read whole at every start, and a black list has up to 999 cards: so these have files of their own. The
first line is a signature that only this terminal's key process can make and check; it covers all that follows. What was
changed, cut short, or signed by another vault is refused: the shipped keys and applications serve instead, and no black
list. Of a blocked card there is nothing in it but a fingerprint, made in the key process too.

A set is written beside the old one, forced to the disk, and put in its place in one step: whoever kills the terminal
finds the old or the new one.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from iso8583 import Iso8583Error
from terminal import emv
from terminal.downloads import KINDS, Download
from terminal.durable_file import write_durably
from terminal.emv.ca_keys import parse_ca_keys
from terminal.emv.parameters import DownloadedParameters
from terminal.key_frames import KeysGone, VaultError
from terminal.vault import Keys

FILE_MAX: Final = 256 * 1024
"""64 keys of 248 bytes, or 999 fingerprints, take less than a third of it."""

LONG_AGO: Final = 0.0
"""When a set came whose file does not say it: an earlier program has written it."""

log = structlog.get_logger()


class DownloadStore:
    """The files of one terminal."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder = folder
        self._keys = keys

    def keep(self, download: Download, at: float) -> None:
        """Make a set durable, in place of the one before; it came `at` this time (UTC seconds).

        Raises OSError or VaultError: then all is as it was.
        """
        items: Sequence[bytes] = download.items
        if download.kind == "black_list":
            items = [self._keys.fingerprint(card.decode("ascii")) for card in items]
        kept = {"kind": download.kind, "at": at, "items": [item.hex() for item in items]}
        content = json.dumps(kept).encode("ascii")
        signature = self._keys.sign(_digest(content))
        write_durably(self._file(download.kind), signature.hex().encode("ascii") + b"\n" + content)

    def load(self) -> tuple[DownloadedParameters, tuple[str, ...]]:
        """What is in force, and the kinds whose file cannot be trusted. Without a key process nobody can tell."""
        in_force, refused = shipped(), list[str]()
        for kind in KINDS:
            try:
                in_force = self._put(in_force, kind)
            except FileNotFoundError:
                continue
            except KeysGone:
                return shipped(), ()
            except (OSError, ValueError, TypeError, KeyError, Iso8583Error, VaultError):
                log.error("download_refused", kind=kind)
                refused.append(kind)
        return in_force, tuple(refused)

    def _put(self, before: DownloadedParameters, kind: str) -> DownloadedParameters:
        with self._file(kind).open("rb") as file:
            signature, _, content = file.read(FILE_MAX).partition(b"\n")
        if not self._keys.check_signature(_digest(content), bytes.fromhex(signature.decode("ascii"))):
            raise ValueError("it is not what this terminal wrote")
        kept = json.loads(content)
        if kept["kind"] != kind:
            raise ValueError("it is the file of another kind")
        after = KINDS[kind].put(before, map(bytes.fromhex, kept["items"]), self._keys.fingerprint)
        at = float(kept.get("at", LONG_AGO))
        return replace(after, downloaded_at={**before.downloaded_at, kind: at})

    def _file(self, kind: str) -> Path:
        return self._folder / f"{kind}.download"


def shipped() -> DownloadedParameters:
    """Before the first download: UnionPay's own keys, and the usual applications."""
    keys = Path(emv.__file__).with_name("data") / "unionpay_ca_keys.json"
    return DownloadedParameters(ca_keys=parse_ca_keys(keys.read_text("utf-8")))


def _digest(content: bytes) -> bytes:
    """What is signed: the key process takes short requests only."""
    return hashlib.sha256(content).digest()
