"""How a card, or its holder, ends a sale early. Raised inside the kernel only; what leaves it is an `Outcome`."""

from typing import Literal

CardReason = Literal[
    "removed",
    "blocked",
    "no_application",
    "application_blocked",
    "malformed",
    "refused",
    "data_missing",
    "data_inconsistent",
    "too_many_commands",
    "not_authentic",
]


class CardError(Exception):
    """The card went away, refused, or broke the rules. `where` names the command or data object, never its content."""

    def __init__(self, reason: CardReason, where: str) -> None:
        super().__init__(f"{reason}: {where}")
        self.reason: CardReason = reason
        self.where = where


class MalformedError(CardError):
    """The card's answer cannot be read."""

    def __init__(self, where: str) -> None:
        super().__init__("malformed", where)


class MissingError(CardError):
    """The card did not give a data object that the sale cannot do without."""

    def __init__(self, where: str) -> None:
        super().__init__("data_missing", where)


class InconsistentError(CardError):
    """The card contradicts itself or the protocol."""

    def __init__(self, where: str) -> None:
        super().__init__("data_inconsistent", where)


class NotAuthenticError(CardError):
    """The card's signature over what it has just said does not hold. `kind` is the cryptogram that it claimed."""

    def __init__(self, kind: int) -> None:
        super().__init__("not_authentic", "GENERATE AC")
        self.kind = kind


class CustomerCancelledError(Exception):
    """The customer does not want to go on."""

    def __init__(self, reason: Literal["pin_cancelled", "choice_cancelled"]) -> None:
        super().__init__(reason)
        self.reason: Literal["pin_cancelled", "choice_cancelled"] = reason
