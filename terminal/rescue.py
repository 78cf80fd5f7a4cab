"""What a terminal still owes, taken off it: sealed for the host, in a file or on sheets of codes, and carried there.

For the terminal whose line is dead for good, or that does not start any more: its folder is enough. Its journal is read
from a copy and never written, so that whatever is exported may still be sent by the terminal itself: the host knows
every message by its key, and books it once.
"""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import qrcode

from firmware_config.profile import TerminalProfile, load_profile
from iso8583 import Iso8583Error, Message
from iso8583.framing import FrameBuffer, with_length
from iso8583.rescue import Rescue
from iso8583.transactions import TYPES
from iso8583.unionpay import MAC_BYTES, Block60, Frame
from terminal import messages
from terminal.book import Book, Payment
from terminal.certificates import client_context
from terminal.effects import Send
from terminal.journal import Journal
from terminal.key_frames import KeysGone
from terminal.key_link import KeyLink
from terminal.payment import CARD_REFUSED, NO_ANSWER
from terminal.transitions import State
from terminal.vault import CardLost, Vault

CARRIER: Final = TYPES["rescue_upload"]
READ_BYTES: Final = 4096


class RescueError(Exception):
    """It cannot be exported or carried; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What could be taken off, and the keys of the payments that could not: their card numbers went with the keys."""

    rescue: Rescue
    keys: tuple[str, ...]
    left: tuple[str, ...]


def owed(payments: Iterable[Payment]) -> list[Send]:
    """The messages that these payments still owe the host, reversals first, each as one that may have been sent before.

    A payment that was under way when the terminal died counts as it would after a restart: it is reversed, or repeated.
    """
    reversals: list[Send] = []
    advices: list[Send] = []
    for payment in payments:
        rules = payment.rules
        if payment.is_final or payment.state is State.STARTED or rules.recovery == "none":
            continue
        if rules.recovery == "repeat":
            cards = (payment.card,) if payment.card else ()
            advices.append(Send(messages.advice(payment.recovery_fields, rules.mti, again=True), cards))
        else:
            reason = payment.reason or (CARD_REFUSED if payment.state is State.COMPLETING else NO_ANSWER)
            kept = payment.recovery_fields
            reversals.append(Send(messages.reversal(kept, reason, payment.authorisation, again=True)))
    return [*reversals, *advices]


async def export(folder: Path) -> Exported:
    """Seal what the terminal in this folder owes. It must not be running.

    Raises:
        ProfileError, JournalError: profile or journal cannot be read.
        KeysGone: there are no keys, or the terminal runs; the text says what to do.
        RescueError: there is no journal.
    """
    profile = load_profile(folder / "profile.toml")
    sends = owed(_payments(folder))
    sealed: list[bytes] = []
    keys: list[str] = []
    left: list[str] = []
    async with _keys(folder) as link:
        vault = Vault(link)
        for send in sends:
            key = str(messages.key_in(send.message))
            try:
                pans = vault.cards_for(send.message, send.cards)
            except CardLost:
                left.append(key)
                continue
            message = messages.with_cards(send.message, pans).with_({64: bytes(MAC_BYTES)})
            frame = Frame(profile.host.tpdu, profile.host.header, message).to_bytes()
            sealed.append(link.seal_for_host(profile.terminal_id, frame))
            keys.append(key)
    return Exported(Rescue(profile.terminal_id, tuple(sealed)), tuple(keys), tuple(left))


def _payments(folder: Path) -> list[Payment]:
    """The payments whose end is not known, oldest batch first, those of parked batches too.

    They are read from a copy of the journal: the disk of a dead terminal stays as it is.
    """
    if not (folder / "journal.db").exists():
        raise RescueError(f"there is no journal in {folder}: name the terminal's folder with --data")
    with tempfile.TemporaryDirectory() as copy:
        for name in ("journal.db", "journal.db-wal"):
            if (folder / name).exists():
                shutil.copy(folder / name, copy)
        with closing(Journal(Path(copy) / "journal.db")) as journal:
            book = Book()
            for record in journal.replay():
                book.apply(record)
            parked = [
                payment for each in book.parked.values()
                for payment in Book.of_parked_batch(each.batch, journal.batch(each.terminal, each.batch)).unresolved()
            ]  # fmt: skip
    return [*parked, *book.unresolved()]


@asynccontextmanager
async def _keys(folder: Path) -> AsyncIterator[KeyLink]:
    link = KeyLink(folder / "vault.json")
    link.begin()
    await link.opened()
    try:
        if link.trouble:
            raise KeysGone(link.trouble)
        yield link
    finally:
        link.close()


def draw_sheets(rescue: Rescue, folder: Path) -> list[Path]:
    """Draw one code for each sheet: ``sheet-01-of-03.png`` and so on, for a scanner at the host's."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = rescue.sheets()
    paths = [folder / f"sheet-{number:02d}-of-{len(texts):02d}.png" for number in range(1, len(texts) + 1)]
    for path, text in zip(paths, texts, strict=True):
        with path.open("wb") as file:
            qrcode.make(text, error_correction=qrcode.constants.ERROR_CORRECT_L, box_size=4).save(file, "PNG")
    return paths


async def carry(folder: Path, rescue: Rescue, tell: Callable[[int, str], None]) -> int:
    """Carry another terminal's messages to the host over this terminal's line, one after the other.

    Args:
        folder: of the terminal whose line is used; it may be running.
        rescue: what the other terminal owes.
        tell: is told the number of each message from 1 on, and the host's answer to it; empty if there was none.

    Returns:
        How many were answered.

    Raises:
        ProfileError, CertificateError: this terminal cannot be used for it.
        RescueError: the host cannot be reached, or a message is too long for a line.
    """
    profile = load_profile(folder / "profile.toml")
    tls = client_context(folder) if profile.host.tls else None
    frames = [_carried(profile, rescue.terminal, number, sealed) for number, sealed in enumerate(rescue.sealed, 1)]
    async with _line(profile, tls) as (reader, writer):
        answered = 0
        for number, frame in enumerate(frames, 1):
            writer.write(with_length(frame))
            code = await _answer(reader, profile.host.reply_timeout_s)
            tell(number, code)
            answered += bool(code)
    return answered


def _carried(profile: TerminalProfile, terminal: str, number: int, sealed: bytes) -> bytes:
    block = Block60(CARRIER.type_code, "000000", CARRIER.management_code).to_text()
    fields = {11: f"{number % 1_000_000:06d}", 41: profile.terminal_id, 42: profile.merchant_id, 60: block}
    message = Message(CARRIER.mti, {**fields, 62: terminal.encode("ascii") + sealed})
    try:
        return Frame(profile.host.tpdu, profile.host.header, message).to_bytes()
    except Iso8583Error:
        raise RescueError(f"message {number} is too long for a line: bring the file to the host") from None


@asynccontextmanager
async def _line(
    profile: TerminalProfile, tls: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host = profile.host
    try:
        async with asyncio.timeout(host.connect_timeout_s):
            reader, writer = await asyncio.open_connection(host.address, host.port, ssl=tls)
    except (OSError, TimeoutError):
        raise RescueError(f"the host at {host.address}:{host.port} cannot be reached: try again later") from None
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, within_s: float) -> str:
    """The response code of the next answer; empty if none comes."""
    frames = FrameBuffer()
    try:
        async with asyncio.timeout(within_s):
            while data := await reader.read(READ_BYTES):
                frames.receive(data)
                if (frame := frames.next_frame()) is not None:
                    return Frame.parse(frame).message.text(39, "")
    except (OSError, TimeoutError, Iso8583Error):
        pass
    return ""
