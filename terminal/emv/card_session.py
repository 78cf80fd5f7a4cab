"""The working state of one card sale: what card and terminal have said, and the way a command goes to the card.

Terminal data comes first wherever a data object is looked up, so a card cannot put its own amount into a cryptogram.
"""

from collections.abc import Mapping
from typing import Literal

from terminal.emv import apdu
from terminal.emv.apdu import Response
from terminal.emv.certificates import RsaKey
from terminal.emv.dates import full_date
from terminal.emv.dol import fill_dol, parse_dol
from terminal.emv.faults import CardError, MalformedError
from terminal.emv.flags import Tsi, Tvr
from terminal.emv.objects import objects_of
from terminal.emv.parameters import MERCHANT_NAME_LENGTH, Application, SaleFacts, TerminalParameters
from terminal.emv.steps import CardData, Cvm, Flow, NoAnswer, OnlineAnswer, Transmit
from terminal.emv.tags import Tag

COMMANDS_MAX = 128
"""More commands than any card needs (a full file list has 63 records), and an end for one that always wants another."""


class CardSession:
    """One sale between a card and this terminal. `card` holds the data objects that the card gave, by tag.

    `static_data`: what the card's certificates sign of its records; None where that cannot be told. `combined_key`: the
    card's key, once its cryptograms are to be signed with it (CDA). `told`: what each of the card's lists has been
    filled with; a signed cryptogram signs it too. `initiated`: the card has agreed to begin.
    """

    def __init__(
        self, parameters: TerminalParameters, facts: SaleFacts, interface: Literal["contact", "contactless"] = "contact"
    ) -> None:
        self.parameters = parameters
        self.facts = facts
        self.interface = interface
        self.application = parameters.applications[0]
        self.card: dict[int, bytes] = {}
        self.terminal: dict[int, bytes] = _terminal_data(parameters, facts, interface)
        self.tvr = Tvr.NONE
        self.tsi = Tsi.NONE
        self.cvm: Cvm = "none"
        self.pin_block: bytes | None = None
        self.sent: CardData | None = None
        self.online_answer: OnlineAnswer | NoAnswer | None = None
        self.script_results = b""
        self.cryptogram_kind = ""
        self.commands_left = COMMANDS_MAX
        self.today = full_date(facts.date)
        self.static_data: bytes | None = None
        self.combined_key: RsaKey | None = None
        self.told: dict[Tag, bytes] = {}
        self.initiated = False
        self.application_blocked = False

    def begin_application(self, application: Application, name: bytes) -> None:
        """Forget all earlier findings: another application of the card is used from here on."""
        self.application = application
        self.card.clear()
        self.tvr = Tvr.NONE
        self.static_data = self.combined_key = None
        self.told.clear()
        self.terminal |= {
            Tag.TERMINAL_AID: name,
            Tag.TERMINAL_VERSION: application.version,
            Tag.FLOOR_LIMIT: _binary_amount(application.floor_limit),
        }

    def value(self, tag: int) -> bytes | None:
        """A data object as it stands now; None if neither terminal nor card has it."""
        if tag == Tag.TVR:
            return self.tvr.to_bytes(5, "big")
        if tag == Tag.TSI:
            return self.tsi.to_bytes(2, "big")
        return self.terminal.get(tag, self.card.get(tag))

    def filled(self, list_tag: Tag) -> bytes:
        """The data that one of the card's data object lists asks for."""
        self.told[list_tag] = fill_dol(parse_dol(self.card.get(list_tag, b""), list_tag.name), self.value)
        return self.told[list_tag]

    def exchange(self, command: bytes) -> Flow[Response]:
        """Send a command and fetch all of its answer, over the detours of T=0 (61xx, 6Cxx). Raises CardError."""
        where = apdu.name_of(command)
        response = yield from self._transmit(command, where)
        again = apdu.with_length(command, response.status & 0xFF) if response.status >> 8 == 0x6C else None
        if again is not None:
            response = yield from self._transmit(again, where)
        data = response.data
        while response.status >> 8 == 0x61:
            response = yield from self._transmit(apdu.get_response(response.status & 0xFF), where)
            data += response.data
            if len(data) > apdu.RESPONSE_LENGTH_MAX:
                raise MalformedError(where)
        return Response(data, response.status)

    def get_data(self, tag: Tag) -> Flow[bytes | None]:
        """One of the card's counters; None where it keeps it to itself. Raises CardError."""
        response = yield from self.exchange(apdu.get_data(tag))
        try:
            return objects_of(response.data, "GET DATA").get(tag) if response.ok else None
        except MalformedError:
            return None

    def _transmit(self, command: bytes, where: str) -> Flow[Response]:
        if self.commands_left == 0:
            raise CardError("too_many_commands", where)
        self.commands_left -= 1
        answer = yield Transmit(command)
        if not isinstance(answer, bytes):
            raise CardError("removed", where)
        try:
            return Response.parse(answer)
        except ValueError:
            raise MalformedError(where) from None


def _terminal_data(parameters: TerminalParameters, facts: SaleFacts, interface: str) -> dict[int, bytes]:
    digits: Mapping[int, str] = {
        Tag.AMOUNT: f"{facts.amount:012d}",
        Tag.AMOUNT_OTHER: f"{facts.amount_other:012d}",
        Tag.CURRENCY: f"0{parameters.currency}",
        Tag.CURRENCY_EXPONENT: f"0{parameters.currency_exponent}",
        Tag.DATE: facts.date,
        Tag.TIME: facts.time,
        Tag.TYPE: facts.type,
        Tag.SEQUENCE: f"{facts.sequence:08d}",
        Tag.COUNTRY: f"0{parameters.country}",
        Tag.TERMINAL_TYPE: parameters.terminal_type,
        Tag.MERCHANT_CATEGORY: parameters.merchant_category,
        Tag.ENTRY_MODE: "05" if interface == "contact" else "07",
        Tag.CASH_INDICATOR: "00",
        Tag.SM_SUPPORT: "00",
    }
    texts: Mapping[int, str] = {
        Tag.MERCHANT_ID: parameters.merchant_id,
        Tag.TERMINAL_ID: parameters.terminal_id,
        Tag.IFD_SERIAL: parameters.ifd_serial,
        Tag.MERCHANT_NAME: parameters.merchant_name.ljust(MERCHANT_NAME_LENGTH),
    }
    return {
        **{tag: bytes.fromhex(text) for tag, text in digits.items()},
        **{tag: text.encode("ascii") for tag, text in texts.items()},
        Tag.AMOUNT_BINARY: _binary_amount(facts.amount),
        Tag.UNPREDICTABLE_NUMBER: facts.unpredictable_number,
        Tag.CAPABILITIES: parameters.capabilities,
        Tag.ADDITIONAL_CAPABILITIES: parameters.additional_capabilities,
    }


def _binary_amount(amount: int) -> bytes:
    return min(amount, 0xFFFFFFFF).to_bytes(4, "big")
