"""A terminal's frame, however it came here, as an input of the switch."""

from host_switch.events import FrameReceived
from iso8583 import Iso8583Error, Message, load_dialect
from iso8583.transactions import type_of
from iso8583.unionpay import split_frame

_dialect = load_dialect("unionpay_pos")


def decoded(connection: str, frame: bytes, certified: str = "") -> FrameReceived:
    """Turn a frame into an input of the switch; `certified` as there.

    Raises:
        Iso8583Error: nothing in it can be answered: no TPDU and header, or not even who sent it.
    """
    tpdu, header, data = split_frame(frame)
    try:
        message = _dialect.decode(data)
    except Iso8583Error as error:
        good = error.partial
        if good is None or 11 not in good or 41 not in good:
            raise
        return FrameReceived(connection, tpdu, header, _answerable(good), data, None, True, certified)
    return FrameReceived(connection, tpdu, header, message, data, type_of(message), certified=certified)


def _answerable(good: Message) -> Message:
    """The fields of a broken message that its answer echoes; the rest is of no use to anyone."""
    return Message(good.mti, {number: good[number] for number in (3, 4, 11, 41, 42, 49, 60) if number in good})
