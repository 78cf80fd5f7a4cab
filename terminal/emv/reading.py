"""Initiate application processing and read application data (EMV Book 3 §10.1, §10.2).

What must be there and must fit together is checked here once, so that the later steps can rely on it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.dates import read_date
from terminal.emv.faults import CardError, InconsistentError, MalformedError
from terminal.emv.objects import objects_of, required, template
from terminal.emv.steps import Flow
from terminal.emv.tags import Tag

MANDATORY = (Tag.EXPIRY, Tag.PAN, Tag.TRACK2, Tag.CDOL1, Tag.CDOL2)
LENGTHS: Mapping[Tag, range] = {
    Tag.EXPIRY: range(3, 4),
    Tag.EFFECTIVE: range(3, 4),
    Tag.PAN: range(7, 11),
    Tag.PSN: range(1, 2),
    Tag.TRACK2: range(8, 20),
    Tag.ISSUER_COUNTRY: range(2, 3),
    Tag.USAGE_CONTROL: range(2, 3),
    Tag.CARD_VERSION: range(2, 3),
    Tag.IAC_DEFAULT: range(5, 6),
    Tag.IAC_DENIAL: range(5, 6),
    Tag.IAC_ONLINE: range(5, 6),
    Tag.LOWER_OFFLINE_LIMIT: range(1, 2),
    Tag.UPPER_OFFLINE_LIMIT: range(1, 2),
    Tag.CARD_QUALIFIERS: range(2, 3),
    Tag.PRODUCT_ID: range(17),
    Tag.CASH_ISSUER_CODE: range(7),
}
TRACK2 = re.compile(r"(\d{13,19})D\d{0,23}")
TRACK2_LENGTH_MAX = 37
_GET_OPTIONS = "GET PROCESSING OPTIONS"
_READ_RECORD = "READ RECORD"
_LAST_EMV_FILE = 10
"""Records of files up to here are signed without their template, those of later files with it (EMV Book 3 §10.3)."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """One entry of the application file locator: records `first` to `last` of a short file.

    The first `authenticated` of them are signed by the card's certificates.
    """

    sfi: int
    first: int
    last: int
    authenticated: int


def initiate(session: CardSession) -> Flow[bool]:
    """Open the transaction on the card; False when it refuses these conditions (6985) and another may be tried."""
    response = yield from session.exchange(apdu.get_processing_options(session.filled(Tag.PDOL)))
    if response.status == apdu.STATUS_CONDITIONS:
        return False
    if not response.ok:
        raise CardError("refused", _GET_OPTIONS)
    session.card |= _processing_options(response.data)
    session.initiated = True
    return True


def read_application(session: CardSession, *, may_leave: bool = False) -> Flow[None]:
    """Read every record that the card names. Raises CardError.

    `may_leave`: a tapped card may be gone before its last record, in which nothing stands that is needed.
    """
    files = parse_file_locator(session.card[Tag.AFL])
    records: dict[int, bytes] = {}
    signed: list[bytes] = []
    for entry in files:
        for number in range(entry.first, entry.last + 1):
            try:
                record = yield from _read_record(session, entry.sfi, number)
            except CardError as fault:
                if fault.reason == "removed" and may_leave and (entry, number) == (files[-1], entry.last):
                    break
                raise
            where = f"{_READ_RECORD} {entry.sfi}.{number}"
            content = template(record, Tag.RECORD, where)
            objects = objects_of(content, where)
            if objects.keys() & records.keys():
                raise InconsistentError(where)
            records |= objects
            if number < entry.first + entry.authenticated:
                signed.append(content if entry.sfi <= _LAST_EMV_FILE else record)
    # What the card said of itself before comes first: a record must not change the application's profile.
    session.card = records | session.card
    session.static_data = _static_data(session.card, signed)


def _static_data(card: Mapping[int, bytes], signed: list[bytes]) -> bytes | None:
    """The input of the card's certificates (EMV Book 3 §10.3); None if it wants more signed than EMV knows."""
    profile = {None: b"", b"\x82": card[Tag.AIP]}.get(card.get(Tag.STATIC_TAG_LIST))
    return None if profile is None else b"".join(signed) + profile


def track2_of(card: Mapping[int, bytes]) -> str:
    """Track 2 as field 35 carries it, D between number and expiry."""
    return card[Tag.TRACK2].hex().upper().removesuffix("F")


def number_of(card: Mapping[int, bytes]) -> str:
    """The card number's digits."""
    return card[Tag.PAN].hex().rstrip("f")


def parse_file_locator(data: bytes) -> tuple[FileRange, ...]:
    """Read tag 94, four bytes an entry; raise MalformedError for what names no records."""
    if not data or len(data) % 4:
        raise MalformedError("AFL")
    return tuple(_file_range(data[at : at + 4]) for at in range(0, len(data), 4))


def _file_range(entry: bytes) -> FileRange:
    sfi, first, last, authenticated = entry[0] >> 3, *entry[1:]
    if entry[0] & 0x07 or not 1 <= sfi <= 30 or not 1 <= first <= last or authenticated > last - first + 1:
        raise MalformedError("AFL")
    return FileRange(sfi, first, last, authenticated)


def _read_record(session: CardSession, sfi: int, number: int) -> Flow[bytes]:
    response = yield from session.exchange(apdu.read_record(sfi, number))
    if not response.ok:
        raise CardError("refused", f"{_READ_RECORD} {sfi}.{number}")
    return response.data


def _processing_options(data: bytes) -> dict[int, bytes]:
    options = _plain_options(data) if data[:1] == b"\x80" else _tagged_options(data)
    if len(options[Tag.AIP]) != 2:
        raise MalformedError(_GET_OPTIONS)
    return options


def _plain_options(data: bytes) -> dict[int, bytes]:
    content = template(data, Tag.RESPONSE_PLAIN, _GET_OPTIONS)
    return {Tag.AIP: content[:2], Tag.AFL: content[2:]}


def _tagged_options(data: bytes) -> dict[int, bytes]:
    objects = objects_of(template(data, Tag.RESPONSE_TLV, _GET_OPTIONS), _GET_OPTIONS)
    return {tag: required(objects, tag, tag.name) for tag in (Tag.AIP, Tag.AFL)}


def check_application(card: dict[int, bytes], mandatory: Iterable[Tag] = MANDATORY) -> None:
    """Check that what the card has given is enough, and fits together; raise CardError."""
    for tag in mandatory:
        required(card, tag, tag.name)
    for tag, lengths in LENGTHS.items():
        if tag in card and len(card[tag]) not in lengths:
            raise MalformedError(tag.name)
    for tag in (Tag.EXPIRY, Tag.EFFECTIVE):
        if tag in card:
            read_date(card[tag], tag.name)
    if not card.get(Tag.PSN, b"").hex().isdecimal() and Tag.PSN in card:
        raise MalformedError("PSN")
    _check_number(card)


def _check_number(card: dict[int, bytes]) -> None:
    track2 = track2_of(card)
    parts = TRACK2.fullmatch(track2)
    if parts is None or len(track2) > TRACK2_LENGTH_MAX:
        raise MalformedError("TRACK2")
    if parts[1] != number_of(card):
        raise InconsistentError("PAN")
