"""A vault file and a key process on it, in the hand."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from host_switch.download_files import items_of
from iso8583.unionpay import WorkingKeys62
from simulators.cards import CA_KEYS_FILE
from terminal.download_store import DownloadStore
from terminal.downloads import Download
from terminal.key_link import KeyLink
from terminal.key_store import KeyStore

MASTER = bytes.fromhex("11111111111111112222222222222222")
PIN_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
MAC_KEY = bytes.fromhex("1032547698BADCFE")
TRACK_KEY = bytes.fromhex("89ABCDEF0123456776543210FEDCBA98")
KEYS = WorkingKeys62.wrap(MASTER, PIN_KEY, MAC_KEY, TRACK_KEY)


def new_vault(folder: Path) -> Path:
    """A vault file under `MASTER`."""
    KeyStore.create(folder / "vault.json", MASTER)
    return folder / "vault.json"


def keep_test_ca_keys(folder: Path) -> None:
    """As if a terminal had downloaded the key of the test cards' authority."""
    keys = KeyStore(folder / "vault.json")
    DownloadStore(folder, keys).keep(
        Download("ca_keys", items_of("ca-keys", CA_KEYS_FILE.read_text("utf-8"))), at=time.time()
    )
    keys.close()


@asynccontextmanager
async def key_process(vault: Path, answer_within_s: float = 10.0) -> AsyncIterator[KeyLink]:
    """A key process on a vault file; without one, or one that is broken, `trouble` says so."""
    link = KeyLink(vault, answer_within_s=answer_within_s)
    link.begin()
    await link.opened()
    try:
        yield link
    finally:
        link.close()
