"""What follows the host's answer (EMV Book 3 §10.9 to §10.11): issuer authentication, scripts, second GENERATE AC."""

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.cryptogram import Cryptogram, generate, request_without_host
from terminal.emv.faults import CardError, InconsistentError, MalformedError
from terminal.emv.flags import Aip, Tsi, Tvr
from terminal.emv.objects import scan
from terminal.emv.steps import Flow, OnlineAnswer
from terminal.emv.tags import Tag

UNABLE_APPROVED, UNABLE_DECLINED = b"Y3", b"Z3"
_SCRIPT_SUCCESSFUL, _SCRIPT_FAILED = 0x20, 0x10
_SCRIPT_COMMAND_LENGTHS = range(4, 262)
_COMMAND_NUMBER_MAX = 15

IssuerObjects = list[tuple[int, bytes]]


def complete_with_host(session: CardSession, answer: OnlineAnswer) -> Flow[Cryptogram]:
    """Give the host's answer to the card and get its last word: TC or AAC. Raises CardError.

    Scripts that come after the last word cannot change it any more: their failure is only reported.
    """
    session.terminal[Tag.RESPONSE_CODE] = answer.response_code.encode("ascii")
    issuer = _issuer_objects(answer.f55)
    yield from _authenticate_issuer(session, issuer)
    yield from _run_scripts(session, issuer, Tag.SCRIPT_BEFORE, Tvr.SCRIPT_FAILED_BEFORE)
    last_word = yield from _second(session, Cryptogram.TC if answer.approved else Cryptogram.AAC)
    yield from _run_scripts(session, issuer, Tag.SCRIPT_AFTER, Tvr.SCRIPT_FAILED_AFTER)
    return last_word


def complete_without_host(session: CardSession) -> Flow[Cryptogram]:
    """Let the default action codes decide, and get the card's last word. Raises CardError."""
    requested = request_without_host(session)
    session.terminal[Tag.RESPONSE_CODE] = UNABLE_APPROVED if requested is Cryptogram.TC else UNABLE_DECLINED
    last_word = yield from _second(session, requested)
    if last_word is Cryptogram.AAC:
        session.terminal[Tag.RESPONSE_CODE] = UNABLE_DECLINED
    return last_word


def _second(session: CardSession, requested: Cryptogram) -> Flow[Cryptogram]:
    last_word = yield from generate(session, requested, Tag.CDOL2)
    if last_word is Cryptogram.ARQC:
        raise InconsistentError("GENERATE AC")
    return last_word


def _issuer_objects(f55: bytes | None) -> IssuerObjects:
    # A field 55 that cannot be read is as good as none: the card decides whether it insists on its issuer.
    try:
        return [(tag, value) for tag, value, _ in scan(f55 or b"", "field 55")]
    except MalformedError:
        return []


def _authenticate_issuer(session: CardSession, issuer: IssuerObjects) -> Flow[None]:
    data = dict(issuer).get(Tag.ISSUER_AUTHENTICATION)
    if data is None:
        return
    session.terminal[Tag.ISSUER_AUTHENTICATION] = data
    if not Aip.ISSUER_AUTHENTICATION & Aip.parse(session.card[Tag.AIP]):
        return
    ok = False
    if 8 <= len(data) <= 16:
        response = yield from session.exchange(apdu.external_authenticate(data))
        session.tsi |= Tsi.ISSUER_AUTHENTICATION_PERFORMED
        ok = response.ok
    if not ok:
        session.tvr |= Tvr.ISSUER_AUTHENTICATION_FAILED


def _run_scripts(session: CardSession, issuer: IssuerObjects, when: Tag, failure: Tvr) -> Flow[None]:
    for template in (value for tag, value in issuer if tag == when):
        result = yield from _run_script(session, template)
        session.tsi |= Tsi.SCRIPT_PERFORMED
        session.script_results += result
        if result[0] & 0xF0 != _SCRIPT_SUCCESSFUL:
            session.tvr |= failure
    if session.script_results:
        session.terminal[Tag.SCRIPT_RESULTS] = session.script_results


def _run_script(session: CardSession, template: bytes) -> Flow[bytes]:
    """Send a script's commands until one fails; return its five bytes of DF31: result and number, identifier."""
    identifier, number = bytes(4), 0
    try:
        for tag, value, _ in scan(template, "issuer script"):
            if tag == Tag.SCRIPT_ID:
                identifier = value[:4].rjust(4, b"\x00")
            if tag == Tag.SCRIPT_COMMAND:
                number += 1
                yield from _run_command(session, value)
    except CardError:
        return bytes((_SCRIPT_FAILED | min(number, _COMMAND_NUMBER_MAX),)) + identifier
    return bytes((_SCRIPT_SUCCESSFUL,)) + identifier


def _run_command(session: CardSession, command: bytes) -> Flow[None]:
    if len(command) not in _SCRIPT_COMMAND_LENGTHS:
        raise MalformedError("issuer script")
    response = yield from session.exchange(command)
    if response.status >> 8 not in (0x90, 0x62, 0x63):
        raise CardError("refused", "issuer script")
