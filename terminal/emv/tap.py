"""What goes before a tap, and what a tapped card answers with: qualifiers, processing options, verification (qPBOC).

Sources: PBOC 3.0 part 12; the thresholds are those of the application parameters DF19 to DF21.
"""

from collections.abc import Mapping

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.cardholder import ask_online_pin
from terminal.emv.cryptogram import Cryptogram
from terminal.emv.dol import parse_dol
from terminal.emv.faults import CardError, InconsistentError, MalformedError, MissingError
from terminal.emv.flags import Aip, Ctq, Ttq
from terminal.emv.objects import objects_of, required, template
from terminal.emv.parameters import Application, SaleFacts, TerminalParameters
from terminal.emv.reading import TRACK2, number_of, track2_of
from terminal.emv.steps import Flow
from terminal.emv.tags import Tag

_GET_OPTIONS = "GET PROCESSING OPTIONS"
_LENGTHS: Mapping[Tag, range] = {
    Tag.AIP: range(2, 3), Tag.ATC: range(2, 3), Tag.CRYPTOGRAM: range(8, 9), Tag.ISSUER_DATA: range(8, 33),
    Tag.CRYPTOGRAM_INFORMATION: range(1, 2), Tag.CARD_QUALIFIERS: range(2, 3),
}  # fmt: skip
_RESULTS_AT, _RESULTS_LENGTH = 3, 3
_KINDS = {0b00: Cryptogram.AAC, 0b01: Cryptogram.TC, 0b10: Cryptogram.ARQC}


class NotByTapError(Exception):
    """This card, or this sale, is not for tapping: the card must be inserted."""


def qualifiers(parameters: TerminalParameters, application: Application, facts: SaleFacts) -> Ttq | None:
    """Pre-processing: what the card will be told (9F66); None if so much may not be paid by a tap."""
    if facts.amount > application.contactless_limit:
        return None
    told = Ttq.parse(parameters.transaction_qualifiers)
    above_floor = facts.amount > application.contactless_floor_limit or facts.amount == 0
    if above_floor or facts.force_online or not parameters.offline_sales or parameters.terminal_type[1] in "14":
        told |= Ttq.ONLINE_REQUIRED
    if facts.amount >= application.contactless_cvm_limit and facts.amount != 0:
        told |= Ttq.VERIFICATION_REQUIRED
    return told


def told_qualifiers(session: CardSession) -> Ttq:
    """What this card has been told."""
    return Ttq.parse(session.terminal[Tag.TRANSACTION_QUALIFIERS])


def wanted_qualifiers(session: CardSession) -> Ctq | None:
    """What the card wants (9F6C); None if it does not say."""
    value = session.card.get(Tag.CARD_QUALIFIERS)
    return None if value is None else Ctq.parse(value)


def initiate_tap(session: CardSession) -> Flow[bool]:
    """Begin; False when the card refuses these conditions (6985). Raises CardError, NotByTapError."""
    if Tag.TRANSACTION_QUALIFIERS not in dict(parse_dol(session.card.get(Tag.PDOL, b""), Tag.PDOL.name)):
        raise NotByTapError
    response = yield from session.exchange(apdu.get_processing_options(session.filled(Tag.PDOL)))
    if response.status == apdu.STATUS_CONDITIONS:
        return False
    if not response.ok:
        raise CardError("refused", _GET_OPTIONS)
    session.card |= _options(response.data)
    session.initiated = True
    if Aip.STRIPE_MODE & Aip.parse(session.card[Tag.AIP]):
        raise NotByTapError
    return True


def kind_of(session: CardSession) -> Cryptogram:
    """What the card has decided, by the results in its issuer data (9F10); keeps it as tag 9F27 too."""
    results = session.card[Tag.ISSUER_DATA][_RESULTS_AT:]
    kind = _KINDS.get(results[1] >> 4 & 0b11)
    if results[0] != _RESULTS_LENGTH or kind is None:
        raise InconsistentError("ISSUER_DATA")
    said = session.card.setdefault(Tag.CRYPTOGRAM_INFORMATION, bytes((kind,)))
    if said[0] & 0xC0 != kind:
        raise InconsistentError("CRYPTOGRAM_INFORMATION")
    session.cryptogram_kind = kind.name
    return kind


def complete_from_track(session: CardSession) -> None:
    """Take number and expiry from track 2 where a card that wants to go online has given nothing else."""
    track2 = track2_of({Tag.TRACK2: required(session.card, Tag.TRACK2, Tag.TRACK2.name)})
    parts = TRACK2.fullmatch(track2)
    digits = track2.partition("D")[2][:4]
    if parts is None or len(digits) < 4:
        raise MalformedError("TRACK2")
    number = parts[1] + "F" * (len(parts[1]) % 2)
    session.card.setdefault(Tag.PAN, bytes.fromhex(number))
    session.card.setdefault(Tag.EXPIRY, bytes.fromhex(digits + "31"))


def verify_tap(session: CardSession) -> Flow[bool]:
    """Verify the holder in the way the card wants; False if it must be and cannot. Raises CustomerCancelledError."""
    told, wanted = told_qualifiers(session), wanted_qualifiers(session)
    if wanted is not None and Ctq.VERIFIED_ON_DEVICE & wanted:
        session.cvm = "device"
        return True
    if _is_pin_free(session):
        session.cvm = "not_needed"
        return True
    if wanted is None:  # it leaves the choice to the terminal, if that wants anything
        wanted = Ctq.ONLINE_PIN | Ctq.SIGNATURE if Ttq.VERIFICATION_REQUIRED & told else Ctq.NONE
    if Ctq.ONLINE_PIN & wanted and Ttq.ONLINE_PIN & told and (yield from ask_online_pin(session)):
        return True
    if Ctq.SIGNATURE & wanted and Ttq.SIGNATURE & told:
        session.cvm = "signature"
        return True
    if wanted & (Ctq.ONLINE_PIN | Ctq.SIGNATURE) or Ttq.VERIFICATION_REQUIRED & told:
        return False
    session.cvm = "not_needed"
    return True


def _is_pin_free(session: CardSession) -> bool:
    parameters = session.parameters
    return session.facts.amount <= parameters.pin_free_amount_max and number_of(session.card).startswith(
        parameters.pin_free_prefixes
    )


def _options(data: bytes) -> dict[int, bytes]:
    """The answer's data objects. Without a cryptogram it is an answer for the full PBOC flow."""
    if data[:1] == b"\x80":
        content = template(data, Tag.RESPONSE_PLAIN, _GET_OPTIONS)
        objects = {int(Tag.AIP): content[:2], int(Tag.AFL): content[2:]}
    else:
        objects = objects_of(template(data, Tag.RESPONSE_TLV, _GET_OPTIONS), _GET_OPTIONS)
    wanted = (Tag.AIP, Tag.ATC, Tag.ISSUER_DATA) if Tag.CRYPTOGRAM in objects else (Tag.AIP, Tag.AFL)
    for tag in wanted:
        if tag not in objects:
            raise MissingError(tag.name)
    for tag, lengths in _LENGTHS.items():
        if tag in objects and len(objects[tag]) not in lengths:
            raise MalformedError(tag.name)
    return objects
