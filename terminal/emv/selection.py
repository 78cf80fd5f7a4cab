"""Application selection (EMV Book 1 §12): the card's directory first, then the terminal's list, then the customer.

A directory that is missing or cannot be read is no fault; the list then finds what the card has. An application that
will not open is taken off the list, and the choice is made again from what is left.
"""

from collections.abc import Iterable, Mapping

from terminal.emv import apdu
from terminal.emv.card_session import CardSession
from terminal.emv.faults import CardError, CustomerCancelledError, MalformedError
from terminal.emv.objects import objects_of, scan, template
from terminal.emv.parameters import Application
from terminal.emv.steps import Candidate, ChooseApplication, Flow
from terminal.emv.tags import Tag

DIRECTORY = b"1PAY.SYS.DDF01"
TAP_DIRECTORY = b"2PAY.SYS.DDF01"
DIRECTORY_RECORDS_MAX = 10
OCCURRENCES_MAX = 8
CANDIDATES_MAX = 16
_LOWEST_PRIORITY = 16


def list_candidates(session: CardSession) -> Flow[list[Candidate]]:
    """Find what card and terminal both have, best first. Raises CardError if there is nothing."""
    candidates = yield from _from_directory(session)
    if not candidates:
        candidates = yield from _from_list(session)
    return _best_first(candidates)


def list_tapped_candidates(session: CardSession) -> Flow[list[Candidate]]:
    """Find what a tapped card offers of what the terminal has, best first; nobody is asked. Raises CardError."""
    response = yield from session.exchange(apdu.select(TAP_DIRECTORY))
    _stop_if_blocked(response)
    if not response.ok:
        raise CardError("no_application", "SELECT")
    content = _file_control(response.data).get(Tag.ISSUER_DISCRETIONARY, b"")
    entries = [value for tag, value, _ in scan(content, "DIRECTORY") if tag == Tag.DIRECTORY_ENTRY]
    found = [one for entry in entries for one in _candidates(session, objects_of(entry, "DIRECTORY"), Tag.AID)]
    return _best_first(found)


def choose(candidates: list[Candidate]) -> Flow[Candidate]:
    """Take the only candidate, or let the customer choose. Raises CustomerCancelledError."""
    if len(candidates) == 1 and not candidates[0].needs_confirmation:
        return candidates[0]
    index = yield ChooseApplication(tuple(candidates))
    if index is None:
        raise CustomerCancelledError("choice_cancelled")
    assert isinstance(index, int), "ChooseApplication is answered with an index or None"
    return candidates[index]


def open_application(session: CardSession, candidate: Candidate) -> Flow[bool]:
    """Select a candidate for good and keep what its file control information says; False if it will not open."""
    response = yield from session.exchange(apdu.select(candidate.aid))
    _stop_if_blocked(response)
    session.application_blocked |= response.status == apdu.STATUS_BLOCKED_FILE
    if not response.ok:
        return False
    control = _file_control(response.data)
    if not control[Tag.DF_NAME].startswith(candidate.aid):
        return False
    session.begin_application(application_for(session, candidate.aid), candidate.aid)
    session.card |= control
    return True


def nothing_to_open(session: CardSession) -> CardError:
    """Why there is no application: one that its issuer has blocked must not be paid with by stripe instead."""
    return CardError("application_blocked" if session.application_blocked else "no_application", "SELECT")


def label_of(objects: Mapping[int, bytes]) -> str:
    """An application's label: printable ASCII, at most 16 characters."""
    return _printable(objects.get(Tag.LABEL, b"").decode("ascii", "ignore"))


def preferred_name_of(objects: Mapping[int, bytes]) -> str:
    """An application's name in its holder's language, where its alphabet is Latin 1; else empty."""
    name = objects.get(Tag.PREFERRED_NAME, b"") if objects.get(Tag.CODE_TABLE) == b"\x01" else b""
    return _printable(name.decode("latin-1"))


def _from_directory(session: CardSession) -> Flow[list[Candidate]]:
    response = yield from session.exchange(apdu.select(DIRECTORY))
    _stop_if_blocked(response)
    try:
        return (yield from _read_directory(session, _directory_file(response.data))) if response.ok else []
    except MalformedError:
        return []


def _read_directory(session: CardSession, sfi: int) -> Flow[list[Candidate]]:
    found: list[Candidate] = []
    for number in range(1, DIRECTORY_RECORDS_MAX + 1):
        response = yield from session.exchange(apdu.read_record(sfi, number))
        if not response.ok:
            break
        for tag, entry, _ in scan(template(response.data, Tag.RECORD, "DIRECTORY"), "DIRECTORY"):
            if tag == Tag.DIRECTORY_ENTRY:
                found += _candidates(session, objects_of(entry, "DIRECTORY"), Tag.AID)
    return found


def _from_list(session: CardSession) -> Flow[list[Candidate]]:
    found: list[Candidate] = []
    for application in session.parameters.applications:
        for occurrence in range(OCCURRENCES_MAX):
            response = yield from session.exchange(apdu.select(application.aid, next_occurrence=occurrence > 0))
            _stop_if_blocked(response)
            session.application_blocked |= response.status == apdu.STATUS_BLOCKED_FILE
            if not response.ok:
                break
            control = _file_control(response.data)
            found += _candidates(session, control, Tag.DF_NAME)
            if not application.partial_match or control[Tag.DF_NAME] == application.aid:
                break
    if not found:
        raise nothing_to_open(session)
    return list({candidate.aid: candidate for candidate in found}.values())


def _candidates(session: CardSession, objects: dict[int, bytes], name_tag: Tag) -> Iterable[Candidate]:
    name = objects.get(name_tag, b"")
    if 5 <= len(name) <= 16 and any(application.matches(name) for application in session.parameters.applications):
        priority = objects.get(Tag.PRIORITY, b"\x00")[:1] or b"\x00"
        yield Candidate(
            name, preferred_name_of(objects) or label_of(objects), priority[0] & 0x0F, bool(priority[0] & 0x80)
        )


def _best_first(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(candidates[:CANDIDATES_MAX], key=lambda candidate: candidate.priority or _LOWEST_PRIORITY)


def application_for(session: CardSession, name: bytes) -> Application:
    """The terminal's application that a card's application is; the most specific, if there are several."""
    matching = [application for application in session.parameters.applications if application.matches(name)]
    return max(matching, key=lambda application: len(application.aid))


def _directory_file(data: bytes) -> int:
    sfi = _file_control(data).get(Tag.SFI, b"")
    if len(sfi) != 1 or not 1 <= sfi[0] <= 10:
        raise MalformedError("DIRECTORY")
    return sfi[0]


def _file_control(data: bytes) -> dict[int, bytes]:
    control = objects_of(template(data, Tag.FCI, "SELECT"), "SELECT")
    if not 5 <= len(control.get(Tag.DF_NAME, b"")) <= 16:
        raise MalformedError("SELECT")
    proprietary = objects_of(control.get(Tag.FCI_PROPRIETARY, b""), "SELECT")
    return {Tag.DF_NAME: control[Tag.DF_NAME], **proprietary}


def _stop_if_blocked(response: apdu.Response) -> None:
    if response.status == apdu.STATUS_CARD_BLOCKED:
        raise CardError("blocked", "SELECT")


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()[:16]
