"""Cardholder verification (EMV Book 3 §10.5): walk the card's list of methods until one of them does.

Methods of this kernel: online PIN, signature, no CVM. Offline PIN counts as known but not supported.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from terminal.emv.card_session import CardSession
from terminal.emv.faults import CustomerCancelledError, MalformedError
from terminal.emv.flags import Aip, Tsi, Tvr
from terminal.emv.reading import number_of
from terminal.emv.steps import AskPin, Flow, PinResult
from terminal.emv.tags import Tag

_TRY_NEXT = 0x40
_FAIL = 0x00
_ONLINE_PIN = 0x02
_SIGNATURE = 0x1E
_NO_CVM = 0x1F
_OFFLINE_PINS = frozenset({0x01, 0x03, 0x04, 0x05})
_DOCUMENT = 0x20
_KNOWN = _OFFLINE_PINS | {_FAIL, _ONLINE_PIN, _SIGNATURE, _NO_CVM, _DOCUMENT}
_CAPABILITIES: Mapping[int, int] = {_ONLINE_PIN: 0x40, _SIGNATURE: 0x20, _NO_CVM: 0x08}
"""Which bit of terminal capabilities (9F33) byte 2 says that a method of this kernel may be used here."""

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
    if rule.code not in _KNOWN:
        session.tvr |= Tvr.CVM_UNKNOWN
    elif not _supported(session, rule.code):
        if rule.code in _OFFLINE_PINS or rule.code == _ONLINE_PIN:
            session.tvr |= Tvr.PIN_PAD_MISSING
    elif rule.code == _ONLINE_PIN:
        return (yield from _online_pin(session))
    elif rule.code == _SIGNATURE:
        session.cvm = "signature"
        return _UNKNOWN
    else:
        return _SUCCESSFUL
    return _FAILED


_PIN_FINDINGS: Mapping[str, Tvr] = {
    "entered": Tvr.ONLINE_PIN_ENTERED,
    "bypassed": Tvr.PIN_NOT_ENTERED,
    "no_pin_pad": Tvr.PIN_PAD_MISSING,
}


def _online_pin(session: CardSession) -> Flow[int]:
    answer = yield AskPin(number_of(session.card), session.facts.amount)
    assert isinstance(answer, PinResult), "AskPin is answered with a PinResult"
    if answer.kind == "cancelled":
        raise CustomerCancelledError("pin_cancelled")
    session.tvr |= _PIN_FINDINGS[answer.kind]
    if answer.block is None:
        return _FAILED
    session.cvm, session.pin_block = "online_pin", answer.block
    return _UNKNOWN


def _supported(session: CardSession, code: int) -> bool:
    return bool(session.parameters.capabilities[1] & _CAPABILITIES.get(code, 0))


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
