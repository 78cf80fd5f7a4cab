"""All devices of one counter and what a person may do with them: a table of orders, the state, and its changes."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.cards import Personalisation, TappedCard
from simulators.counter.phone import WALLET_FILE, Phone
from simulators.counter.roll import PaperRoll
from simulators.counter.slot import CardSlot
from simulators.pin_pad import VirtualPinPad
from simulators.printer import PrintedSlip, VirtualPrinter
from simulators.scanner import VirtualScanner
from simulators.stripe_reader import VirtualStripeReader
from simulators.wallet import KINDS, Wallet
from simulators.wallet.issuing import Online

DECK_ORDER = (
    "good", "golden", "two_accounts", "offline", "insufficient_funds", "lost", "refuses_approvals", "pulled_out",
    "contactless", "insert_instead", "expired", "pin_blocked", "black_listed", "application_blocked",
    "card_blocked", "sda_only", "broken_certificates", "wrong_cryptogram", "silent", "foreign", "broken_chip", "mute",
    "stripe_only", "stripe_signed",
)  # fmt: skip
PIN = "123456"
"""The PIN of every card in the deck, for the hint; the issuer holds it too."""

SLIPS_FOLDER = "slips"
PAD_KEYS = (*"123456789", "cancel", "0", "clear", "enter")


class OrderRefused(Exception):
    """A person wants something that the devices do not have; the text names it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the devices stand: `folder` holds the serial lines and the slips."""

    folder: Path
    reader_port: int
    contactless_port: int
    printer_port: int
    paper_columns: int = 32


class Devices:
    """The devices of one counter. Make them with `plugged_in`."""

    def __init__(self, places: Places, master_key: bytes, online: Online | None = None) -> None:
        self._places = places
        slips = places.folder / SLIPS_FOLDER
        slips.mkdir(parents=True, exist_ok=True)
        self.roll = PaperRoll(slips)
        self.phone = Phone(Wallet(places.folder / WALLET_FILE), time.time, online)
        self.slot = CardSlot(places.reader_port, self._changed)
        self.field = CardSlot(places.contactless_port, self._changed, TappedCard)
        self.pin_pad = VirtualPinPad(
            places.folder / "pin_pad", master_key, on_display=lambda _: self._changed(),
            memory=places.folder / "pin_pad.key",
        )  # fmt: skip
        self.scanner = VirtualScanner(places.folder / "scanner")
        self.stripe_reader = VirtualStripeReader(places.folder / "stripe_reader")
        self.printer = VirtualPrinter(slips, places.paper_columns, self._slip_out)
        self._powered = False
        self._life = secrets.token_hex(4)
        self._changes = 0
        self._change = asyncio.Event()

    @classmethod
    async def plugged_in(cls, places: Places, master_key: bytes, online: Online | None = None) -> "Devices":
        """Set the devices up; `online` is what the phone reaches with a network.

        Raises OSError if the printer's port is taken, WalletError if the phone's file is no wallet.
        """
        devices = cls(places, master_key, online)
        await devices.printer.start(places.printer_port)
        devices._powered = True
        return devices

    async def close(self) -> None:
        """Take everything away."""
        await self.slot.remove()
        await self.field.remove()
        self.pin_pad.close()
        self.scanner.close()
        self.stripe_reader.close()
        if self._powered:
            await self.printer.close()

    @property
    def version(self) -> str:
        """Changes whenever the state does, and with every new process."""
        return f"{self._life}-{self._changes}"

    async def changed_since(self, version: str) -> None:
        """Return when the state is another than that of `version`."""
        while version == self.version:
            await self._change.wait()

    async def obey(self, order: str, value: str = "") -> None:
        """Do what a person does with a device. Raises OrderRefused for what is not in the table."""
        if order not in ORDERS:
            raise OrderRefused(f"no order {order!r}: there are {', '.join(ORDERS)}")
        await ORDERS[order](self, value)
        self._changed()

    def state(self) -> dict[str, Any]:
        """Everything that a person sees on the counter, as plain values; nothing here is secret."""
        printer = self.printer.interpreter
        return {
            "version": self.version,
            "card": self.slot.inside,
            "tapped": self.field.inside,
            "deck": [self._card(name) for name in DECK_ORDER],
            "pin_pad": {"display": list(self.pin_pad.display), "asks": self.pin_pad.asks_for_pin},
            "phone": self.phone.state(),
            "printer": {"power": self._powered, "paper": not printer.roll.empty, "cover_open": printer.cover_open},
            "slips": [
                {"number": slip.number, "torn": slip.torn, "text": slip.text, "file": str(slip.picture)}
                for slip in reversed(self.roll.slips)
            ],
        }

    def _card(self, name: str) -> dict[str, Any]:
        card = self.slot.card(name)
        return {
            "name": name, "number": self.slot.masked(name), "has_chip": card.has_chip, "has_antenna": card.contactless,
        }  # fmt: skip

    async def insert_card(self, name: str) -> None:
        """Put a card of the deck into the slot."""
        if not self._of_the_deck(name).has_chip:
            raise OrderRefused(f"the card {name!r} has no chip: swipe it")
        await self.slot.insert(name)

    async def tap(self, name: str) -> None:
        """Hold a card of the deck in the field of the contactless reader, until it is taken away."""
        if not self._of_the_deck(name).contactless:
            raise OrderRefused(f"the card {name!r} has no antenna: insert it")
        await self.field.insert(name)

    async def take_away(self, _value: str) -> None:
        """Take the card out of the field."""
        await self.field.remove()

    async def swipe(self, name: str) -> None:
        """Pull a card of the deck through the stripe reader."""
        self.stripe_reader.swipe(self._of_the_deck(name))

    def _of_the_deck(self, name: str) -> Personalisation:
        if name not in DECK_ORDER:
            raise OrderRefused(f"no card {name!r}: the deck has {', '.join(DECK_ORDER)}")
        return self.slot.card(name)

    async def remove_card(self, _value: str) -> None:
        """Pull the card out."""
        await self.slot.remove()

    async def press(self, keys: str) -> None:
        """Press keys of the PIN pad: one by its name, or digits in a row."""
        for key in [keys] if keys in PAD_KEYS else keys:
            if key not in PAD_KEYS:
                raise OrderRefused(f"no key {key!r}: the pad has {', '.join(PAD_KEYS)}")
            self.pin_pad.press(key)

    async def tamper(self, _value: str) -> None:
        """Open the PIN pad's case: it erases its keys and says so to the terminal. Only a new pad works again."""
        self.pin_pad.tamper()

    async def scan(self, _value: str) -> None:
        """Hold the phone under the scanner; then it shows another code."""
        if not self.phone.code:
            raise OrderRefused(self.phone.trouble)
        self.scanner.scan(self.phone.code)
        self.phone.show_fresh_code()

    async def fresh_code(self, _value: str) -> None:
        """Let the phone show another code."""
        self.phone.show_fresh_code()

    async def airplane(self, value: str) -> None:
        """``on``: the phone has no network, and makes codes by itself; ``off``: it goes online."""
        await self.phone.airplane(value != "off")

    async def code_kind(self, value: str) -> None:
        """In airplane mode, let the phone show ``digits`` or ``signed`` codes."""
        kind = next((kind for kind in KINDS if kind == value), None)
        if kind is None:
            raise OrderRefused(f"no kind {value!r}: there are {', '.join(KINDS)}")
        self.phone.choose(kind)

    async def paper(self, value: str) -> None:
        """``out``: the roll is at its end; ``in``: a new roll is put in."""
        if value == "out":
            self.printer.run_out_of_paper()
        else:
            await self.printer.load_paper()

    async def cover(self, value: str) -> None:
        """``open`` the printer's cover, or close it."""
        if value == "open":
            self.printer.open_cover()
        else:
            await self.printer.close_cover()

    async def power(self, value: str) -> None:
        """Switch the printer ``off``, or on."""
        wanted = value != "off"
        if wanted != self._powered:
            await (self.printer.restore_power() if wanted else self.printer.lose_power())
        self._powered = wanted

    def _slip_out(self, slip: PrintedSlip) -> None:
        self.roll.add(slip)
        self._changed()

    def _changed(self) -> None:
        self._changes += 1
        self._change.set()
        self._change = asyncio.Event()


ORDERS: Mapping[str, Callable[[Devices, str], Awaitable[None]]] = {
    "insert_card": Devices.insert_card,
    "remove_card": Devices.remove_card,
    "tap": Devices.tap,
    "take_away": Devices.take_away,
    "swipe": Devices.swipe,
    "press": Devices.press,
    "tamper": Devices.tamper,
    "scan": Devices.scan,
    "fresh_code": Devices.fresh_code,
    "airplane": Devices.airplane,
    "code_kind": Devices.code_kind,
    "paper": Devices.paper,
    "cover": Devices.cover,
    "power": Devices.power,
}
"""What a person may do, by the word of the page and of the JSON door."""
