"""Fields whose parts are told apart by position alone, all of digits.

Parts at the end may be absent; they come out empty, and a part may be left empty only if all behind it are. Errors name
the part ("60.2") and count their offset within the field.
"""

from collections.abc import Iterator, Sequence

from iso8583.errors import Iso8583Error


def check_digits(path: str, text: str, length: int, at: int = 0) -> str:
    """`text`, if it is `length` digits; Iso8583Error if not."""
    if len(text) != length:
        raise Iso8583Error(path, at, f"needed {length} digits, there are {len(text)} characters")
    if not (text.isascii() and text.isdigit()):
        raise Iso8583Error(path, at, f"needed {length} digits, there is something else among them")
    return text


def padded_number(path: str, value: int, length: int) -> str:
    """`value` as `length` digits, zeros on the left; Iso8583Error if it is negative or too long for them."""
    if not 0 <= value < 10**length:
        raise Iso8583Error(path, 0, f"needed a number of up to {length} digits, there is a negative or a longer one")
    return f"{value:0{length}d}"


def cut(field: int, text: str, lengths: Sequence[int]) -> Iterator[str]:
    """The parts of `text`, as many as there are `lengths`."""
    at = 0
    for part, length in enumerate(lengths, 1):
        piece = text[at : at + length]
        yield check_digits(f"{field}.{part}", piece, length, at) if piece else ""
        at += len(piece)
    if at < len(text):
        raise Iso8583Error(str(field), at, f"needed at most {at} digits, there are {len(text)}")


def join(field: int, parts: Sequence[str], lengths: Sequence[int]) -> str:
    """The inverse of `cut`."""
    used = max((count for count, part in enumerate(parts, 1) if part), default=0)
    for place in range(used):
        check_digits(f"{field}.{place + 1}", parts[place], lengths[place])
    return "".join(parts)
