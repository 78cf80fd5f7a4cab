"""ISO 8583 messages: dialects as data, one strict codec, masking, MACs and PIN blocks.

Rules of this package:

- A dialect is a table of `Field` rows (`iso8583/dialects/`). No field is handled by name anywhere in the codec.
- What is not exactly right is refused, in decoding and in encoding alike, with one exception type: `Iso8583Error`. It
  says which field, at which byte, what was needed and what was there, and never repeats the bytes themselves.
- What decodes, encodes to the same bytes again.
- Card data is shown only through `iso8583.masking`, which hides whatever it does not know.

>>> from iso8583 import Message, load_dialect
>>> dialect = load_dialect("unionpay_pos")
>>> wire = dialect.encode(Message("0820", {41: "12345678", 42: "898110053110001", 60: "00000001301"}))
>>> dialect.decode(wire)[41]
'12345678'
"""

from iso8583.dialects import load_dialect
from iso8583.errors import Iso8583Error
from iso8583.message import Message

__all__ = ["Iso8583Error", "Message", "load_dialect"]
