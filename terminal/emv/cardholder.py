"""Cardholder verification (EMV Book 3 §10.5): walk the card's list of methods until one of them does.

Methods: online PIN, offline PIN plain and enciphered, either with a signature, signature, identity document (PBOC), no
CVM. Which of them this counter has, terminal capabilities (9F33) say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from terminal.emv.card_session import CardSession
from terminal.emv.faults import CustomerCancelledError, MalformedError
from terminal.emv.flags import Aip, Tsi, Tvr
from terminal.emv.offline_pin import PIN_FINDINGS, verify_offline_pin
from terminal.emv.reading import number_of
from terminal.emv.steps import AskPin, CheckDocument, DocumentChecked, Flow, PinResult
from terminal.emv.tags import Tag

_TRY_NEXT = 0x40
_FAIL = 0x00
_PLAIN_PIN, _PLAIN_PIN_AND_SIGNATURE, _ENCIPHERED_PIN, _ENCIPHERED_PIN_AND_SIGNATURE = 0x01, 0x03, 0x04, 0x05
_ONLINE_PIN = 0x02
_SIGNATURE = 0x1E
_NO_CVM = 0x1F
_DOCUMENT = 0x20
_CAPABILITIES: Mapping[int, int] = {
    _PLAIN_PIN: 0x80, _ONLINE_PIN: 0x40, _PLAIN_PIN_AND_SIGNATURE: 0xA0, _ENCIPHERED_PIN: 0x10,
    _ENCIPHERED_PIN_AND_SIGNATURE: 0x30, _SIGNATURE: 0x20, _NO_CVM: 0x08, _DOCUMENT: 0x01,
}  # fmt: skip
"""Which bits of terminal capabilities (9F33) byte 2 must be set for a method to be used here."""
_KNOWN = _CAPABILITIES.keys() | {_FAIL}
_PINS = frozenset({
    _PLAIN_PIN, _ONLINE_PIN, _PLAIN_PIN_AND_SIGNATURE, _ENCIPHERED_PIN, _ENCIPHERED_PIN_AND_SIGNATURE,
})  # fmt: skip
_ENCIPHERED = frozenset({_ENCIPHERED_PIN, _ENCIPHERED_PIN_AND_SIGNATURE})
_AND_SIGNATURE = frozenset({_PLAIN_PIN_AND_SIGNATURE, _ENCIPHERED_PIN_AND_SIGNATURE})

_UNKNOWN, _FAILED, _SUCCESSFUL = 0, 1, 2
_NOT_PERFORMED = b"\x3f\x00\x00"


@dataclass(frozen=True, slots=True)
class CvmRule:
    """One rule: the method's code, whether the next may be tried when it fails, and the condition it stands under."""

    code: int
    try_next: bool
    condition: int

    @property
    def method(self) -> bytes:
        """The rule's two bytes, as CVM results name it."""
        return bytes((self.code | (_TRY_NEXT if self.try_next else 0), self.condition))


@dataclass(frozen=True, slots=True)
class CvmList:
    """The card's list: two amounts in minor units of the card's currency, and the rules in order."""

    x: int
    y: int
    rules: tuple[CvmRule, ...]


def parse_cvm_list(data: bytes) -> CvmList:
    """Read tag 8E; raise MalformedError if its amounts are cut short or half a rule stands at its end."""
    if len(data) < 8 or len(data) % 2:
        raise MalformedError("CVM_LIST")
    rules = tuple(
        CvmRule(code & 0x3F, bool(code & _TRY_NEXT), condition)
        for code, condition in zip(data[8::2], data[9::2], strict=True)
    )
    return CvmList(int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big"), rules)


def verify_cardholder(session: CardSession) -> Flow[None]:
    """Find and perform a method; leave `cvm`, the PIN block, tag 9F34 and TVR byte 3. Raises CustomerCancelledError."""
    session.terminal[Tag.CVM_RESULTS] = _NOT_PERFORMED
    if not Aip.CARDHOLDER_VERIFICATION & Aip.parse(session.card[Tag.AIP]):
        return
    cvm_list = parse_cvm_list(session.card.get(Tag.CVM_LIST, bytes(8)))
    if not cvm_list.rules:
        session.tvr |= Tvr.CARD_DATA_MISSING
        return
    session.terminal[Tag.CVM_RESULTS] = yield from _walk(session, cvm_list)
    session.tsi |= Tsi.CVM_PERFORMED


def _walk(session: CardSession, cvm_list: CvmList) -> Flow[bytes]:
    last = _NOT_PERFORMED[:2]
    for rule in _applicable(session, cvm_list):
        last = rule.method
        result = yield from _perform(session, rule)
        if result != _FAILED:
            return last + bytes((result,))
        if not rule.try_next or rule.code == _FAIL:
            break
    session.tvr |= Tvr.CVM_NOT_SUCCESSFUL
    return last + bytes((_FAILED,))


def _perform(session: CardSession, rule: CvmRule) -> Flow[int]:
    code = rule.code
    if code not in _KNOWN:
        session.tvr |= Tvr.CVM_UNKNOWN
        return _FAILED
    if not _supported(session, code):
        if code in _PINS:
            session.tvr |= Tvr.PIN_PAD_MISSING
        return _FAILED
    if code == _ONLINE_PIN:
        return _UNKNOWN if (yield from ask_online_pin(session)) else _FAILED
    if code in _PINS:
        return (yield from _offline_pin(session, code))
    if code == _DOCUMENT:
        return (yield from _document(session))
    if code == _SIGNATURE:
        session.cvm = "signature"
        return _UNKNOWN
    if code == _NO_CVM:
        session.cvm = "not_needed"
        return _SUCCESSFUL
    return _FAILED


def _offline_pin(session: CardSession, code: int) -> Flow[int]:
    if not (yield from verify_offline_pin(session, enciphered=code in _ENCIPHERED)):
        return _FAILED
    session.cvm = "signature" if code in _AND_SIGNATURE else "offline_pin"
    return _UNKNOWN if code in _AND_SIGNATURE else _SUCCESSFUL


def _document(session: CardSession) -> Flow[int]:
    kind, number = (session.card.get(tag, b"") for tag in (Tag.DOCUMENT_KIND, Tag.DOCUMENT_NUMBER))
    answer = yield CheckDocument(kind.hex(), number.decode("ascii", "replace").strip())
    assert isinstance(answer, DocumentChecked), "CheckDocument is answered with DocumentChecked"
    if not answer.matches:
        return _FAILED
    session.cvm = "document"
    return _SUCCESSFUL


def ask_online_pin(session: CardSession) -> Flow[bool]:
    """Have the customer enter the PIN that the issuer compares; say whether it was. Raises CustomerCancelledError."""
    answer = yield AskPin(number_of(session.card), session.facts.amount)
    assert isinstance(answer, PinResult), "AskPin is answered with a PinResult"
    if answer.kind == "cancelled":
        raise CustomerCancelledError("pin_cancelled")
    if answer.block is None:
        session.tvr |= PIN_FINDINGS[answer.kind]
        return False
    session.tvr |= Tvr.ONLINE_PIN_ENTERED
    session.cvm, session.pin_block = "online_pin", answer.block
    return True


def _supported(session: CardSession, code: int) -> bool:
    wanted = _CAPABILITIES.get(code)
    return wanted is not None and session.parameters.capabilities[1] & wanted == wanted


def _applicable(session: CardSession, cvm_list: CvmList) -> Iterator[CvmRule]:
    return (rule for rule in cvm_list.rules if _conditions(session, cvm_list, rule).get(rule.condition, False))


def _conditions(session: CardSession, cvm_list: CvmList, rule: CvmRule) -> Mapping[int, bool]:
    """EMV Book 3 table 40 for this sale; 01 (unattended cash) and what is not listed never holds at a counter."""
    cash, cashback = session.facts.type == "01", session.facts.type == "09"
    comparable = session.card.get(Tag.APPLICATION_CURRENCY) == session.terminal[Tag.CURRENCY]
    amount = session.facts.amount
    return {
        0x00: True,
        0x02: not cash and not cashback,
        0x03: _supported(session, rule.code),
        0x04: cash,
        0x05: cashback,
        0x06: comparable and amount < cvm_list.x,
        0x07: comparable and amount > cvm_list.x,
        0x08: comparable and amount < cvm_list.y,
        0x09: comparable and amount > cvm_list.y,
    }
