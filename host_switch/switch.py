"""The switch: one pure function from an input, the facts it needs and the time to the effects that follow.

What each kind of input does stands in its own module: `requests` and `reversals` (what terminals ask), `issuer_leg`
(what issuers answer), `management` and `settlement`, `news` (what terminals tell), `orders` and `phone_codes`
(what people order), `rescue` (what was carried here). This one only tells them apart.
"""

from host_switch.answers import refuse, refuse_in_kind
from host_switch.events import (
    ChannelAnswered,
    ChannelUnavailable,
    Close,
    CommandGiven,
    Decision,
    DownloadGiven,
    Due,
    Effect,
    FrameReceived,
    Input,
    MessageRescued,
    Order,
    ParametersGiven,
    PhoneGiven,
    PhoneTaken,
    PresenceTold,
    Report,
    SignerGiven,
    TelemetryTold,
    TerminalRegistered,
)
from host_switch.facts import BATCH_TYPES, Facts
from host_switch.issuer_leg import answered, due, unavailable
from host_switch.management import management
from host_switch.news import news
from host_switch.orders import command_given, download_given, parameters_given, terminal_registered
from host_switch.phone_codes import phone_ordered
from host_switch.records import Terminal
from host_switch.requests import request, untrusted
from host_switch.rescue import carried, opened
from host_switch.reversals import reversal
from host_switch.settlement import settlement
from host_switch.signed_codes import signer_given


def decide(event: Input, facts: Facts, now: float) -> Decision:
    """Decide one input.

    Args:
        event: what happened.
        facts: what `facts.wanted(event)` names, loaded from the store.
        now: UTC seconds.
    """
    return Decision(_effects(event, facts, now))


def _effects(event: Input, facts: Facts, now: float) -> tuple[Effect, ...]:
    match event:
        case FrameReceived():
            return _frame(event, facts, now)
        case PresenceTold() | TelemetryTold():
            return news(event, facts, now)
        case ChannelAnswered():
            return answered(event, facts, now)
        case ChannelUnavailable():
            return unavailable(event, facts, now)
        case Due():
            return due(event, facts, now)
        case _:
            return _ordered(event, facts)


def _ordered(event: Order, facts: Facts) -> tuple[Effect, ...]:
    match event:
        case CommandGiven():
            return command_given(event, facts)
        case ParametersGiven():
            return parameters_given(event, facts)
        case DownloadGiven():
            return download_given(event)
        case TerminalRegistered():
            return terminal_registered(event, facts)
        case MessageRescued():
            return opened(event, facts)
        case PhoneGiven() | PhoneTaken():
            return phone_ordered(event, facts)
        case SignerGiven():
            return signer_given(event)


def _frame(event: FrameReceived, facts: Facts, now: float) -> tuple[Effect, ...]:
    terminal, message = facts.terminal, event.message
    if 41 not in message or message.mti[2] not in "024":
        return (Close(event.connection, "neither a request nor from a terminal"),)
    if not event.rescued and event.certified not in {"", message[41]}:
        report = Report("security", "another terminal's name", event.connection, event.certified)
        return report, Close(event.connection, "names another terminal than its certificate")
    if terminal is None:
        return refuse(event, "97", kind="unknown terminal", severity="security")
    if event.malformed:
        return refuse(event, "30", kind="malformed message")
    if event.rules is None:
        return refuse_in_kind(event, terminal, "12", "unknown transaction")
    if event.rules.mac:
        return _protected(event, terminal, facts, now)
    if message.get(42) != terminal.merchant:
        return refuse(event, "03", kind="not this terminal's merchant", severity="security")
    if event.rules.name == "rescue_upload":
        return carried(event)
    if event.rules.name in BATCH_TYPES:
        return settlement(event, terminal, facts, now)
    return management(event, terminal, facts, now)


def _protected(event: FrameReceived, terminal: Terminal, facts: Facts, now: float) -> tuple[Effect, ...]:
    assert event.rules is not None
    refused = () if event.rescued else untrusted(event, terminal)
    if refused:
        return refused
    decide_it = reversal if event.rules.name == "reversal" else request
    return decide_it(event, event.rules, facts, now)
