"""Fields whose parts are told apart by position alone.

Parts at the end may be absent; they come out empty, and a part may be left empty only if all behind it are. Errors name
the part ("60.2") and count their offset within the field.
"""

from collections.abc import Iterator, Sequence

from iso8583.errors import Iso8583Error
from iso8583.parts import Part, Positional, Records

Piece = tuple[str, int, Part, bytes]  # path, offset, row, contents


def pieces(path: str, data: bytes, layout: Positional, at: int = 0) -> Iterator[Piece]:
    """`data`, which stands at offset `at` of its field, cut into the parts that are there, none of them checked.

    Raises:
        Iso8583Error: a part is cut short, one that must be there is not, or something follows the last one.
    """
    place = 0
    for number, part in enumerate(layout.parts, 1):
        piece = data[place : place + part.length]
        if len(piece) < part.length and (piece or number <= layout.minimum):
            raise Iso8583Error(f"{path}.{number}", at + place, f"needed {part.span}, {len(piece)} are left")
        if piece:
            yield f"{path}.{number}", at + place, part, piece
        place += len(piece)
    if place < len(data):
        raise Iso8583Error(path, at + place, f"needed a length of at most {place}, there are {len(data)}")


def cut(path: str, text: str, layout: Positional, at: int = 0) -> list[str]:
    """The parts of a field of ASCII text, as many as the layout has; those that are absent are empty.

    >>> cut("61", "000001000002", Positional((Part("batch", "n", 6), Part("trace", "n", 6), Part("date", "n", 4))))
    ['000001', '000002', '']
    """
    data = text.encode("ascii", errors="replace")  # what replaces a stranger is one as well where digits are needed
    values = [str(part.read(piece, name, place)) for name, place, part, piece in pieces(path, data, layout, at)]
    return values + [""] * (len(layout.parts) - len(values))


def join(path: str, values: Sequence[str], layout: Positional) -> str:
    """The inverse of `cut`. Raises Iso8583Error for the part that is wrong."""
    used = max((count for count, value in enumerate(values, 1) if value), default=0)
    made = b""
    for number, part in enumerate(layout.parts[: max(used, layout.minimum)], 1):
        made += part.write(values[number - 1], f"{path}.{number}", len(made))
    return made.decode("ascii")


def padded_number(path: str, value: int, length: int) -> str:
    """`value` as `length` digits, zeros on the left; Iso8583Error if it is negative or too long for them."""
    if not 0 <= value < 10**length:
        raise Iso8583Error(path, 0, f"needed a number of up to {length} digits, there is a negative or a longer one")
    return f"{value:0{length}d}"


def records(path: str, data: bytes, layout: Records, at: int = 0) -> Iterator[Piece]:
    """`data` cut into its records, behind their count. Raises Iso8583Error unless the count is that of the records."""
    counted = data[: layout.count_digits]
    counter = Part("number of records", "n", layout.count_digits)
    count = int(counter.read(counted, f"{path}.count", at))
    check_count(path, count, layout, at)
    start, step = len(counted), layout.record.length
    if len(data) != start + count * step:
        reason = f"needed {count} records of {step}, there are {len(data) - start} digits"
        raise Iso8583Error(path, at + start, reason)
    for number in range(1, count + 1):
        yield f"{path}.{number}", at + start, layout.record, data[start : start + step]
        start += step


def check_count(path: str, count: int, layout: Records, at: int = 0) -> None:
    """Raise Iso8583Error unless the field may hold `count` records."""
    if not 1 <= count <= layout.maximum:
        raise Iso8583Error(f"{path}.count", at, f"needed 1 to {layout.maximum} records, there are {count}")
