"""Redacted copies of whole inputs: of a message with its length and head, and of a capture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iso8583.errors import Iso8583Error
from iso8583.tool.capture import with_payloads, write_capture
from iso8583.tool.recognition import Found, Reading
from iso8583.tool.redaction import Redactor
from iso8583.tool.wire_input import Offer


def clean_wire(found: Found, redactor: Redactor) -> bytes | None:
    """The message as it was on the wire, redacted, in as many bytes; None if it does not decode.

    A head of unknown kind becomes zeros, for nobody knows what is in it.
    """
    if found.message is None:
        return None
    envelope = found.envelope
    if envelope.kind == "other":
        envelope = replace(envelope, head=bytes(len(envelope.head)))
    try:
        wire = envelope.around(found.dialect.encode(redactor.redact(found.message, found.dialect)))
    except Iso8583Error:
        return None  # a field of a shape that filler does not have: better left out than let through
    return wire if len(wire) == len(found.wire) else None


def clean_capture(offer: Offer, readings: Sequence[Reading], redactor: Redactor) -> bytes:
    """The capture as a pcap of its TCP packets with redacted messages. All that does not decode becomes zeros."""
    assert offer.capture is not None
    changed = []
    for reading in readings:
        data = bytearray(len(reading.unit.data))
        for found in reading.messages:
            wire = clean_wire(found, redactor)
            if wire is not None:
                data[found.begin : found.begin + len(wire)] = wire
        assert reading.unit.flow is not None
        changed.append((reading.unit.flow, bytes(data)))
    return write_capture(with_payloads(offer.capture, changed))
