"""What the issuer is asked: a request as it came, a refund once more, a reversal."""

from host_switch.channels import ChannelCall
from host_switch.ciphers import clear_track, zone_pin_block
from host_switch.events import FrameReceived
from host_switch.facts import Facts
from host_switch.payer import card_number, scanned_code
from host_switch.records import Transaction
from iso8583 import Message


def request_call(row: Transaction, event: FrameReceived, facts: Facts, account: str = "") -> ChannelCall:
    """Word the request for the issuer. Raises ValueError or Iso8583Error if PIN block or track cannot be used.

    `account`: the card number that pays, if the host has found it by a code; its issuer knows nothing of such codes.
    """
    message = event.message
    sale = facts.original
    return ChannelCall(
        reference=row.reference, kind=row.kind, terminal=row.key.terminal, merchant=row.merchant, amount=row.amount,
        currency=row.currency, at=row.created_at, entry_mode=row.entry_mode,
        original=sale.reference if sale else "", auth_code=message.text(38, "").strip(),
        pan=account or card_number(message), expiry=message.text(14, ""), sequence=message.text(23, ""),
        track2=_track2(message, facts), pin_block=_zone_pin_block(message, facts), chip_data=message.binary(55, b""),
        code=scanned_code(message) if not sale and not account else "",
    )  # fmt: skip


def _track2(message: Message, facts: Facts) -> str:
    track = message.text(35, "")
    if not track or message.text(53, "")[2:3] != "1":
        return track
    return clear_track(facts.working_keys.track_key, track)


def _zone_pin_block(message: Message, facts: Facts) -> bytes:
    block = message.binary(52, b"")
    if not block:
        return b""
    if message.text(53, "")[:2] != "26":
        raise ValueError("the PIN block is not of format 0 under a double-length key")
    return zone_pin_block(block, facts.working_keys.pin_key, facts.policy.zone_pin_key)


def reversal_call(row: Transaction, reason: str, *, repeat: bool = False) -> ChannelCall:
    """The call that takes a transaction back. `reason` is field 39 of the reversal."""
    return ChannelCall(
        reference=row.reference, kind=row.kind, terminal=row.key.terminal, merchant=row.merchant, amount=row.amount,
        currency=row.currency, at=row.created_at, reverse=True, repeat=repeat, entry_mode=row.entry_mode,
        auth_code=row.auth_code, reason=reason,
    )  # fmt: skip


def advice_call(row: Transaction) -> ChannelCall:
    """The call that repeats a refund or an offline sale; what was kept of the card is forgotten on the answer."""
    return ChannelCall(
        reference=row.reference, kind=row.kind, terminal=row.key.terminal, merchant=row.merchant, amount=row.amount,
        currency=row.currency, at=row.created_at, repeat=True, entry_mode=row.entry_mode,
        original=f"{row.original:012d}" if row.original else "", pan=row.pan, sequence=row.sequence,
        chip_data=row.chip_data,
    )  # fmt: skip
