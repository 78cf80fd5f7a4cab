"""A card in the field of a contactless reader: QuickPass (qPBOC), all decided in one answer.

The same personalisation as a card with contacts has. It approves by itself what the terminal does not want online, or
decides as it is told to.
"""

from collections.abc import Mapping

from iso8583.emv_crypto import application_cryptogram, card_key, session_key
from iso8583.tlv import build_tlv
from simulators.cards.card import ATR, NO_RECORD, NOT_FOUND, NOT_NOW, OK, UNKNOWN_INSTRUCTION, WRONG_LENGTH
from simulators.cards.personalisation import Personalisation
from simulators.cards.signing import signed
from terminal.emv.dol import cut_dol, parse_dol

TAP_DIRECTORY = b"2PAY.SYS.DDF01"
TAP_PDOL = bytes.fromhex("9F66049F02069F03069F1A0295055F2A029A039C019F3704")
_FILES = bytes.fromhex("1001040118010200")
_CRYPTOGRAM_INPUT = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)
_ONLINE_REQUIRED = 0x80
_RESULTS = {"AAC": 0x80, "TC": 0x90, "ARQC": 0xA0}


class TappedCard:
    """A card by radio. `process` answers one command.

    decision: what it answers with, ``TC``, ``ARQC`` or ``AAC``; by default what it is personalised to. qualifiers: tag
    9F6C, by default the personalised ones. authentication_data: tag 9F69, of which the first byte is the version of its
    signature.
    """

    def __init__(
        self, personalisation: Personalisation, *, decision: str = "", qualifiers: bytes = b"",
        authentication_data: bytes = bytes.fromhex("01A1B2C3D40000"),
    ) -> None:  # fmt: skip
        self.personalisation = personalisation
        self.counter = personalisation.counter
        self._decision = decision or personalisation.tap_decision
        self._qualifiers = qualifiers or personalisation.qualifiers
        self._authentication_data = authentication_data
        self._selected = False

    @property
    def answer_to_reset(self) -> bytes:
        """What a reader makes up for a card by radio."""
        return ATR

    def reset(self) -> None:
        """Come into the field anew. The counter stays."""
        self._selected = False

    def process(self, apdu: bytes) -> bytes:
        """Answer a command."""
        data = apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        match apdu[1] if len(apdu) >= 5 else None:
            case 0xA4:
                return self._select(data)
            case 0xA8:
                return self._get_processing_options(data)
            case 0xB2:
                return self._read_record(apdu[3] >> 3, apdu[2])
        return UNKNOWN_INSTRUCTION

    def _select(self, name: bytes) -> bytes:
        card = self.personalisation
        label = {0x50: card.label.encode("ascii"), 0x87: b"\x01"}
        if name == TAP_DIRECTORY:
            entry = build_tlv({0x61: build_tlv({0x4F: card.aid, **label})})
            return build_tlv({0x6F: build_tlv({0x84: name, 0xA5: build_tlv({0xBF0C: entry})})}) + OK
        if name != card.aid:
            return NOT_FOUND
        self._selected = True
        return build_tlv({0x6F: build_tlv({0x84: name, 0xA5: build_tlv({**label, 0x9F38: TAP_PDOL})})}) + OK

    def _get_processing_options(self, data: bytes) -> bytes:
        if not self._selected:
            return NOT_NOW
        entries = parse_dol(TAP_PDOL, "PDOL")
        if len(data) != 2 + sum(length for _, length in entries):
            return WRONG_LENGTH
        self.counter += 1
        return build_tlv({0x77: build_tlv(self._answer(cut_dol(entries, data[2:])))}) + OK

    def _answer(self, told: Mapping[int, bytes]) -> dict[int, bytes]:
        card, counter = self.personalisation, self.counter.to_bytes(2, "big")
        wanted = "ARQC" if told[0x9F66][1] & _ONLINE_REQUIRED else "TC"
        results = bytes((0x03, _RESULTS[self._decision or wanted], 0x00, 0x00))
        key = session_key(card_key(card.issuer_key, card.pan, card.sequence), counter)
        said = b"".join(told[tag] for tag in _CRYPTOGRAM_INPUT) + card.profile + counter + results
        terminal_data = told[0x9F37]
        if self._authentication_data[:1] == b"\x01":
            terminal_data += told[0x9F02] + told[0x5F2A] + self._authentication_data
        track2 = card.records[1, 1]
        return {
            0x82: card.profile, 0x94: _FILES, 0x9F36: counter, 0x9F26: application_cryptogram(key, said),
            0x9F10: b"\x07\x01\x01" + results + b"\x01",
            0x9F4B: signed(card, b"\x02" + counter, terminal_data) if card.modulus else b"",
            0x57: track2[4 : 4 + track2[3]], 0x5F34: bytes.fromhex(card.sequence),
            0x9F6C: self._qualifiers, 0x9F69: self._authentication_data,
        }  # fmt: skip

    def _read_record(self, sfi: int, number: int) -> bytes:
        record = self.personalisation.records.get((sfi, number)) if self._selected else None
        return NO_RECORD if record is None else record + OK
