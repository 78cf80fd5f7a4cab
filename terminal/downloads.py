"""What the host sets that decides about money: the authorities' public keys, the chip applications, the black list.

The rules, each with its test:
- A set is taken whole or not at all. What is wrong with one item refuses all of it; what was there stays.
- Every answer that brings something bears a good MAC and names its question, unless the profile says otherwise: a page
  that somebody has kept, or put in front of another, is not taken for the answer.
- A set takes the place of the one before, and of what was shipped. There is no set without keys or applications; an
  empty black list is one.

`KINDS` has a row for each. What is kept of it, and how, is the matter of `download_store`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field62_downloads import (
    APPLICATIONS_MAX,
    CA_KEYS_MAX,
    CARDS_MAX,
    Application62,
    BlackList62,
    CaKey62,
    CardsAsked62,
    List62,
    ListAsked62,
    Name62,
)
from terminal.emv.ca_keys import CaKey
from terminal.emv.certificates import RsaKey
from terminal.emv.flags import Tvr
from terminal.emv.known_cards import KnownCards
from terminal.emv.parameters import Application, DownloadedParameters

Fingerprint = Callable[[str], bytes]
Page = tuple[list[bytes], bool]
"""What a page of a list brings, and whether more follow."""


@dataclass(frozen=True, slots=True)
class Download:
    """A whole set: field 62 of every key or application, or the numbers of the cards."""

    kind: str
    items: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of download.

    Attributes:
        list_type, item_type: the types of its messages; one without items has all on its list.
        list_code, item_code, end_code: 60.3 of its questions.
        maximum: of items.
        may_be_empty: whether the host may take all away.
        ask: field 62 of the question for the next page, after so many.
        page: what the answer brings: the questions for the items, or the items.
        check: raises Iso8583Error unless an item answers the question.
        put: one set into what is in force.
    """

    list_type: str
    item_type: str
    list_code: str
    item_code: str
    end_code: str
    maximum: int
    may_be_empty: bool
    ask: Callable[[int], bytes]
    page: Callable[[bytes], Page]
    check: Callable[[bytes, bytes], None]
    put: Callable[[DownloadedParameters, Iterable[bytes], Fingerprint], DownloadedParameters]


def _names(field62: bytes) -> Page:
    page = List62.parse(field62)
    return [name.asked().to_bytes() for name in page.names], page.more


def _cards(field62: bytes) -> Page:
    page = BlackList62.parse(field62)
    return [card.encode("ascii") for card in page.cards], page.more


def _require(asked: bytes, name: Name62) -> None:
    if name.asked().to_bytes() != asked:
        raise Iso8583Error("62/9F06", 0, "needed what was asked for, there is something else")


def _no_item(_asked: bytes, _item: bytes) -> None:
    raise AssertionError("all is on the list")


def _put_ca_keys(before: DownloadedParameters, items: Iterable[bytes], _: Fingerprint) -> DownloadedParameters:
    return replace(before, ca_keys=tuple(map(ca_key, items)))


def _put_applications(before: DownloadedParameters, items: Iterable[bytes], _: Fingerprint) -> DownloadedParameters:
    return replace(before, applications=tuple(map(application, items)))


def _put_black_list(
    before: DownloadedParameters, items: Iterable[bytes], fingerprint: Fingerprint
) -> DownloadedParameters:
    return replace(before, known_cards=KnownCards(fingerprint, frozenset(items)))


KINDS: Mapping[str, Kind] = {
    "ca_keys": Kind(
        "ca_key_list", "ca_key_download", "372", "370", "371", CA_KEYS_MAX, may_be_empty=False,
        ask=lambda received: ListAsked62(received).to_bytes(), page=_names,
        check=lambda asked, item: _require(asked, CaKey62.parse(item).name), put=_put_ca_keys,
    ),
    "applications": Kind(
        "application_list", "application_download", "382", "380", "381", APPLICATIONS_MAX, may_be_empty=False,
        ask=lambda received: ListAsked62(received).to_bytes(), page=_names,
        check=lambda asked, item: _require(asked, Name62(Application62.parse(item).aid)), put=_put_applications,
    ),
    "black_list": Kind(
        "black_list_download", "black_list_download", "390", "", "391", CARDS_MAX, may_be_empty=True,
        ask=lambda received: CardsAsked62(received).to_bytes(), page=_cards,
        check=_no_item, put=_put_black_list,
    ),
}  # fmt: skip


def ca_key(item: bytes) -> CaKey:
    """The public key in field 62. Raises Iso8583Error."""
    sent = CaKey62.parse(item)
    assert sent.name.index is not None, "a key has an index"
    key = RsaKey(sent.modulus, int.from_bytes(sent.exponent, "big"))
    return CaKey(sent.name.identifier, sent.name.index, key, sent.check_value, sent.name.expires)


def application(item: bytes) -> Application:
    """The application in field 62; limits that the host does not say are the usual ones. Raises Iso8583Error."""
    sent = Application62.parse(item)
    tapped = {
        "contactless_floor_limit": sent.contactless_floor_limit, "contactless_limit": sent.contactless_limit,
        "contactless_cvm_limit": sent.contactless_cvm_limit,
    }  # fmt: skip
    return Application(
        sent.aid, sent.partial_match, sent.version, Tvr.parse(sent.tac_default), Tvr.parse(sent.tac_online),
        Tvr.parse(sent.tac_denial), sent.floor_limit, sent.random_threshold, sent.random_target_percent,
        sent.random_max_percent, sent.default_ddol,
        **{name: amount for name, amount in tapped.items() if amount is not None},
    )  # fmt: skip


class Gathering:
    """A download under way: what its answers have brought so far, and what is asked for next."""

    def __init__(self, kind: str) -> None:
        self.rules = KINDS[kind]
        self._kind = kind
        self._listed: list[bytes] = []
        self._items: list[bytes] = []

    def list_question(self) -> bytes:
        """Field 62 of the question for the next page."""
        return self.rules.ask(len(self._listed))

    def item_question(self) -> bytes:
        """Field 62 of the question for the next item."""
        return self._listed[len(self._items)]

    def take_page(self, field62: bytes) -> str:
        """Take a page; return the 60.3 of the next question, empty if all has come. Raises Iso8583Error."""
        listed, more = self.rules.page(field62)
        self._listed += listed
        if len(self._listed) > self.rules.maximum or len(set(self._listed)) < len(self._listed):
            raise Iso8583Error(62, 0, f"needed at most {self.rules.maximum}, each once, there are others")
        if not (self._listed or self.rules.may_be_empty):
            raise Iso8583Error(62, 0, "needed something on the list, there is nothing")
        return self.rules.list_code if more else self.rules.item_code

    def take_item(self, field62: bytes) -> str:
        """Take an item; return as `take_page` does."""
        self.rules.check(self.item_question(), field62)
        self._items.append(field62)
        return self.rules.item_code if len(self._items) < len(self._listed) else ""

    def whole(self) -> Download:
        """The set, when all of it has come."""
        return Download(self._kind, tuple(self._items if self.rules.item_code else self._listed))
