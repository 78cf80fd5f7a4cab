"""The EMV kernel: pure machines that read a chip card and decide with it; see `terminal.emv.kernel`."""

from terminal.emv.ca_keys import CaKey
from terminal.emv.contactless import ContactlessKernel, offers_tap
from terminal.emv.kernel import ContactKernel
from terminal.emv.known_cards import KnownCards
from terminal.emv.parameters import UNIONPAY_APPLICATIONS, Application, SaleFacts, TerminalParameters
from terminal.emv.steps import (
    Answer,
    AskPin,
    Candidate,
    CardChecked,
    CardData,
    CardRemoved,
    CheckCard,
    CheckDocument,
    ChooseApplication,
    DocumentChecked,
    Finished,
    GoOnline,
    NoAnswer,
    OfflinePinResult,
    OnlineAnswer,
    Outcome,
    PinResult,
    Step,
    Transmit,
    VerifyOfflinePin,
)  # fmt: skip

__all__ = [
    "UNIONPAY_APPLICATIONS",
    "Answer",
    "Application",
    "AskPin",
    "CaKey",
    "Candidate",
    "CardChecked",
    "CardData",
    "CardRemoved",
    "CheckCard",
    "CheckDocument",
    "ChooseApplication",
    "ContactKernel",
    "ContactlessKernel",
    "DocumentChecked",
    "Finished",
    "GoOnline",
    "KnownCards",
    "NoAnswer",
    "OfflinePinResult",
    "OnlineAnswer",
    "Outcome",
    "PinResult",
    "SaleFacts",
    "Step",
    "TerminalParameters",
    "Transmit",
    "VerifyOfflinePin",
    "offers_tap",
]  # fmt: skip
