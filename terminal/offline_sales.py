"""One record for a sale that stands without the host: all that the advice needs, by chip or by signed code."""

from dataclasses import replace

from firmware_config.profile import TerminalProfile
from paycode.signed import PREFIX
from terminal import messages
from terminal.book import Payment
from terminal.events import CardPresented
from terminal.offline_codes import CodeVerified
from terminal.records import ApprovedByCode, ApprovedOffline


def sold_offline(
    payment: Payment, means: CardPresented | CodeVerified, profile: TerminalProfile, now: float
) -> ApprovedOffline | ApprovedByCode:
    """State that the goods may go."""
    if isinstance(means, CodeVerified):
        return _by_code(payment, means, profile, now)
    return _by_chip(payment, means, profile, now)


def _by_code(payment: Payment, verified: CodeVerified, profile: TerminalProfile, now: float) -> ApprovedByCode:
    advice = messages.offline_code_sale(replace(payment, type="offline_code_sale"), profile)
    says = verified.says
    return ApprovedByCode(
        payment.key, verified.code, says.key.hex(), says.counter, verified.until, f"{PREFIX}{says.name}", now,
        messages.recovery_fields(advice, "repeat"), verified.revoked, verified.quota,
    )  # fmt: skip


def _by_chip(payment: Payment, card: CardPresented, profile: TerminalProfile, now: float) -> ApprovedOffline:
    kept = messages.recovery_fields(messages.offline_sale(payment, card, profile), payment.rules.recovery)
    return ApprovedOffline(
        payment.key, card.entry_mode, card.masked, now, card.sealed, kept, card.chip, card.signature, card.token,
        card.scheme, card.verified_by,
    )  # fmt: skip
