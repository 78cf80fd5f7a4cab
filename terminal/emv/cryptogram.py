"""Terminal action analysis and GENERATE AC (EMV Book 3 §10.7, §10.8): what to ask the card for, and what it says."""

from enum import IntEnum

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.faults import CardError, InconsistentError, MalformedError, MissingError
from terminal.emv.flags import Tvr
from terminal.emv.objects import objects_of, template
from terminal.emv.steps import Flow
from terminal.emv.tags import Tag

_WHERE = "GENERATE AC"
_ALL_BITS = b"\xff" * 5
_NO_BITS = bytes(5)


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

    A card may always answer lower than it was asked, never higher.
    """
    response = yield from session.exchange(apdu.generate_ac(requested, session.filled(list_tag)))
    if not response.ok:
        raise CardError("refused", _WHERE)
    answer = _parse_answer(response.data)
    kind = answer[Tag.CRYPTOGRAM_INFORMATION][0] & 0xC0
    if kind not in _RANK or _RANK[Cryptogram(kind)] > _RANK[requested]:
        raise InconsistentError(_WHERE)
    session.card |= answer
    session.cryptogram_kind = Cryptogram(kind).name
    return Cryptogram(kind)


def _parse_answer(data: bytes) -> dict[int, bytes]:
    answer = _plain_answer(data) if data[:1] == b"\x80" else _tagged_answer(data)
    for tag, lengths in _LENGTHS.items():
        if tag not in answer:
            raise MissingError(tag.name)
        if len(answer[tag]) not in lengths:
            raise MalformedError(_WHERE)
    return answer


def _plain_answer(data: bytes) -> dict[int, bytes]:
    content = template(data, Tag.RESPONSE_PLAIN, _WHERE)
    return dict(zip(_ANSWER_TAGS, (content[:1], content[1:3], content[3:11], content[11:]), strict=True))


def _tagged_answer(data: bytes) -> dict[int, bytes]:
    objects = objects_of(template(data, Tag.RESPONSE_TLV, _WHERE), _WHERE)
    return {tag: objects[tag] for tag in _ANSWER_TAGS if tag in objects}


def _action_codes(session: CardSession, issuer_tag: Tag, absent: bytes, terminal_code: Tvr) -> Tvr:
    return Tvr.parse(session.card.get(issuer_tag, absent)) | terminal_code
