"""How the terminal words its messages: payments and facts in, ISO 8583 messages (without MAC) out.

Fields and values as in the dialect ``unionpay_pos``; which fields a type carries stands in `iso8583.transactions`.
A reversal is worded from `recovery_fields`, which the journal keeps, so that it is the same after a restart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from firmware_config.profile import Devices, TerminalProfile
from iso8583 import Message
from iso8583.transactions import TYPES
from iso8583.transactions.transaction_type import Recovery
from iso8583.unionpay import MAC_PLACEHOLDER, Block60, Data59, Detail48, Details48, Original61, Totals48, security53
from iso8583.unionpay import Totals as WireTotals
from iso8583.unionpay_fields.field62 import Status62
from terminal.book import Payment
from terminal.events import CardPresented, CodePresented, Original
from terminal.records import Key
from terminal.sums import Totals

CHIP_READER, CHIP_AND_TAP_READER, ONLY_STRIPE_READER = "5", "6", "2"
CHIP_NOT_USED, CHIP_FAILED = "0", "2"
CARD_ORGANISATION = "CUP"
NO_CARD_ENTRY = "012"
CODE_ENTRY = "032"
DETAILS_PER_MESSAGE = 8
UPLOAD = TYPES["batch_upload"]

# What of a request is kept for its reversal or repeat: these and nothing else. The card number is kept sealed, apart,
# and put into field 2 by the link; tracks, PIN block and payment code are not kept at all.
_KEPT: Mapping[Recovery, frozenset[int]] = {
    "reverse": frozenset({3, 4, 11, 22, 23, 25, 38, 41, 42, 49, 60, 61}),
    "repeat": frozenset({3, 4, 11, 22, 23, 25, 37, 41, 42, 49, 55, 59, 60, 61, 63}),
    "none": frozenset(),
}


def card_request(payment: Payment, card: CardPresented, profile: TerminalProfile) -> Message:
    """Word a sale or an inquiry with a card: 2, 14, 35; 23 and 55 of a chip, 36 of a stripe; 26, 52, 53 for the PIN.

    Of a stripe that stands in for its chip, 60.5 says that the chip could not be read.
    """
    condition = CHIP_FAILED if card.chip_failed else CHIP_NOT_USED
    fields = _common(payment, profile, condition) | {
        2: card.pan, 14: card.expiry, 22: card.entry_mode, 35: card.track2,
        53: security53(pin=card.pin_block is not None, algorithm="3des", track_encrypted=False),
    }  # fmt: skip
    own: dict[int, str | bytes] = {23: card.sequence, 36: card.track3, 55: card.chip_data, 52: card.pin_block or b""}
    if card.pin_block:
        own[26] = "12"
    return Message(payment.rules.mti, fields | {number: value for number, value in own.items() if value})


def offline_sale(payment: Payment, card: CardPresented, profile: TerminalProfile) -> Message:
    """Word the advice of a sale that the chip has approved: 2, 23, 55 with its certificate, 63; no track, no PIN."""
    return Message(
        payment.rules.mti,
        _common(payment, profile)
        | {2: card.pan, 22: card.entry_mode, 23: card.sequence, 55: card.chip_data, 63: CARD_ORGANISATION},
    )


def code_request(payment: Payment, code: CodePresented, profile: TerminalProfile) -> Message:
    """Word a sale by the customer's payment code: F22 032, the code in F59 tag A3, neither card nor PIN."""
    fields = _common(payment, profile) | {22: CODE_ENTRY, 59: Data59(payment_code=code.code).to_text()}
    return Message(payment.rules.mti, fields)


def offline_code_sale(payment: Payment, profile: TerminalProfile) -> Message:
    """Word the advice of a sale by a signed code, without the code: that is put into F59 tag A6 when it is sent."""
    return Message(payment.rules.mti, _common(payment, profile) | {22: CODE_ENTRY})


def void_request(payment: Payment, sale: Payment, profile: TerminalProfile) -> Message:
    """Word the void of a sale of this batch: its reference and authorisation, batch and trace in F61."""
    original = Original61(batch=sale.key.batch, trace=sale.key.trace)
    return Message(payment.rules.mti, _back(payment, profile, sale.reference, sale.authorisation, original))


def refund_request(payment: Payment, sale: Original, profile: TerminalProfile) -> Message:
    """Word a refund: as a void, with the date of the sale in F61 and the card organisation in F63."""
    original = Original61(batch=sale.key.batch, trace=sale.key.trace, date=sale.date)
    fields = _back(payment, profile, sale.reference, "", original) | {63: CARD_ORGANISATION}
    return Message(payment.rules.mti, fields)


def reversal(kept: Mapping[str, str], reason: str, authorisation: str, again: bool) -> Message:
    """Word a reversal (0400, or 0401 when it may have been sent before) with its reason in F39."""
    fields = read_recovery_fields(kept) | {39: reason}
    if authorisation:
        fields[38] = authorisation
    return Message("0401" if again else "0400", fields)


def advice(request: Mapping[str, str], mti: str, again: bool) -> Message:
    """Word an advice from what the journal keeps of it, with the repeat digit if it may have been sent before."""
    return Message(mti[:3] + ("1" if again else "0"), read_recovery_fields(request))


def recovery_fields(request: Message, recovery: Recovery, chip_data: bytes = b"") -> dict[str, str]:
    """The fields of a request that its reversal or its repeat needs, as the journal keeps them: none of them secret.

    `chip_data` is the F55 of a reversal (a few tags); that of the request is not kept.
    """
    kept = {number: value for number, value in request.items() if number in _KEPT[recovery]}
    if chip_data and recovery == "reverse":
        kept[55] = chip_data
    return {str(number): value.hex() if isinstance(value, bytes) else value for number, value in kept.items()}


def read_recovery_fields(kept: Mapping[str, str]) -> dict[int, str | bytes]:
    """Turn what recovery_fields kept back into message fields."""
    return {int(number): bytes.fromhex(value) if number == "55" else value for number, value in kept.items()}


def sign_on(profile: TerminalProfile, batch: str, trace: int, operator: str) -> Message:
    """Word the sign-on that asks for double-length working keys and a track key (60.3 = 004)."""
    rules = TYPES["sign_on"]
    fields = _management(profile, rules.type_code, batch, "004") | {11: f"{trace:06d}", 63: f"{operator:<3}"}
    return Message(rules.mti, fields)


def echo(profile: TerminalProfile, batch: str, number: str) -> Message:
    """Word an echo test (60.3 = 301) with a number of its own, and room for its MAC where the host knows one."""
    rules = TYPES["echo"]
    fields = _management(profile, rules.type_code, batch, rules.management_code) | {11: number}
    return Message(rules.mti, fields if profile.host.echo_without_mac else fields | {64: MAC_PLACEHOLDER})


def sign_off(profile: TerminalProfile, batch: str, trace: int, operator: str) -> Message:
    """Word the sign-off (60.3 = 002)."""
    rules = TYPES["sign_off"]
    fields = _management(profile, rules.type_code, batch, rules.management_code)
    return Message(rules.mti, fields | {11: f"{trace:06d}", 63: f"{operator:<3}"})


def parameter_download(profile: TerminalProfile, batch: str, *, end: bool = False) -> Message:
    """Word the question for this terminal's parameters (60.3 = 360), or the `end` that says they are taken (361)."""
    rules = TYPES["parameter_download"]
    return Message(rules.mti, _management(profile, rules.type_code, batch, "361" if end else "360"))


def status_upload(profile: TerminalProfile, batch: str, status: Status62) -> Message:
    """Word how this terminal is (60.3 = 362)."""
    rules = TYPES["status_upload"]
    fields = _management(profile, rules.type_code, batch, rules.management_code)
    return Message(rules.mti, fields | {62: status.to_bytes()})


def download(profile: TerminalProfile, batch: str, kind: str, code: str, field62: bytes, number: int) -> Message:
    """Word a question of a download loop.

    Args:
        profile: of this terminal.
        batch: the open one.
        kind: the type of the message.
        code: its 60.3.
        field62: what is asked for; empty to say that all has been taken.
        number: of the question, by which its answer is known from that to another.
    """
    rules = TYPES[kind]
    fields = _management(profile, rules.type_code, batch, code) | {11: f"{number:06d}"}
    return Message(rules.mti, fields | ({62: field62} if field62 else {}))


def settle(profile: TerminalProfile, batch: str, trace: int, totals: Totals, operator: str) -> Message:
    """Word the settlement request: our totals in F48, domestic only."""
    rules = TYPES["settle"]
    domestic = WireTotals(totals.debit_amount, totals.debit_count, totals.credit_amount, totals.credit_count)
    fields = _management(profile, rules.type_code, batch, rules.management_code)
    fields |= {11: f"{trace:06d}", 48: Totals48(domestic).to_text(), 49: profile.currency, 63: f"{operator:<3}"}
    return Message(rules.mti, fields)


def upload(profile: TerminalProfile, batch: str, payments: Sequence[Payment]) -> Message:
    """Word one message of the batch upload: up to eight payments; the link fills in their card numbers.

    F11 is the trace of the first of them, by which the answer tells which part it acknowledges.
    """
    details = Details48(tuple(Detail48(p.key.trace, pan="", amount=p.amount) for p in payments))
    fields = _management(profile, UPLOAD.type_code, batch, "201")
    return Message(UPLOAD.mti, fields | {11: payments[0].key.trace, 48: details.to_text()})


def with_cards(message: Message, pans: Sequence[str]) -> Message:
    """Put unsealed card numbers where the message carries them: field 2, or the details of a batch upload.

    One that could not be unsealed is empty, and left out. Called by the link at the last moment; the result must go to
    the wire and nowhere else.
    """
    if not pans:
        return message
    if message.mti != UPLOAD.mti:
        return message.with_({2: pans[0]}) if pans[0] else message
    details = Details48.parse(message.text(48)).records
    filled = tuple(replace(detail, pan=pan) for detail, pan in zip(details, pans, strict=True))
    return message.with_({48: Details48(filled).to_text()})


def key_in(message: Message) -> Key:
    """The name of the payment that a request or its answer is about."""
    return Key(message.text(41, ""), message.text(60, "")[2:8], message.text(11, ""))


def upload_end(profile: TerminalProfile, batch: str, trace: int, count: int, balanced: bool) -> Message:
    """Word the end of the batch upload: how many payments the batch has, 207 when balanced, 202 when not."""
    fields = _management(profile, UPLOAD.type_code, batch, "207" if balanced else "202")
    return Message(UPLOAD.mti, fields | {11: f"{trace:06d}", 48: f"{count:04d}"})


def _common(
    payment: Payment, profile: TerminalProfile, chip_condition: str = CHIP_NOT_USED
) -> dict[int, str | bytes]:
    rules = payment.rules
    block = Block60(rules.type_code, payment.key.batch, "000", _reader(profile.devices), chip_condition)
    fields: dict[int, str | bytes] = {
        3: rules.processing_code, 11: payment.key.trace, 25: rules.condition_code, 41: profile.terminal_id,
        42: profile.merchant_id, 49: payment.currency, 60: block.to_text(),
    }  # fmt: skip
    if rules.direction != "none":
        fields[4] = f"{payment.amount:012d}"
    return fields


def _reader(devices: Devices) -> str:
    """What this terminal can read, as 60.4 says it."""
    if devices.reads_taps:
        return CHIP_AND_TAP_READER
    return ONLY_STRIPE_READER if devices.stripe_reader_path and not devices.reads_chips else CHIP_READER


def _back(
    payment: Payment, profile: TerminalProfile, reference: str, authorisation: str, original: Original61
) -> dict[int, str | bytes]:
    fields = _common(payment, profile) | {22: NO_CARD_ENTRY, 37: reference, 61: original.to_text()}
    if payment.rules.scan:
        fields |= {22: CODE_ENTRY, 59: Data59(original_voucher=reference).to_text()}
    if authorisation:
        fields[38] = authorisation
    return fields


def _management(profile: TerminalProfile, type_code: str, batch: str, management_code: str) -> dict[int, str | bytes]:
    block = Block60(type_code, batch, management_code)
    return {41: profile.terminal_id, 42: profile.merchant_id, 60: block.to_text()}
