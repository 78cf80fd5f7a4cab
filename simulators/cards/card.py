"""The card itself: a command APDU in, a response APDU out. Pure, but for the memory that a chip has too.

It keeps the order of PBOC: select, GET PROCESSING OPTIONS, records, first GENERATE AC, EXTERNAL AUTHENTICATE, second
GENERATE AC. It wants its issuer's word: an approval without a good ARPC gets an AAC, but for the amounts that it may
approve by itself.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from enum import Enum, auto

from iso8583.emv_crypto import application_cryptogram, arpc, card_key, session_key
from iso8583.security import equal_macs
from iso8583.tlv import build_tlv
from simulators.cards.personalisation import CDOL1, CDOL2, DIRECTORY, PDOL, Personalisation, RecordKey
from simulators.cards.signing import opened, signed
from terminal.emv.dol import cut_dol, parse_dol

ATR = bytes.fromhex("3B80800101")
NOISE = b"\x00"
"""What a reader hears of a chip that is dead: the line stays low, and nothing in it is an answer to reset."""

COUNTER_MAX = 0xFFFF

OK = b"\x90\x00"
INVALIDATED = b"\x62\x83"
NOT_AUTHENTICATED = b"\x63\x00"
WRONG_LENGTH = b"\x67\x00"
BLOCKED = b"\x69\x83"
NOT_NOW = b"\x69\x85"
CARD_BLOCKED = b"\x6a\x81"
NOT_FOUND = b"\x6a\x82"
NO_RECORD = b"\x6a\x83"
WRONG_PARAMETERS = b"\x6a\x86"
NO_DATA = b"\x6a\x88"
UNKNOWN_INSTRUCTION = b"\x6d\x00"
OUT_OF_ORDER = b"\x6f\x00"

_AAC, _TC, _ARQC = 0x00, 0x40, 0x80
_SIGNED = 0x10
_PIN_TRIES_MAX = 3
_PLAIN_PIN, _ENCIPHERED_PIN = 0x80, 0x88
_CHALLENGE = bytes.fromhex("C0FFEE0123456789")
_FIRST_RESULT = {_AAC: 0x80, _TC: 0x90, _ARQC: 0xA0}
_SECOND_RESULT = {_AAC: 0x20, _TC: 0x60}
_ISSUER_AUTHENTICATION_FAILED = 0x08
_ISSUER_AUTHENTICATION_MISSING = 0x04
_CRYPTOGRAM_INPUT = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37)


class PulledOutError(Exception):
    """The card is no longer in the reader."""


class SilentError(Exception):
    """The card is in the reader and answers nothing."""


class _Stage(Enum):
    """How far the card is in a sale."""

    RESET = auto()
    DIRECTORY = auto()
    SELECTED = auto()
    INITIATED = auto()
    WAITING = auto()
    ENDED = auto()


class Card:
    """A chip card. `process` answers one command; `reset` is what a reader does when it is switched on."""

    def __init__(self, personalisation: Personalisation) -> None:
        self.personalisation = personalisation
        self.counter = personalisation.counter
        self.last_online_counter = 0
        self.pin_tries = personalisation.pin_tries
        self._application = personalisation
        self.reset()

    @property
    def answer_to_reset(self) -> bytes:
        """What the card says when it is switched on."""
        return NOISE if self.personalisation.mute else ATR

    def reset(self) -> None:
        """Forget the sale under way. The counters stay."""
        self._stage = _Stage.RESET
        self._commands = 0
        self._cryptogram = b""
        self._told = b""
        self._challenge = b""
        self._issuer: bool | None = None

    def process(self, apdu: bytes) -> bytes:
        """Answer a command. Raises PulledOutError or SilentError, and only of a card that is personalised so."""
        self._commands += 1
        if self._commands == self.personalisation.pulled_out_at:
            raise PulledOutError
        if self.personalisation.mute or self._commands >= (self.personalisation.silent_at or sys.maxsize):
            raise SilentError
        if self.personalisation.broken:
            return OUT_OF_ORDER
        handler = _INSTRUCTIONS.get(apdu[1]) if len(apdu) >= 4 else None
        if handler is None:
            return UNKNOWN_INSTRUCTION
        data = apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b""
        if len(apdu) > 5 and len(apdu) not in (5 + apdu[4], 6 + apdu[4]):
            return WRONG_LENGTH
        return handler(self, apdu[2], apdu[3], data)

    def _select(self, p1: int, p2: int, name: bytes) -> bytes:
        if p1 != 0x04:
            return WRONG_PARAMETERS
        if self.personalisation.blocked == "card":
            return CARD_BLOCKED
        if p2 == 0x02 or not name:
            return NOT_FOUND
        if name == DIRECTORY:
            self._stage = _Stage.DIRECTORY
            return build_tlv({0x6F: build_tlv({0x84: DIRECTORY, 0xA5: build_tlv({0x88: b"\x01"})})}) + OK
        applications = (self.personalisation, *self.personalisation.others)
        found = next((application for application in applications if application.aid.startswith(name)), None)
        if found is None:
            return NOT_FOUND
        if self.personalisation.blocked:
            return INVALIDATED
        self._stage, self._application = _Stage.SELECTED, found
        return found.file_control + OK

    def _get_processing_options(self, _p1: int, _p2: int, data: bytes) -> bytes:
        if self._stage is not _Stage.SELECTED or self.counter == COUNTER_MAX:
            return NOT_NOW
        wanted = sum(length for _, length in parse_dol(PDOL, "PDOL"))
        if data[:2] != bytes((0x83, wanted)) or len(data) != 2 + wanted:
            return WRONG_LENGTH
        self.counter += 1
        self._told = data[2:]
        self._stage = _Stage.INITIATED
        return build_tlv({0x80: self._application.profile + self._application.file_locator}) + OK

    def _read_record(self, number: int, p2: int, _data: bytes) -> bytes:
        records: Mapping[RecordKey, bytes]
        records = self.personalisation.directory if self._stage is _Stage.DIRECTORY else self._application.records
        if self._stage is _Stage.RESET:
            return NOT_NOW
        record = records.get((p2 >> 3, number))
        return NO_RECORD if record is None else record + OK

    def _get_data(self, p1: int, p2: int, _data: bytes) -> bytes:
        counters = {
            0x9F36: self._counter_bytes(), 0x9F13: self.last_online_counter.to_bytes(2, "big"),
            0x9F17: bytes((self.pin_tries,)),
        }  # fmt: skip
        tag = p1 << 8 | p2
        return build_tlv({tag: counters[tag]}) + OK if tag in counters else NO_DATA

    def _internal_authenticate(self, _p1: int, _p2: int, data: bytes) -> bytes:
        if self._stage is not _Stage.INITIATED or not self._application.modulus:
            return NOT_NOW
        return build_tlv({0x80: signed(self._application, self._dynamic_number(), data)}) + OK

    def _get_challenge(self, _p1: int, _p2: int, _data: bytes) -> bytes:
        self._challenge = _CHALLENGE
        return _CHALLENGE + OK

    def _verify(self, _p1: int, p2: int, data: bytes) -> bytes:
        challenge, self._challenge = self._challenge, b""
        if not self._application.pin or p2 not in (_PLAIN_PIN, _ENCIPHERED_PIN):
            return WRONG_PARAMETERS
        if self.pin_tries == 0:
            return BLOCKED
        if p2 == _ENCIPHERED_PIN:
            plain = opened(self._application, data)
            data = plain[1:9] if challenge and plain[:1] == b"\x7f" and plain[9:17] == challenge else b""
        pin = self._application.pin
        if data.hex().upper() == f"2{len(pin):X}{pin}".ljust(16, "F"):
            self.pin_tries = _PIN_TRIES_MAX
            return OK
        self.pin_tries -= 1
        return bytes((0x63, 0xC0 | self.pin_tries))

    def _external_authenticate(self, _p1: int, _p2: int, data: bytes) -> bytes:
        if self._stage is not _Stage.WAITING or self._issuer is not None:
            return NOT_NOW
        if len(data) != 10:
            return WRONG_LENGTH
        expected = arpc(self._session_key(), self._cryptogram, data[8:])
        self._issuer = equal_macs(expected, data[:8])
        return OK if self._issuer else NOT_AUTHENTICATED

    def _generate_ac(self, p1: int, _p2: int, data: bytes) -> bytes:
        requested, signs = p1 & ~_SIGNED, bool(p1 & _SIGNED)
        if requested not in (_AAC, _TC, _ARQC) or (signs and not self._application.modulus):
            return WRONG_PARAMETERS
        if self._stage is _Stage.INITIATED:
            return self._first(requested, data, signs)
        return self._second(requested, data, signs) if self._stage is _Stage.WAITING else NOT_NOW

    def _first(self, requested: int, data: bytes, signs: bool) -> bytes:
        kind = requested if requested == _AAC or (requested == _TC and self._may_approve(CDOL1, data)) else _ARQC
        answer = self._answer(kind, _FIRST_RESULT[kind], 0, CDOL1, data, signs)
        if answer != WRONG_LENGTH:
            self._stage = _Stage.WAITING if kind == _ARQC else _Stage.ENDED
        return answer

    def _second(self, requested: int, data: bytes, signs: bool) -> bytes:
        unable = data[:2] == b"Y3" and self._may_approve(CDOL2, data)
        agreed = requested == _TC and (self._issuer is True or unable) and not self._application.refuses_approvals
        kind = _TC if agreed else _AAC
        failed = _ISSUER_AUTHENTICATION_FAILED if self._issuer is False else 0
        missing = _ISSUER_AUTHENTICATION_MISSING if self._issuer is None else 0
        answer = self._answer(kind, _SECOND_RESULT[kind] | failed, missing, CDOL2, data, signs)
        if answer != WRONG_LENGTH:
            self._stage = _Stage.ENDED
            self.last_online_counter = self.counter if self._issuer else self.last_online_counter
        return answer

    def _may_approve(self, data_list: bytes, data: bytes) -> bool:
        """Whether the amount is one that it approves without its issuer."""
        entries = parse_dol(data_list, "CDOL")
        if len(data) != sum(length for _, length in entries):
            return False
        return 0 < int(cut_dol(entries, data)[0x9F02].hex()) <= self._application.offline_amount_max

    def _answer(self, kind: int, result: int, findings: int, data_list: bytes, data: bytes, signs: bool) -> bytes:
        entries = parse_dol(data_list, "CDOL")
        if len(data) != sum(length for _, length in entries):
            return WRONG_LENGTH
        verification = bytes((0x03, result, findings, 0x00))
        values = cut_dol(entries, data)
        self._cryptogram = application_cryptogram(self._session_key(), self._input(values) + verification)
        issuer_data = b"\x07\x01\x01" + verification + b"\x01"
        self._told += data
        if not signs or kind == _AAC:
            return build_tlv({0x80: bytes((kind,)) + self._counter_bytes() + self._cryptogram + issuer_data}) + OK
        head = build_tlv({0x9F27: bytes((kind,)), 0x9F36: self._counter_bytes()})
        tail = build_tlv({0x9F10: issuer_data})
        said = hashlib.sha1(self._told + head + tail, usedforsecurity=False).digest()
        dynamic = self._dynamic_number() + bytes((kind,)) + self._cryptogram + said
        signature = signed(self._application, dynamic, values[0x9F37])
        return build_tlv({0x77: head + build_tlv({0x9F4B: signature}) + tail}) + OK

    def _dynamic_number(self) -> bytes:
        return b"\x02" + self._counter_bytes()

    def _input(self, values: Mapping[int, bytes]) -> bytes:
        joined = b"".join(values[tag] for tag in _CRYPTOGRAM_INPUT)
        return joined + self._application.profile + self._counter_bytes()

    def _session_key(self) -> bytes:
        own = self._application
        return session_key(card_key(own.issuer_key, own.pan, own.sequence), self._counter_bytes())

    def _counter_bytes(self) -> bytes:
        return self.counter.to_bytes(2, "big")


_INSTRUCTIONS: Mapping[int, Callable[[Card, int, int, bytes], bytes]] = {
    0xA4: Card._select,
    0xA8: Card._get_processing_options,
    0xB2: Card._read_record,
    0xCA: Card._get_data,
    0xAE: Card._generate_ac,
    0x82: Card._external_authenticate,
    0x88: Card._internal_authenticate,
    0x84: Card._get_challenge,
    0x20: Card._verify,
}
