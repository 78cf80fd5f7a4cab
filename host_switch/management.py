"""Sign-on, sign-off, echo, parameter download and status upload. These messages carry no MAC; an echo may.

A sign-on answer brings fresh working keys under the terminal's master key. The same sign-on again, shortly after (a
frame that came twice), brings the same keys, so that terminal and host cannot end up with different ones.

A command stands in the header of the answers until the message that ends it: 361 after the parameters, 362 with the
status. Anyone who can write to the line could send that in the terminal's name; then the command is given again.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from host_switch.answers import clock_fields, refuse, send_plain, send_with_mac
from host_switch.downloads import KIND_OF, TAKEN, served
from host_switch.events import Effect, FrameReceived, Persist
from host_switch.facts import DOWNLOAD_TYPES, Facts
from host_switch.orders import COMMANDS
from host_switch.records import Event, Key, Terminal, WorkingKeys
from host_switch.requests import untrusted
from host_switch.settlement import SETTLEMENT
from iso8583 import Iso8583Error
from iso8583.transactions import missing_fields
from iso8583.unionpay import WorkingKeys62
from iso8583.unionpay_fields.field62 import Status62

DOUBLE_LENGTH, WITH_TRACK_KEY = "003", "004"
PARAMETERS_TAKEN = "361"


def management(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Decide a message that no money depends on."""
    assert event.rules is not None
    if missing_fields(event.message, event.rules):
        return refuse(event, "30", kind="fields missing or too many")
    return _ACTS[event.rules.name](event, terminal, facts, now)


def _sign_on(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    management_code = event.message.text(60)[8:11]
    if management_code not in {DOUBLE_LENGTH, WITH_TRACK_KEY}:
        return refuse(event, "12", kind="single-length keys asked for")
    signed_on = _signed_on(event.message.text(11), terminal, facts, now)
    assert signed_on.keys is not None
    fields = clock_fields(facts.policy, now) | {
        32: facts.policy.acquirer, 39: "00", 60: f"00{signed_on.batch}{management_code}",
        62: _wrapped(signed_on.master_key, signed_on.keys, management_code),
    }  # fmt: skip
    return Persist((signed_on,)), send_plain(event, fields, signed_on.command)


def _signed_on(trace: str, terminal: Terminal, facts: Facts, now: float) -> Terminal:
    repeated = terminal.keys is not None and terminal.sign_on_trace == trace
    if repeated and now - terminal.signed_on_at <= facts.policy.sign_on_repeat_s:
        return terminal
    assert facts.fresh_keys is not None, "the store hands in fresh keys for every sign-on"
    signed_on = replace(terminal, keys=facts.fresh_keys, sign_on_trace=trace, signed_on_at=now)
    return signed_on.obeyed(COMMANDS["sign-on"])


def _wrapped(master_key: bytes, keys: WorkingKeys, management_code: str) -> bytes:
    track_key = keys.track_key if management_code == WITH_TRACK_KEY else b""
    return WorkingKeys62.wrap(master_key, keys.pin_key, keys.mac_key, track_key).to_bytes()


def _sign_off(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    signed_off = replace(terminal, keys=None)
    return Persist((signed_off,)), send_plain(event, clock_fields(facts.policy, now) | {39: "00"}, terminal.command)


def _echo(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Say that we are here, and what time it is; whoever asks under a MAC is answered under one. Nothing is stored."""
    fields = clock_fields(facts.policy, now) | {39: "00"}
    if 64 not in event.message:
        return (send_plain(event, fields, terminal.command),)
    return untrusted(event, terminal) or (send_with_mac(event, terminal, fields),)


def _parameters(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """All parameters in every answer: a terminal that asks again gets the same, and so knows that there is no more."""
    fields = clock_fields(facts.policy, now) | {39: "00"}
    if event.message.text(60)[8:11] == PARAMETERS_TAKEN:
        return _obeyed(event, terminal, COMMANDS["parameters"], fields)
    parameters = terminal.parameters.to_bytes()
    return (send_plain(event, fields | ({62: parameters} if parameters else {}), terminal.command),)


def _download(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Serve what is asked for; or take note that all of it has been taken."""
    assert event.rules is not None
    if event.message.text(60)[8:11] in TAKEN:
        command = COMMANDS[KIND_OF[event.rules.name]]
        return _obeyed(event, terminal, command, clock_fields(facts.policy, now) | {39: "00"})
    return served(event, terminal, facts, now)


def _status(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    """Keep a status that was asked for; one that nobody asked for is answered, and leaves no trace."""
    try:
        status = Status62.parse(event.message.binary(62))
    except Iso8583Error:
        return refuse(event, "30", kind="field 62 broken")
    key = Key(terminal.id, terminal.batch, SETTLEMENT)
    note = Event("note", "terminal status", key, now, _in_words(status))
    return _obeyed(event, terminal, COMMANDS["status"], clock_fields(facts.policy, now) | {39: "00"}, note)


def _in_words(status: Status62) -> str:
    devices = {"PIN pad": status.pin_pad, "card reader": status.card_reader, "printer": status.printer}
    said = [f"{name} {'works' if works else 'does not work'}" for name, works in devices.items() if works is not None]
    waits = [] if status.reply_timeout_s is None else [f"waits {status.reply_timeout_s} s"]
    return ", ".join(said + waits)


def _obeyed(
    event: FrameReceived, terminal: Terminal, command: str, fields: dict[int, str | bytes], *notes: Event
) -> tuple[Effect, ...]:
    """The terminal has done what it was asked for: no answer says so any more, from this one on."""
    if command not in terminal.commands:
        return (send_plain(event, fields, terminal.command),)
    obeyed = terminal.obeyed(command)
    return Persist((obeyed, *notes)), send_plain(event, fields, obeyed.command)


_ACTS: Mapping[str, Callable[[FrameReceived, Terminal, Facts, float], tuple[Effect, ...]]] = {
    "sign_on": _sign_on,
    "sign_off": _sign_off,
    "echo": _echo,
    "parameter_download": _parameters,
    "status_upload": _status,
    **dict.fromkeys(DOWNLOAD_TYPES, _download),
}
