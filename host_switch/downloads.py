"""The download loops: what an operator has laid down for all terminals, served in pages.

The terminal says how much it has, and gets the next of it. What is served bears a MAC, because it decides about money,
and answers only a terminal that has signed on.
"""

from collections.abc import Callable, Mapping

from host_switch.answers import SIGN_ON, clock_fields, refuse, send_with_mac
from host_switch.download_files import name_of
from host_switch.events import Effect, FrameReceived
from host_switch.facts import Facts
from host_switch.records import APPLICATIONS, BLACK_LIST, CA_KEYS, Terminal
from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field62_downloads import BlackList62, CardsAsked62, List62, ListAsked62, Name62

TAKEN = frozenset({"371", "381", "391"})
NOTHING_LIKE_IT = "25"


def served(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Answer the question for a page or for an item."""
    if terminal.keys is None:
        return refuse(event, "A0", SIGN_ON, "not signed on")
    assert event.rules is not None
    kind, page = _LOOPS[event.rules.name]
    try:
        field62 = page(kind, facts.downloads.get(kind, ()), event.message.binary(62, b""))
    except Iso8583Error:
        return refuse(event, "30", kind="field 62 broken")
    if not field62:
        return refuse(event, NOTHING_LIKE_IT, kind="download of what there is not")
    return (send_with_mac(event, terminal, clock_fields(facts.policy, now) | {39: "00", 62: field62}),)


def _names(kind: str, items: tuple[bytes, ...], asked: bytes) -> bytes:
    received = ListAsked62.parse(asked).received
    names = [name for item in items if isinstance(name := name_of(kind, item), Name62)]
    return List62.page(names[received:]).to_bytes()


def _item(kind: str, items: tuple[bytes, ...], asked: bytes) -> bytes:
    name = Name62.parse(asked)
    found = (item for item in items if isinstance(known := name_of(kind, item), Name62) and known.asked() == name)
    return next(found, b"")


def _listed_cards(_kind: str, items: tuple[bytes, ...], asked: bytes) -> bytes:
    received = CardsAsked62.parse(asked).received
    return BlackList62.page([item.decode("ascii") for item in items[received:]]).to_bytes()


_Page = Callable[[str, tuple[bytes, ...], bytes], bytes]
_LOOPS: Mapping[str, tuple[str, _Page]] = {
    "ca_key_list": (CA_KEYS, _names),
    "ca_key_download": (CA_KEYS, _item),
    "application_list": (APPLICATIONS, _names),
    "application_download": (APPLICATIONS, _item),
    "black_list_download": (BLACK_LIST, _listed_cards),
}
KIND_OF: Mapping[str, str] = {name: kind for name, (kind, _) in _LOOPS.items()}
