"""What must never be seen: the card data of golden messages, and how to look for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.iso8583.vectors import GOLDEN, Golden

SHARED = 8  # characters in a row that a masked text may not have in common with a secret


def secrets(golden: Golden) -> Iterator[str]:
    """The card number, tracks, PIN block and keys of a message."""
    for number in (2, 35, 36, 45, 52, 62):
        value = golden.fields.get(number)
        if value:
            yield value if isinstance(value, str) else value.hex().upper()
    if 59 in golden.fields:
        yield golden.text(59)[5:]  # the payment code


ALL_SECRETS = frozenset(secret for golden in GOLDEN.values() for secret in secrets(golden))


def leaks(text: str, known: Iterable[str] = ALL_SECRETS) -> set[str]:
    """Pieces of secrets that stand in `text`; pieces of one or two digits, such as zeros, stand everywhere."""
    text = text.upper()
    pieces = {secret[at : at + SHARED] for secret in known for at in range(len(secret) - SHARED + 1)}
    return {piece for piece in pieces if len(set(piece)) > 2 and piece in text}
