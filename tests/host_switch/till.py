"""A till for the tests: it words, signs and reads messages as a terminal does, and keeps no promises of one."""

from dataclasses import dataclass, field

from iso8583 import Message, load_dialect
from iso8583.security import encrypt_pin_block, encrypt_track2, pin_block_iso0
from iso8583.tlv import build_text_tlv, build_tlv
from iso8583.unionpay import Block60, Frame, Original61, Totals, Totals48, WorkingKeys62, mac_state
from simulators.people import SEQUENCE, chip_data

MERCHANT = "898110053110001"
MASTER_KEY = bytes.fromhex("11111111111111112222222222222222")
PAN = "6299990000000009"
TRACK2 = "6299990000000009D30122011234567890"


@dataclass
class Till:
    """One terminal: its names, its keys, its batch, and the trace number that goes up."""

    id: str = "12345678"
    merchant: str = MERCHANT
    batch: str = "000001"
    trace: int = 0
    pin_key: bytes = b""
    mac_key: bytes = b""
    track_key: bytes = b""
    sent: dict[str, Message] = field(default_factory=dict)

    def next_trace(self) -> str:
        self.trace += 1
        return f"{self.trace:06d}"

    # --- messages -----------------------------------------------------------------------------------------------------

    def sign_on(self, code: str = "004") -> Message:
        return self._management("0800", code, {11: self.next_trace(), 63: "01 "})

    def sign_off(self) -> Message:
        return self._management("0820", "002", {11: self.next_trace()})

    def echo(self, number: str = "") -> Message:
        return self._management("0820", "301", {11: number} if number else {})

    def parameters(self, code: str = "360") -> Message:
        return self._management("0800", code, {})

    def asks(self, code: str, field62: bytes = b"") -> Message:
        """A question of a download loop, by its 60.3."""
        fields: dict[int, str | bytes] = {11: "000042", 62: field62} if field62 else {11: "000042"}
        return self._management("0820" if code in {"372", "382"} else "0800", code, fields)

    def status(self, field62: bytes) -> Message:
        return self._management("0820", "362", {62: field62})

    def settle(self, totals: Totals) -> Message:
        fields: dict[int, str | bytes] = {11: self.next_trace(), 48: Totals48(totals).to_text(), 49: "156", 63: "01 "}
        return self._management("0500", "201", fields)

    def upload(self, details: str, code: str = "201") -> Message:
        return self._management("0320", code, {11: self.next_trace(), 48: details})

    def _management(self, mti: str, code: str, fields: dict[int, str | bytes]) -> Message:
        block = Block60("00", self.batch, code).to_text()
        return Message(mti, {41: self.id, 42: self.merchant, 60: block, **fields})

    def sale(self, amount: int = 1234, pin: bytes = b"", **changed: str) -> Message:
        fields = self._financial("000000", "22", amount) | {2: PAN, 14: "3012", 22: "021"}
        if self.track_key:
            fields |= {35: encrypt_track2(self.track_key, TRACK2), 53: "0610000000000000"}
        if pin:
            block = encrypt_pin_block(self.pin_key, pin_block_iso0(bytearray(pin), PAN))
            fields |= {26: "12", 52: block, 53: "2610000000000000"}
        return Message("0200", {**fields, **_numbered(changed)})

    def offline_sale(self, amount: int = 1234) -> Message:
        """What the chip of the golden card has approved, with its certificate."""
        fields = self._financial("000000", "36", amount) | {2: PAN, 22: "052", 23: SEQUENCE, 63: "CUP"}
        chip = build_tlv(chip_data(PAN, self.trace, amount, inquiry=False, offline=True))
        return Message("0200", {**fields, 55: chip})

    def offline_code_sale(self, code: str, amount: int = 1234) -> Message:
        """What the terminal has sold by a signed code."""
        fields = self._financial("000000", "36", amount) | {22: "032", 59: build_text_tlv({"A6": code})}
        return Message("0200", fields)

    def qr_sale(self, code: str, amount: int = 1234) -> Message:
        fields = self._financial("000000", "22", amount) | {22: "032", 59: build_text_tlv({"A3": code})}
        return Message("0200", fields)

    def balance(self) -> Message:
        fields = self._financial("310000", "01", 0) | {2: PAN, 22: "021"}
        return Message("0200", {number: value for number, value in fields.items() if number != 4})

    def void(self, sale: Message, reference: str, amount: int = 1234, **changed: str) -> Message:
        fields = self._financial("200000", "23", amount) | self._original(sale, reference)
        return Message("0200", {**fields, **_numbered(changed)})

    def refund(self, sale: Message, reference: str, amount: int, **changed: str) -> Message:
        fields = self._financial("200000", "25", amount) | self._original(sale, reference) | {63: "CUP"}
        if not sale.text(22).startswith("03"):
            fields |= {2: PAN}
        return Message("0220", {**fields, **_numbered(changed)})

    def _original(self, sale: Message, reference: str) -> dict[int, str | bytes]:
        original = Original61(sale.text(60)[2:8], sale.text(11), "0115").to_text()
        fields: dict[int, str | bytes] = {37: reference, 61: original, 22: sale.text(22)}
        return fields | ({59: build_text_tlv({"A4": reference})} if sale.text(22).startswith("03") else {})

    def reversal(self, sale: Message, reason: str = "98", **changed: str) -> Message:
        kept = {number: value for number, value in sale.items() if number in {3, 4, 11, 22, 25, 41, 42, 49, 60, 61}}
        return Message("0400", {**kept, 39: reason, **_numbered(changed)})

    def _financial(self, processing_code: str, type_code: str, amount: int) -> dict[int, str | bytes]:
        return {
            3: processing_code, 4: f"{amount:012d}", 11: self.next_trace(), 25: "00", 41: self.id, 42: self.merchant,
            49: "156", 60: Block60(type_code, self.batch, reader_capability="6", chip_condition="0").to_text(),
        }  # fmt: skip

    # --- frames -------------------------------------------------------------------------------------------------------

    def frame(self, message: Message, *, protected: bool | None = None) -> bytes:
        """The frame for a message, with a MAC where its type has one."""
        signed = message.mti[1] in "24" if protected is None else protected
        frame = Frame("6000030000", "603100310006", message)
        return frame.to_bytes(self.mac_key or bytes(8)) if signed else frame.to_bytes()

    def read(self, data: bytes) -> Message:
        """Read an answer; its MAC, if there is one, must be good."""
        message = Frame.parse(data).message
        if 64 in message:
            assert mac_state(data[11:], message, self.mac_key) == "good"
        return message

    def signed_on(self, data: bytes) -> Message:
        """Take the keys and the batch of a sign-on answer."""
        message = self.read(data)
        assert message[39] == "00"
        self.pin_key, self.mac_key, self.track_key = WorkingKeys62.parse(message.binary(62)).unwrap(MASTER_KEY)
        self.batch = message.text(60)[2:8]
        return message


def repeated(message: Message) -> Message:
    """The same message with the repeat digit in its MTI."""
    return Message(message.mti[:3] + "1", dict(message.items()))


def damaged(data: bytes) -> bytes:
    """The same frame with a wrong MAC."""
    return data[:-1] + bytes([data[-1] ^ 1])


def _numbered(changed: dict[str, str]) -> dict[int, str]:
    """Fields given as keywords: f4="000000000001"."""
    return {int(name[1:]): value for name, value in changed.items()}


__all__ = ["MASTER_KEY", "MERCHANT", "PAN", "Till", "damaged", "load_dialect", "repeated"]
