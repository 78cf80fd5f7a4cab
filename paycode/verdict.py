"""What a verification says: what the code says, or one reason out of a closed list.

Reasons are keys that programs may rely on; the sentences for people stand in `texts/`. None is ever reused for
something else. A verdict never shows the code: what it tells of a person is masked.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a code is refused."""

    # Of any code
    FORM_UNKNOWN = "form_unknown"
    NOT_TAKEN = "not_taken"
    TOO_LONG = "too_long"
    ISSUER_UNKNOWN = "issuer_unknown"
    EXPIRED = "expired"
    FUTURE = "future"
    REPLAYED = "replayed"
    REVOKED = "revoked"
    OVER_LIMIT = "over_limit"
    MEMORY_FULL = "memory_full"

    # Of digits, at the host
    TERMINAL_LOCKED = "terminal_locked"
    USER_UNKNOWN = "user_unknown"
    USER_LOCKED = "user_locked"
    SLOT_NOT_ISSUED = "slot_not_issued"
    SEED_TOO_OLD = "seed_too_old"
    SEED_FUTURE = "seed_future"
    SLOT_USED = "slot_used"
    PASSWORD_WRONG = "password_wrong"  # noqa: S105 - a reason, not a password

    # Of a signed code
    TEXT_BROKEN = "text_broken"
    CBOR_BROKEN = "cbor_broken"
    CBOR_AMBIGUOUS = "cbor_ambiguous"
    FIELDS_WRONG = "fields_wrong"
    CRITICAL_UNKNOWN = "critical_unknown"
    ALGORITHM_UNKNOWN = "algorithm_unknown"
    ALGORITHM_OTHER = "algorithm_other"
    UNSIGNED = "unsigned"
    CERTIFICATE_FORGED = "certificate_forged"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_FUTURE = "certificate_future"
    SIGNATURE_WRONG = "signature_wrong"
    CURRENCY_OTHER = "currency_other"
    AMOUNT_OTHER = "amount_other"
    MERCHANT_OTHER = "merchant_other"
    DOUBLE_SPENT = "double_spent"
    COUNTER_BACKWARDS = "counter_backwards"
    QUOTA_USED = "quota_used"

    # Of a transit code
    LENGTH_WRONG = "length_wrong"
    CERTIFICATE_WRONG = "certificate_wrong"
    ROOT_UNKNOWN = "root_unknown"
    ROOT_EXPIRED = "root_expired"
    ACCOUNT_UNPRINTABLE = "account_unprintable"
    ACCOUNT_TYPE_ZERO = "account_type_zero"
    AUTHORISATION_EXPIRED = "authorisation_expired"
    CUSTOM_DATA_TOO_LONG = "custom_data_too_long"
    VALIDITY_TOO_LONG = "validity_too_long"
    ISSUER_SIGNATURE_WRONG = "issuer_signature_wrong"
    SHOWN_AGAIN = "shown_again"
    PASSED_BACK = "passed_back"
    GATE_ORDER = "gate_order"


class CodeRefused(Exception):
    """A code breaks a rule. Raised inside this package only: `verify` returns it as `Refused`.

    Attributes:
        reason: which rule.
        evidence: the code met before and this one, if the two prove a double spend.
    """

    def __init__(self, reason: Reason, evidence: tuple[str, ...] = ()) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.evidence = evidence


def demand(holds: bool, otherwise: Reason) -> None:
    """Refuse the code unless something holds."""
    if not holds:
        raise CodeRefused(otherwise)


def masked(text: str) -> str:
    """The last four characters of what names a person; nothing of what is too short to hide the rest."""
    return "*" * (len(text) - 4) + text[-4:] if len(text) >= 10 else "*" * len(text)
