"""The dialects, one table per file: `iso8583/dialects/<name>.py` holds a `TABLE`."""

from functools import cache
from importlib import import_module
from typing import Final

from iso8583.dialect import Dialect
from iso8583.table import Table

NAMES: Final = (
    *("iso87_ascii", "iso87_bcd", "iso87_ebcdic", "iso93_bcd", "iso2003_ascii"),
    *("unionpay_pos", "unionpay_switch"),
)


@cache
def load_dialect(name: str) -> Dialect:
    """The dialect called `name`, loaded once per process.

    Raises:
        LookupError: there is no such dialect; the text lists those there are.

    >>> load_dialect("unionpay_pos").table.fields[4].name
    'amount'
    """
    if name not in NAMES:
        raise LookupError(f"no dialect {name!r}; there are: {', '.join(NAMES)}")
    table: Table = import_module(f"iso8583.dialects.{name}").TABLE
    return Dialect(table)
