"""Terminal action analysis and GENERATE AC (EMV Book 3 §10.7, §10.8): what to ask the card for, and what it says."""

from enum import IntEnum

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.certificates import CertificateError, RsaKey
from terminal.emv.faults import CardError, InconsistentError, MalformedError, MissingError, NotAuthenticError
from terminal.emv.flags import Tvr
from terminal.emv.objects import DataObject, objects_of, required, scan, template
from terminal.emv.offline_authentication import check_combined
from terminal.emv.steps import Flow
from terminal.emv.tags import Tag

_WHERE = "GENERATE AC"
_ALL_BITS = b"\xff" * 5
_NO_BITS = bytes(5)
_SIGNED = 0x10
"""Added to what is asked for: sign it (CDA)."""


class Cryptogram(IntEnum):
    """The three kinds, as GENERATE AC asks for them and as the card's answer (9F27) says which it is."""

    AAC = 0x00
    TC = 0x40
    ARQC = 0x80


_RANK = {Cryptogram.AAC: 0, Cryptogram.ARQC: 1, Cryptogram.TC: 2}
_ANSWER_TAGS = (Tag.CRYPTOGRAM_INFORMATION, Tag.ATC, Tag.CRYPTOGRAM, Tag.ISSUER_DATA)
_LENGTHS = {
    Tag.CRYPTOGRAM_INFORMATION: range(1, 2),
    Tag.ATC: range(2, 3),
    Tag.CRYPTOGRAM: range(8, 9),
    Tag.ISSUER_DATA: range(33),
}


def first_request(session: CardSession) -> Cryptogram:
    """Decide what to ask for before the host is asked: decline, go online, or approve offline."""
    if session.tvr & _action_codes(session, Tag.IAC_DENIAL, _NO_BITS, session.application.tac_denial):
        return Cryptogram.AAC
    online_only = session.parameters.terminal_type[1] in "14"
    if online_only or session.tvr & _action_codes(session, Tag.IAC_ONLINE, _ALL_BITS, session.application.tac_online):
        return Cryptogram.ARQC
    return Cryptogram.TC


def request_without_host(session: CardSession) -> Cryptogram:
    """Decide what to ask for when the host could not be asked."""
    codes = _action_codes(session, Tag.IAC_DEFAULT, _ALL_BITS, session.application.tac_default)
    online_only = session.parameters.terminal_type[1] in "14"
    return Cryptogram.AAC if online_only or session.tvr & codes else Cryptogram.TC


def generate(session: CardSession, requested: Cryptogram, list_tag: Tag) -> Flow[Cryptogram]:
    """Ask for a cryptogram with the data of CDOL1 or CDOL2; keep the answer's data objects. Raises CardError.

    A card may always answer lower than it was asked, never higher. With CDA, approvals and requests must be signed;
    raises NotAuthenticError if the signature does not hold.
    """
    key = session.combined_key if requested is not Cryptogram.AAC else None
    command = apdu.generate_ac(requested | (_SIGNED if key else 0), session.filled(list_tag))
    response = yield from session.exchange(command)
    if not response.ok:
        raise CardError("refused", _WHERE)
    objects = _parse_answer(response.data)
    answer = {tag: value for tag, value, _ in objects if tag in _ANSWER_TAGS}
    kind = _kind(answer, requested)
    if key and kind is not Cryptogram.AAC:
        answer[Tag.CRYPTOGRAM] = _check_signed(session, objects, key, kind)
    _check_lengths(answer)
    session.card |= answer
    session.cryptogram_kind = kind.name
    return kind


def _kind(answer: dict[int, bytes], requested: Cryptogram) -> Cryptogram:
    information = required(answer, Tag.CRYPTOGRAM_INFORMATION, Tag.CRYPTOGRAM_INFORMATION.name)
    kind = information[0] & 0xC0 if len(information) == 1 else None
    if kind is None:
        raise MalformedError(_WHERE)
    if kind not in _RANK or _RANK[Cryptogram(kind)] > _RANK[requested]:
        raise InconsistentError(_WHERE)
    return Cryptogram(kind)


def _check_signed(session: CardSession, objects: list[DataObject], key: RsaKey, kind: Cryptogram) -> bytes:
    if Tag.SIGNED_DYNAMIC_DATA not in {tag for tag, _, _ in objects}:
        raise MissingError(Tag.SIGNED_DYNAMIC_DATA.name)
    try:
        return check_combined(session, objects, key)
    except CertificateError:
        raise NotAuthenticError(kind) from None


def _check_lengths(answer: dict[int, bytes]) -> None:
    for tag, lengths in _LENGTHS.items():
        if len(required(answer, tag, tag.name)) not in lengths:
            raise MalformedError(_WHERE)


def _parse_answer(data: bytes) -> list[DataObject]:
    if data[:1] == b"\x80":
        content = template(data, Tag.RESPONSE_PLAIN, _WHERE)
        values = (content[:1], content[1:3], content[3:11], content[11:])
        return [DataObject(tag, value, b"") for tag, value in zip(_ANSWER_TAGS, values, strict=True)]
    content = template(data, Tag.RESPONSE_TLV, _WHERE)
    objects_of(content, _WHERE)  # each tag once
    return scan(content, _WHERE)


def _action_codes(session: CardSession, issuer_tag: Tag, absent: bytes, terminal_code: Tvr) -> Tvr:
    return Tvr.parse(session.card.get(issuer_tag, absent)) | terminal_code
