"""The terminals of the host benchmark: registered, signed on over TCP, their sales framed before any clock runs.

A sale is what our own terminal sends for a chip card with a PIN: all fields of that message, track and PIN encrypted
under the terminal's own working keys, the MAC real. Frames of one terminal differ only in trace number and MAC, so they
are made from one template; `place_of` finds where two of them differ, so that no offset is written down anywhere.
"""

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from host_switch.events import Decision, Persist
from host_switch.records import Terminal
from host_switch.start import ZONE_KEYS, opened_store
from iso8583 import Message
from iso8583.framing import with_length
from iso8583.security import encrypt_pin_block, encrypt_track2, pin_block_iso0, unionpay_mac
from iso8583.unionpay import HEAD_BYTES, MAC_BYTES, Block60, Frame, WorkingKeys62, security53
from simulators.issuer import ZONE_MAC_KEY, ZONE_PIN_KEY

TERMINALS = 64
MERCHANT = "898110053110001"
MASTER_KEY = bytes.fromhex("11111111111111112222222222222222")
PAN = "6299990000000009"
TRACK2 = f"{PAN}D30122011234567890"
AMOUNT = 2500
TPDU, HEADER = "6000030000", "603100310006"
CHIP_DATA = bytes.fromhex(
    "9F2608E59D6F475599E75D9F2701809F100807010103A00000019F37041A2B3C4D9F36020007950500000480009A032601159C01009F0206"
    "0000000025005F2A02015682027D009F1A0201569F03060000000000009F3303E0E1C89F34034203009F3501229F1E08534E303030303031"
    "8408A0000003330101019F090200309F410400000003"
)


@dataclass(slots=True)
class Till:
    """One terminal after its sign-on: its working keys, its batch, and the trace number it has come to."""

    id: str
    batch: str
    pin_key: bytes = field(repr=False)
    mac_key: bytes = field(repr=False)
    track_key: bytes = field(repr=False)
    trace: int = 0

    def sale(self, trace: str = "000000") -> Message:
        """A chip sale with PIN, without its MAC."""
        block = encrypt_pin_block(self.pin_key, pin_block_iso0(bytearray(b"123456"), PAN))
        return Message("0200", {
            2: PAN, 3: "000000", 4: f"{AMOUNT:012d}", 11: trace, 14: "3012", 22: "051", 23: "001", 25: "00", 26: "12",
            35: encrypt_track2(self.track_key, TRACK2), 41: self.id, 42: MERCHANT, 49: "156", 52: block,
            53: security53(pin=True, algorithm="3des", track_encrypted=True), 55: CHIP_DATA,
            60: Block60("22", self.batch, reader_capability="5", chip_condition="0").to_text(),
        })  # fmt: skip

    def advice(self, trace: str = "000000") -> Message:
        """What is owed of a chip sale that was made offline, without its MAC."""
        return Message("0200", {
            2: PAN, 3: "000000", 4: f"{AMOUNT:012d}", 11: trace, 22: "051", 23: "001", 25: "00", 41: self.id,
            42: MERCHANT, 49: "156", 55: CHIP_DATA, 63: "CUP",
            60: Block60("36", self.batch, reader_capability="5", chip_condition="0").to_text(),
        })  # fmt: skip

    def sales(self, count: int) -> list[bytes]:
        """The next frames, with their lengths, as they go into the socket."""
        return [with_length(frame) for frame in self._frames(self.sale, count)]

    def advices(self, count: int) -> list[bytes]:
        """The next advices, as they go to the broker."""
        return list(self._frames(self.advice, count))

    def _frames(self, worded: Callable[[str], Message], count: int) -> Iterator[bytes]:
        template = Frame(TPDU, HEADER, worded("000000")).to_bytes(self.mac_key)
        other = Frame(TPDU, HEADER, worded("999999")).to_bytes(self.mac_key)
        place = place_of(template, other[:-MAC_BYTES])
        for _ in range(count):
            self.trace += 1
            frame = template[: place.start] + bytes.fromhex(f"{self.trace:06d}") + template[place.stop : -MAC_BYTES]
            yield frame + unionpay_mac(self.mac_key, frame[HEAD_BYTES:])


def place_of(one: bytes, other: bytes) -> slice:
    """Where two byte strings differ, as far as the shorter goes: from the first differing byte to the last."""
    differing = [at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right]
    return slice(differing[0], differing[-1] + 1)


def register(directory: Path) -> list[str]:
    """Make a host directory with its zone keys and terminals; return the terminals' ids."""
    ids = [f"{10_000_000 + number}" for number in range(TERMINALS)]
    with opened_store(directory, to_write=True) as store:
        store.put_secret(ZONE_KEYS, ZONE_PIN_KEY + ZONE_MAC_KEY)
        store.commit([Decision((Persist(tuple(Terminal(name, MERCHANT, MASTER_KEY) for name in ids)),))])
    return ids


def sign_on(ids: list[str], port: int) -> list[Till]:
    """Sign every terminal on, one after the other, over TCP."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        return [signed_on(name, line) for name in ids]


def signed_on(name: str, line: socket.socket) -> Till:
    """Sign one terminal on over this line, TCP or TLS."""
    block = Block60("00", "000001", "004").to_text()
    request = Message("0800", {11: "000001", 41: name, 42: MERCHANT, 60: block, 63: "01 "})
    line.sendall(with_length(Frame(TPDU, HEADER, request).to_bytes()))
    answer = Frame.parse(next(frames(line))).message
    assert answer[39] == "00", "the host signs its terminals on"
    keys = WorkingKeys62.parse(answer.binary(62)).unwrap(MASTER_KEY)
    return Till(name, answer.text(60)[2:8], *keys)


def frames(line: socket.socket) -> Iterator[bytes]:
    """Frames from a socket, without their lengths."""
    with line.makefile("rb") as stream:
        while head := stream.read(2):
            yield stream.read(struct.unpack(">H", head)[0])
