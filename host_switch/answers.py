"""How the host words its answers, addresses them and protects them.

An answer never echoes the card number (field 2), so what is stored for repeats holds none. It is kept without its MAC:
the same answer under the same working keys is the same bytes, and after a new sign-on the terminal can still check it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from host_switch.channels import ChannelAnswer
from host_switch.ciphers import terminal_mac
from host_switch.events import Effect, FrameReceived, Report, Send
from host_switch.facts import Facts, Policy
from host_switch.records import Severity, Terminal, Transaction, WorkingKeys
from iso8583 import Message, load_dialect
from iso8583.message import response_mti
from iso8583.response_codes import meaning
from iso8583.tlv import build_text_tlv
from iso8583.transactions import TYPES
from iso8583.unionpay import mac_state

SIGN_ON = "3"  # header digit: sign on again
NO_COMMAND = "0"
SIGN_ON_CODES = frozenset({"99", "A0", "77"})  # answers after which the terminal needs new keys or a new batch number
MAC_BYTES = 8
TEXT_BYTES = 20  # field 63: issuer's, centre's and acquirer's text
_ECHOED = (3, 4, 11, 25, 41, 42, 49, 60)
_dialect = load_dialect("unionpay_pos")


@lru_cache(maxsize=8)
def _local_clock(second: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(second, UTC)
    return moment.strftime("%H%M%S"), moment.strftime("%m%d")


def clock_fields(policy: Policy, now: float) -> dict[int, str | bytes]:
    """Fields 12 and 13: the host's local time, to which the terminal sets its clock."""
    time, date = _local_clock(int(now) + policy.utc_offset_s)
    return {12: time, 13: date}


def financial_reply(
    row: Transaction, code: str, facts: Facts, now: float, answer: ChannelAnswer | None = None
) -> bytes:
    """The answer to a financial request, as stored: from the MTI on, bit 64 set, without the MAC itself."""
    rules = TYPES[row.kind]
    fields = _financial_fields(row, code, facts.policy, now) | _issuer_fields(answer, facts.policy)
    if rules.direction != "none":
        fields[4] = f"{row.amount:012d}"
    return _unsigned_body(response_mti(rules.mti), fields | {63: text_field(code)})


def reversal_reply(row: Transaction, message: Message, code: str, facts: Facts, now: float) -> bytes:
    """The answer to a reversal, as stored. What it says of the original is what the terminal said."""
    echoed = {number: message[number] for number in _ECHOED if number in message}
    fields = echoed | _financial_fields(row, code, facts.policy, now) | echoed
    return _unsigned_body("0410", fields)


def _financial_fields(row: Transaction, code: str, policy: Policy, now: float) -> dict[int, str | bytes]:
    time, date = _local_clock(int(now) + policy.utc_offset_s)
    return {
        3: row.processing_code, 11: row.key.trace, 12: time, 13: date, 15: date, 25: "00", 32: policy.acquirer,
        37: row.reference, 39: code, 41: row.key.terminal, 42: row.merchant, 49: row.currency, 60: row.block60,
    }  # fmt: skip


def _issuer_fields(answer: ChannelAnswer | None, policy: Policy) -> dict[int, str | bytes]:
    if answer is None:
        return {}
    voucher = build_text_tlv({"A4": answer.voucher}) if answer.voucher else ""
    fields: dict[int, str | bytes] = {
        38: answer.auth_code, 44: f"{answer.issuer:<11}{policy.acquirer:<11}", 54: answer.balances,
        55: answer.chip_data, 59: voucher,
    }  # fmt: skip
    return {number: value for number, value in fields.items() if value}


def text_field(code: str) -> str:
    """Field 63: the card organisation, and for a refusal its reason in Chinese as the acquirer's text (GBK, padded)."""
    if code == "00":
        return "CUP"
    text = meaning(code).zh.encode("gbk", "replace")[:TEXT_BYTES].decode("gbk", "ignore")
    padding = " " * (TEXT_BYTES - len(text.encode("gbk")))
    return "CUP" + " " * 2 * TEXT_BYTES + text + padding


def _unsigned_body(mti: str, fields: Mapping[int, str | bytes]) -> bytes:
    return _dialect.encode(Message(mti, {**fields, 64: bytes(MAC_BYTES)}))[:-MAC_BYTES]


def address(tpdu: str, header: str, command: str) -> bytes:
    """TPDU and header of an answer: addresses swapped, the host's command in digit 6."""
    return bytes.fromhex(tpdu[:2] + tpdu[6:] + tpdu[2:6] + header[:5] + command + header[6:])


def send_signed(row: Transaction, body: bytes, terminal: Terminal) -> tuple[Effect, ...]:
    """Send a stored answer where the newest request came from; nothing, if the terminal signed off meanwhile."""
    if terminal.keys is None:
        return ()
    command = SIGN_ON if row.response_code in SIGN_ON_CODES else terminal.command
    mac = terminal_mac(terminal.keys.mac_key, body)
    return (Send(row.connection, address(row.tpdu, row.header, command) + body + mac),)


def send_plain(event: FrameReceived, fields: Mapping[int, str | bytes], command: str = NO_COMMAND) -> Send:
    """Answer a request that carries no MAC, or whose MAC could not be trusted: so does the answer."""
    echoed = {number: event.message[number] for number in _ECHOED if number in event.message}
    body = _dialect.encode(Message(response_mti(event.message.mti), {**echoed, **fields}))
    return Send(event.connection, address(event.tpdu, event.header, command) + body)


def refuse(
    event: FrameReceived, code: str, command: str = NO_COMMAND, kind: str = "", severity: Severity = "note"
) -> tuple[Effect, ...]:
    """Refuse a request without a trace in the store, and report why: anyone could have sent it."""
    return _report(event, code, kind, severity), send_plain(event, {39: code}, command)


def refuse_in_kind(event: FrameReceived, terminal: Terminal, code: str, kind: str) -> tuple[Effect, ...]:
    """Refuse as `refuse` does a request that can never be accepted; if its MAC is good, so is the answer's."""
    if terminal.keys is None or not _is_authentic(event, terminal.keys):
        return refuse(event, code, kind=kind)
    return _report(event, code, kind, "note"), send_with_mac(event, terminal, {39: code})


def send_with_mac(event: FrameReceived, terminal: Terminal, fields: Mapping[int, str | bytes]) -> Send:
    """Answer with a MAC a terminal that has signed on, whether or not the request carries one."""
    assert terminal.keys is not None, "signed on"
    echoed = {number: event.message[number] for number in _ECHOED if number in event.message}
    body = _unsigned_body(response_mti(event.message.mti), {**echoed, **fields})
    frame = address(event.tpdu, event.header, terminal.command) + body + terminal_mac(terminal.keys.mac_key, body)
    return Send(event.connection, frame)


def _is_authentic(event: FrameReceived, keys: WorkingKeys) -> bool:
    return mac_state(event.data, event.message, keys.mac_key, terminal_mac) == "good"


def _report(event: FrameReceived, code: str, kind: str, severity: Severity) -> Report:
    return Report(severity, kind or "refused", event.connection, event.message.text(41, ""), code)
