"""A loaded dialect: `decode` and `encode`, by a compiled plan where there is one, by the reference codec where not.

There is one meaning and two paths to it. A plan is straight-line code for one MTI and bitmap (`decode_plan`) or one set
of fields (`encode_plan`). It gives exactly what the reference codec gives, or gives up, and then the reference codec
says what is wrong. Plans are made at load for the messages that the table declares; others are learned from messages
that the reference codec has accepted. Making one costs as much as reading a hundred messages without it, so there is a
cap and none is ever replaced: a peer that varies its bitmaps buys no more than the cap. The last plan, made when the
cap is reached, is one for messages of any shape, about half as fast as the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from iso8583.decode_plan import DecodePlan, compile_any_decoder, compile_decoder
from iso8583.encode_plan import EncodePlan, compile_any_encoder, compile_encoder
from iso8583.encodings import FieldError
from iso8583.fields import wire_width
from iso8583.message import Message
from iso8583.reference import ReferenceCodec
from iso8583.sub_fields import SubField, build_field, open_field
from iso8583.table import Table
from iso8583.table_check import check_table

PLANS_MAX: Final = 512  # in each direction; a fleet of terminals uses some dozens
# What a plan raises where the reference codec has to look.
SURPRISES: Final = (FieldError, LookupError, ValueError, TypeError, AttributeError)


class Dialect:
    """`decode` and `encode` for one table. Threads may share it. Raises DialectError if the table is not sound."""

    def __init__(self, table: Table) -> None:
        check_table(table)
        self.table = table
        self._reference = ReferenceCodec(table)
        self._decoders: dict[bytes, DecodePlan] = {}
        self._encoders: dict[tuple[int, ...], EncodePlan] = {}
        self._decode_any: DecodePlan | None = None
        self._encode_any: EncodePlan | None = None
        self._mtis = _WrittenMtis(self._reference)
        # Behind one bitmap and behind two. Messages with a third one are rare, and read the plain way.
        self._head = wire_width(table.mti, table.mti.length) + wire_width(table.bitmap, table.bitmap.length)
        self._longer_head = self._head + wire_width(table.bitmap, table.bitmap.length)
        for mti, numbers in table.messages:
            self._learn_to_decode(mti, numbers)
            self._learn_to_encode(numbers, numbers)

    @property
    def name(self) -> str:
        """The dialect's name."""
        return self.table.name

    def decode(self, data: bytes | bytearray | memoryview) -> Message:
        """The message in `data`, which starts with the MTI and ends with the last field.

        Raises:
            Iso8583Error: anything at all is not as the dialect says. Its `partial` holds the fields before the fault,
                and those behind it too if only contents were wrong and all lengths still add up.
        """
        wire = data if data.__class__ is bytes else bytes(data)
        decoders = self._decoders
        plan = decoders.get(wire[: self._head]) or decoders.get(wire[: self._longer_head]) or self._decode_any
        if plan is None:
            return self._decode_and_learn(wire)
        try:
            message = plan(wire)
        except SURPRISES:
            message = None
        return self._reference.decode(wire) if message is None else message

    def _decode_and_learn(self, wire: bytes) -> Message:
        message = self._reference.decode(wire)
        if len(self._decoders) < PLANS_MAX:
            self._learn_to_decode(message.mti, list(message))
        else:
            self._learn_to_decode_any()
        return message

    def _learn_to_decode(self, mti: str, numbers: Sequence[int]) -> None:
        head = self._reference.written_mti(mti) + self._reference.written_bitmaps(numbers)
        if len(head) <= self._longer_head:
            self._decoders[head] = compile_decoder(self.table, mti, numbers, len(head))

    def _learn_to_decode_any(self) -> None:
        self._decode_any = compile_any_decoder(self.table, _ReadMtis(self._reference))

    def encode(self, message: Message) -> bytes:
        """`message` on the wire, checked as strictly as `decode` does.

        Raises:
            Iso8583Error: a field that the dialect lacks, of the wrong type, of the wrong length, or with characters
                outside its class. Its offset is where the field would begin, its `partial` holds all good fields.
        """
        fields = message._fields
        order = (*fields,)
        plan = self._encoders.get(order) or self._encode_any
        if plan is None:
            return self._encode_and_learn(message, order)
        try:
            wire = plan(self._mtis[message._mti], fields)
        except SURPRISES:
            wire = None
        return self._reference.encode(message) if wire is None else wire

    def _encode_and_learn(self, message: Message, order: tuple[int, ...]) -> bytes:
        wire = self._reference.encode(message)
        if len(self._encoders) < PLANS_MAX:
            self._learn_to_encode(order, [int(number) for number in sorted(order)])
        else:
            self._learn_to_encode_any()
        return wire

    def _learn_to_encode(self, order: Sequence[int], numbers: Sequence[int]) -> None:
        """Plans are found by the order of a message's fields, which is that in which somebody happened to give them."""
        bitmaps = self._reference.written_bitmaps(numbers)
        plan = self._encoders.get(tuple(numbers)) or compile_encoder(self.table, numbers, bitmaps)
        self._encoders[tuple(order)] = plan
        if len(self._encoders) < PLANS_MAX:  # from here any other order takes it
            self._encoders[tuple(numbers)] = plan

    def _learn_to_encode_any(self) -> None:
        self._encode_any = compile_any_encoder(self.table, self._reference.bitmaps)

    def open(self, message: Message, number: int) -> SubField:
        """Field `number` of `message`, cut into its parts at any depth; one that is not cut comes out whole.

        Raises:
            KeyError: the message lacks the field.
            Iso8583Error: it is not made of its parts; with the path of the part ("60.2", "55/9F26") and the offset
                within the field.

        >>> from iso8583 import Message, load_dialect
        >>> block = load_dialect("unionpay_pos").open(Message("0820", {60: "00000001301"}), 60)
        >>> block["60.3"].name, block["60.3"].value
        ('management code', '301')
        """
        return open_field(self.table, message, number)

    def build(self, number: int, parts: Mapping[str, str | bytes]) -> str | bytes:
        """The value of field `number` made of its parts, by path: the inverse of `open`, which gives them as `leaves`.

        Raises:
            Iso8583Error: there is no such part, one is missing, or a value does not fit.

        >>> from iso8583 import load_dialect
        >>> load_dialect("unionpay_pos").build(60, {"60.1": "00", "60.2": "000001", "60.3": "301"})
        '00000001301'
        """
        return build_field(self.table, number, parts)


class _WrittenMtis(dict[str, bytes]):
    """MTIs as they are written, each checked once. There are no more than a thousand legal ones of a version."""

    def __init__(self, reference: ReferenceCodec) -> None:
        self._reference = reference

    def __missing__(self, mti: str) -> bytes:
        written = self._reference.written_mti(mti)
        self[mti] = written
        return written


class _ReadMtis(dict[bytes, str]):
    """The same the other way round, by what is written."""

    def __init__(self, reference: ReferenceCodec) -> None:
        self._reference = reference

    def __missing__(self, written: bytes) -> str:
        mti, _ = self._reference.read_mti(written, 0)
        self[written] = mti
        return mti
