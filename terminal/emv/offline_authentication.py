"""Offline data authentication (EMV Book 2 §5 and §6): is this the card that its issuer made? TVR byte 1.

The best method that card and terminal have in common is taken: CDA, then DDA, then SDA. A failure is a finding, not an
end: the action codes decide what follows of it. The end comes only where the card breaks the protocol, and where a
cryptogram that it was to sign is not well signed (`check_combined`).
"""

import hashlib
from collections.abc import Mapping
from typing import Literal

from terminal.emv import apdu
from terminal.emv.ca_keys import find_key
from terminal.emv.card_session import CardSession
from terminal.emv.certificates import (
    CertificateError,
    KeyCertificate,
    LackingError,
    RsaKey,
    open_key,
    open_signature,
)
from terminal.emv.dol import fill_dol, parse_dol
from terminal.emv.faults import CardError, MalformedError
from terminal.emv.flags import Aip, Tsi, Tvr
from terminal.emv.objects import DataObject, objects_of, required, template
from terminal.emv.steps import Flow
from terminal.emv.tags import Tag

Method = Literal["SDA", "DDA", "CDA"]

_ISSUER_CERTIFICATE, _STATIC, _CARD_CERTIFICATE, _DYNAMIC = 0x02, 0x03, 0x04, 0x05
_SHA1 = 0x01
_ISSUER_NUMBER_BYTES, _CARD_NUMBER_BYTES = 4, 10
_DYNAMIC_NUMBER_LENGTHS = range(2, 9)

_CAPABILITIES: Mapping[Method, tuple[int, Aip]] = {
    "CDA": (0x08, Aip.CDA), "DDA": (0x40, Aip.DDA), "SDA": (0x80, Aip.SDA),
}  # fmt: skip
"""For each method, best first: the bit of terminal capabilities (9F33) byte 3, and the card's."""
_FAILED: Mapping[Method, Tvr] = {"SDA": Tvr.SDA_FAILED, "DDA": Tvr.DDA_FAILED, "CDA": Tvr.CDA_FAILED}
_ISSUERS_KEY = (Tag.CA_KEY_INDEX, Tag.ISSUER_CERTIFICATE, Tag.ISSUER_EXPONENT)
_NEEDED: Mapping[Method, tuple[Tag, ...]] = {
    "SDA": (*_ISSUERS_KEY, Tag.SIGNED_STATIC_DATA),
    "DDA": (*_ISSUERS_KEY, Tag.CARD_CERTIFICATE, Tag.CARD_EXPONENT),
    "CDA": (*_ISSUERS_KEY, Tag.CARD_CERTIFICATE, Tag.CARD_EXPONENT),
}


def authenticate_offline(session: CardSession) -> Flow[None]:
    """Choose a method and carry it out; with CDA, get ready for the signed cryptogram. Raises CardError."""
    method = _method(session)
    if method is None:
        session.tvr |= Tvr.ODA_NOT_PERFORMED
        return
    if method == "SDA":
        session.tvr |= Tvr.SDA_SELECTED
    try:
        yield from _carry_out(session, method)
    except CertificateError as fault:
        session.tvr |= _FAILED[method]
        if isinstance(fault, LackingError):
            session.tvr |= Tvr.CARD_DATA_MISSING
    if session.combined_key is None:  # else it is not done before the cryptogram has been checked
        session.tsi |= Tsi.ODA_PERFORMED


def card_key(session: CardSession) -> RsaKey:
    """The card's key, whose certificate also vouches for the static data; raise CertificateError."""
    if session.static_data is None:
        raise CertificateError("STATIC_TAG_LIST")
    tags = (Tag.CARD_CERTIFICATE, Tag.CARD_REMAINDER, Tag.CARD_EXPONENT)
    return _key_of_card(session, tags, session.static_data)


def pin_key(session: CardSession) -> RsaKey:
    """The key under which the card takes a PIN: its own for that, else its only one; raise CertificateError."""
    if Tag.PIN_CERTIFICATE not in session.card:
        return card_key(session)
    return _key_of_card(session, (Tag.PIN_CERTIFICATE, Tag.PIN_REMAINDER, Tag.PIN_EXPONENT), b"")


def open_dynamic(session: CardSession, signature: bytes, key: RsaKey, terminal_data: bytes) -> bytes:
    """Open signed dynamic data (9F4B), keep the card's dynamic number, return what follows it.

    Raises CertificateError.
    """
    content = open_signature(signature, key, _DYNAMIC, terminal_data, "SIGNED_DYNAMIC_DATA")
    if len(content) < 4 or content[1] != _SHA1 or len(content) < 3 + content[2]:
        raise CertificateError("SIGNED_DYNAMIC_DATA")
    data = content[3 : 3 + content[2]]
    if not data or data[0] not in _DYNAMIC_NUMBER_LENGTHS or len(data) < 1 + data[0]:
        raise CertificateError("DYNAMIC_NUMBER")
    session.card[Tag.DYNAMIC_NUMBER] = data[1 : 1 + data[0]]
    return data[1 + data[0] :]


def check_combined(session: CardSession, answer: list[DataObject], key: RsaKey) -> bytes:
    """Check a signed cryptogram (EMV Book 2 §6.6.2) and return it: 8 bytes. Sets the TVR; raises CertificateError."""
    session.tsi |= Tsi.ODA_PERFORMED
    session.tvr |= Tvr.CDA_FAILED
    given = {tag: value for tag, value, _ in answer}
    number = session.terminal[Tag.UNPREDICTABLE_NUMBER]
    signed = open_dynamic(session, given[Tag.SIGNED_DYNAMIC_DATA], key, number)
    told = b"".join(session.told.get(tag, b"") for tag in (Tag.PDOL, Tag.CDOL1, Tag.CDOL2))
    said = b"".join(raw for tag, _, raw in answer if tag != Tag.SIGNED_DYNAMIC_DATA)
    expected = hashlib.sha1(told + said, usedforsecurity=False).digest()
    if len(signed) < 29 or signed[:1] != given[Tag.CRYPTOGRAM_INFORMATION] or signed[9:29] != expected:
        raise CertificateError("SIGNED_DYNAMIC_DATA")
    session.tvr &= ~Tvr.CDA_FAILED
    return signed[1:9]


def _method(session: CardSession) -> Method | None:
    profile, capabilities = Aip.parse(session.card[Tag.AIP]), session.parameters.capabilities[2]
    both = (method for method, (ours, its) in _CAPABILITIES.items() if capabilities & ours and profile & its)
    return next(both, None)


def _carry_out(session: CardSession, method: Method) -> Flow[None]:
    if any(tag not in session.card for tag in _NEEDED[method]):
        raise LackingError(method)
    if method == "SDA":
        _check_static(session)
        return
    key = card_key(session)
    if method == "CDA":
        session.combined_key = key
        return
    yield from _check_dynamic(session, key)


def _check_static(session: CardSession) -> None:
    if session.static_data is None:
        raise CertificateError("STATIC_TAG_LIST")
    signature, issuer = session.card[Tag.SIGNED_STATIC_DATA], _issuer_key(session)
    content = open_signature(signature, issuer, _STATIC, session.static_data, "SIGNED_STATIC_DATA")
    if content[1:2] != bytes((_SHA1,)):
        raise CertificateError("SIGNED_STATIC_DATA")
    session.card[Tag.AUTHENTICATION_CODE] = content[2:4]


def _check_dynamic(session: CardSession, key: RsaKey) -> Flow[None]:
    data = _ddol_data(session)
    response = yield from session.exchange(apdu.internal_authenticate(data))
    where = "INTERNAL AUTHENTICATE"
    if not response.ok:
        raise CardError("refused", where)
    if response.data[:1] == b"\x80":
        signature = template(response.data, Tag.RESPONSE_PLAIN, where)
    else:
        objects = objects_of(template(response.data, Tag.RESPONSE_TLV, where), where)
        signature = required(objects, Tag.SIGNED_DYNAMIC_DATA, Tag.SIGNED_DYNAMIC_DATA.name)
    open_dynamic(session, signature, key, data)


def _ddol_data(session: CardSession) -> bytes:
    """The data to sign. A list without the unpredictable number would let an old signature pass (EMV Book 2 §6.5.1)."""
    data_list = session.card.get(Tag.DDOL, session.application.default_ddol)
    try:
        entries = parse_dol(data_list, "DDOL")
    except MalformedError:
        raise CertificateError("DDOL") from None
    if Tag.UNPREDICTABLE_NUMBER not in dict(entries):
        raise CertificateError("DDOL")
    return fill_dol(entries, session.value)


def _issuer_key(session: CardSession) -> RsaKey:
    card = session.card
    index, name = card.get(Tag.CA_KEY_INDEX, b""), session.terminal[Tag.TERMINAL_AID]
    authority = find_key(session.parameters.ca_keys, name, index[0], session.today) if len(index) == 1 else None
    if authority is None:
        raise CertificateError("CA_KEY_INDEX")
    tags = (Tag.ISSUER_CERTIFICATE, Tag.ISSUER_REMAINDER, Tag.ISSUER_EXPONENT)
    given = KeyCertificate("ISSUER_CERTIFICATE", _ISSUER_CERTIFICATE, _ISSUER_NUMBER_BYTES, *_values(card, tags))
    holder, key = open_key(given, authority, session.today)
    digits = holder.hex().rstrip("f")
    if not 3 <= len(digits) <= 8 or not card[Tag.PAN].hex().startswith(digits):
        raise CertificateError("ISSUER_CERTIFICATE")
    return key


def _key_of_card(session: CardSession, tags: tuple[Tag, Tag, Tag], signed_too: bytes) -> RsaKey:
    name = tags[0].name
    given = KeyCertificate(name, _CARD_CERTIFICATE, _CARD_NUMBER_BYTES, *_values(session.card, tags), signed_too)
    holder, key = open_key(given, _issuer_key(session), session.today)
    if holder.hex().rstrip("f") != session.card[Tag.PAN].hex().rstrip("f"):
        raise CertificateError(name)
    return key


def _values(card: Mapping[int, bytes], tags: tuple[Tag, Tag, Tag]) -> tuple[bytes, bytes, bytes]:
    """Certificate, remainder and exponent; what is not there is empty, and fails as such."""
    certificate, remainder, exponent = (card.get(tag, b"") for tag in tags)
    return certificate, remainder, exponent
