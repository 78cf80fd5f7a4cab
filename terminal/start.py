"""The composition root: one terminal out of its folder. The only place that chooses drivers and stores.

The folder holds `profile.toml`, `vault.json` (keys), `operators.json` and `journal.db`; where the host has set which
payment codes there are, also `payment_codes.toml` and, signed, `payment_codes.sig`; and what was downloaded, or
installed with `tillgate terminal codes`.
For TLS, `tls.key` and `tls.pem`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from firmware_config.profile import Devices, TerminalProfile, load_profile
from terminal.certificates import client_context
from terminal.code_store import CodeStore
from terminal.devices import CardReader, PinPad, Printer, Scanner, Speaker, StripeReader
from terminal.devices.supervision import CounterDevices, Opener, Supervision
from terminal.download_store import DownloadStore
from terminal.effects import Effect
from terminal.journal import Journal, JournalError
from terminal.key_link import KeyLink
from terminal.operators import Operators
from terminal.payment_codes import SHIPPED, CodeTable, CodeTableError, parse_code_table, signed_code_table
from terminal.runner import Runner
from terminal.steady_clock import SteadyClock

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Terminal:
    """A terminal ready to run."""

    profile: TerminalProfile
    runner: Runner
    operators: Operators
    keys: KeyLink


@asynccontextmanager
async def opened(
    folder: Path, after_effect: Callable[[Effect], None] = lambda _: None, clock: SteadyClock | None = None
) -> AsyncIterator[Terminal]:
    """Open everything that a terminal needs, and close it afterwards.

    Raises ProfileError, CertificateError or JournalError, each with a sentence that says what to do. A terminal without
    keys opens all the same, out of service: its page says why, and its journal can be read.
    """
    profile = load_profile(folder / "profile.toml")
    tls = client_context(folder) if profile.host.tls or (profile.courier.address and profile.courier.tls) else None
    keys = KeyLink(folder / "vault.json")
    keys.begin()  # it starts while the journal is being read
    try:
        journal = Journal(folder / "journal.db")
    except JournalError:
        keys.close()
        raise
    devices = CounterDevices(openers=openers_of(profile.devices, keys.erase))
    supervision = Supervision(devices)
    try:
        await supervision.open()
        await keys.opened()
        codes = codes_of(folder, profile.payment_codes_key)
        downloads = DownloadStore(folder, keys)
        trust = CodeStore(folder, keys)
        runner = Runner(profile, journal, keys, supervision, downloads, after_effect, codes, tls, clock, trust)
        yield Terminal(profile, runner, Operators(folder / "operators.json"), keys)
    finally:
        await supervision.close()
        keys.close()
        journal.close()


def codes_of(folder: Path, public_key: str) -> CodeTable:
    """Read the terminal's own table of payment codes; without one, or if it cannot be used, the shipped one serves.

    A table that arrived damaged must not end all selling by code, so it is told in the log only.
    """
    path = folder / "payment_codes.toml"
    if not path.exists():
        return SHIPPED
    try:
        data = path.read_bytes()
        if not public_key:
            return parse_code_table(data)
        return signed_code_table(data, path.with_suffix(".sig").read_bytes(), bytes.fromhex(public_key))
    except OSError as error:
        log.error("payment_codes_refused", reason=error.strerror)
    except CodeTableError as error:
        log.error("payment_codes_refused", reason=str(error))
    return SHIPPED


def openers_of(where: Devices, tampered: Callable[[], None]) -> dict[str, Opener]:
    """How to open each device that the profile names; its driver is imported only then.

    `tampered` is for the PIN pad that notices.
    """

    async def card_reader() -> CardReader:
        return await open_card_reader(where.card_reader, where.card_reader_port)

    async def contactless_reader() -> CardReader:
        return await open_card_reader(where.contactless_reader, where.contactless_reader_port)

    async def stripe_reader() -> StripeReader:
        from terminal.devices.stripe_reader_serial import SerialStripeReader  # noqa: PLC0415

        path, baud = where.stripe_reader_path, where.stripe_reader_baud
        return SerialStripeReader(path, with_lrc=where.stripe_reader_lrc, baud=baud)

    async def pin_pad() -> PinPad:
        from terminal.devices.pin_pad_serial import SerialPinPad  # noqa: PLC0415

        return SerialPinPad(where.pin_pad_path, tampered=tampered)

    async def scanner() -> Scanner | None:
        return open_scanners(where)

    async def printer() -> Printer:
        return open_printer(where)

    async def speaker() -> Speaker:
        from terminal.devices.speaker_espeak import EspeakSpeaker  # noqa: PLC0415

        return EspeakSpeaker.find("" if where.voice == "speaker" else where.voice)

    there: dict[str, tuple[object, Opener]] = {
        "card_reader": (where.reads_chips, card_reader),
        "contactless_reader": (where.reads_taps, contactless_reader),
        "stripe_reader": (where.stripe_reader_path, stripe_reader),
        "pin_pad": (where.pin_pad_path, pin_pad),
        "scanner": (where.scanner_path or where.camera or where.scanner_keyboard, scanner),
        "printer": (where.printer_address, printer),
        "speaker": (where.voice, speaker),
    }
    return {name: opener for name, (named, opener) in there.items() if named}


async def open_card_reader(name: str, port: int) -> CardReader:
    """Open the PC/SC reader of this name; without one, a slot for virtual cards."""
    if name:
        from terminal.devices.card_reader_pcsc import PcscCardReader  # noqa: PLC0415

        return await PcscCardReader.open(name.removeprefix("pcsc:"))
    from terminal.devices.card_reader_vpcd import VpcdCardReader  # noqa: PLC0415

    return await VpcdCardReader.listen(port)


def open_printer(where: Devices) -> Printer:
    """Make the driver of the printer that the profile names; the printer itself is reached for at every job."""
    match where.printer_kind:
        case "tcp":
            from terminal.devices.printer_tcp import tcp_printer  # noqa: PLC0415

            return tcp_printer(where.printer_address, where.printer_port)
        case "serial":
            from terminal.devices.printer_serial import serial_printer  # noqa: PLC0415

            return serial_printer(where.printer_address, where.printer_baud)
        case "usb":
            from terminal.devices.printer_usb import usb_printer  # noqa: PLC0415

            return usb_printer(where.printer_address)
        case "file":
            from terminal.devices.printer_file import FilePrinter  # noqa: PLC0415

            return FilePrinter(where.printer_address)


def open_scanners(where: Devices) -> Scanner | None:
    """Open whatever reads codes here. A terminal without a camera never imports OpenCV."""
    scanners: list[Scanner] = []
    if where.scanner_keyboard:
        from terminal.devices.scanner_keyboard import KeyboardScanner  # noqa: PLC0415

        scanners.append(KeyboardScanner(where.scanner_prefixes, where.scanner_repeat_s))
    if where.scanner_path:
        from terminal.devices.scanner_serial import ScanLines, SerialScanner  # noqa: PLC0415

        lines = ScanLines(where.scanner_prefixes, where.scanner_suffixes, where.scanner_repeat_s)
        scanners.append(SerialScanner(where.scanner_path, lines, baud=where.scanner_baud))
    if where.camera:
        from terminal.devices.scanner_camera import CameraScanner  # noqa: PLC0415

        scanners.append(CameraScanner(where.camera, repeat_window_s=where.scanner_repeat_s))
    if len(scanners) < 2:
        return scanners[0] if scanners else None
    from terminal.devices.scanner_several import SeveralScanners  # noqa: PLC0415

    return SeveralScanners(scanners)


async def run(folder: Path, after_effect: Callable[[Effect], None] = lambda _: None) -> None:
    """Run a terminal and its page until cancelled."""
    from terminal.cashier.app import serve  # noqa: PLC0415  the page loads while the journal is being read
    from terminal.cashier.voice import announce  # noqa: PLC0415

    async with opened(folder, after_effect) as terminal, asyncio.TaskGroup() as group:
        group.create_task(terminal.runner.run())
        group.create_task(serve(terminal.runner, terminal.operators, terminal.profile.page_port))
        if terminal.profile.devices.voice:
            group.create_task(announce(terminal.runner))
