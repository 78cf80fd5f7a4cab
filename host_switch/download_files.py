"""The files of what terminals download: the card authorities' public keys, the chip applications, the black list.

A set is laid down whole by an operator, and is the same for every terminal. It is kept as its items stand on the wire
(`iso8583.unionpay_fields.field62_downloads`); of the black list, an item is the digits of a card.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from host_switch.records import APPLICATIONS, BLACK_LIST, CA_KEYS
from iso8583 import Iso8583Error
from iso8583.unionpay_fields.field62_downloads import (
    APPLICATIONS_MAX,
    CA_KEYS_MAX,
    CARDS_MAX,
    Application62,
    CaKey62,
    Name62,
)

MAXIMA: Mapping[str, int] = {CA_KEYS: CA_KEYS_MAX, APPLICATIONS: APPLICATIONS_MAX, BLACK_LIST: CARDS_MAX}


class DownloadFileError(Exception):
    """A file of what terminals shall download cannot be used; the text says where and why, and no card number."""


def items_of(kind: str, text: str) -> tuple[bytes, ...]:
    """The items of a set as its file has them: JSON for keys and applications, one card number a line for the list.

    Raises DownloadFileError.
    """
    items = _cards(text) if kind == BLACK_LIST else _entries(text, _MAKERS[kind])
    if len(items) > MAXIMA[kind]:
        raise DownloadFileError(f"there are {len(items)}; a terminal takes {MAXIMA[kind]}")
    names = [name_of(kind, item) for item in items]
    twice = next((number for number, name in enumerate(names, 1) if name in names[: number - 1]), None)
    if twice:
        raise DownloadFileError(f"number {twice} is there twice: take one of them out")
    return items


def name_of(kind: str, item: bytes) -> Name62 | str:
    """What an item is asked for by."""
    if kind == BLACK_LIST:
        return item.decode("ascii")
    return CaKey62.parse(item).name if kind == CA_KEYS else Name62(Application62.parse(item).aid)


def _cards(text: str) -> tuple[bytes, ...]:
    cards: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        card = line.partition("#")[0].strip()
        if card and not re.fullmatch(r"[0-9]{13,19}", card):
            raise DownloadFileError(f"line {number} must be a card number of 13 to 19 digits, or begin with #")
        cards += [card.encode("ascii")] if card else []
    return tuple(cards)


def _entries(text: str, make: Callable[[dict[str, Any]], bytes]) -> tuple[bytes, ...]:
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise DownloadFileError(f"it is not JSON: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise DownloadFileError("it must be a JSON list with at least one entry")
    items: list[bytes] = []
    for number, entry in enumerate(entries, 1):
        try:
            items.append(make(entry))
        except KeyError as error:
            raise DownloadFileError(f"entry {number} lacks {error}") from None
        except Iso8583Error as error:
            raise DownloadFileError(f"entry {number}, {str(error.field)[3:]}: {error.reason}") from None
        except (TypeError, ValueError, AttributeError):
            raise DownloadFileError(f"entry {number}: bytes are text in hexadecimal, amounts are numbers") from None
    return tuple(items)


def _ca_key(entry: dict[str, Any]) -> bytes:
    rid, index, modulus, exponent, check = (
        bytes.fromhex(entry[name]) for name in ("rid", "index", "modulus", "exponent", "check_value")
    )
    name = Name62(rid, int.from_bytes(index, "big"), entry.get("expires", ""))
    return CaKey62(name, modulus, exponent, check).to_bytes()


def _application(entry: dict[str, Any]) -> bytes:
    known = {column.name: column for column in fields(Application62)}
    unknown = sorted(entry.keys() - known.keys())
    if unknown:
        raise DownloadFileError(f"{unknown[0]} is nothing that an application has; there are: {', '.join(known)}")
    values = {name: entry[name] for name, column in known.items() if name in entry or column.default is not None}
    values = {name: bytes.fromhex(value) if known[name].type == "bytes" else value for name, value in values.items()}
    return Application62(**values).to_bytes()


_MAKERS: Mapping[str, Callable[[dict[str, Any]], bytes]] = {CA_KEYS: _ca_key, APPLICATIONS: _application}
