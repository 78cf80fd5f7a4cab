"""The EMV kernel: a pure machine that reads a chip card and decides with it; see `terminal.emv.kernel`."""

from terminal.emv.kernel import ContactKernel
from terminal.emv.parameters import UNIONPAY_APPLICATIONS, Application, SaleFacts, TerminalParameters
from terminal.emv.steps import (
    Answer,
    AskPin,
    Candidate,
    CardData,
    CardRemoved,
    ChooseApplication,
    Finished,
    GoOnline,
    NoAnswer,
    OnlineAnswer,
    Outcome,
    PinResult,
    Step,
    Transmit,
)  # fmt: skip

__all__ = [
    "UNIONPAY_APPLICATIONS",
    "Answer",
    "Application",
    "AskPin",
    "Candidate",
    "CardData",
    "CardRemoved",
    "ChooseApplication",
    "ContactKernel",
    "Finished",
    "GoOnline",
    "NoAnswer",
    "OnlineAnswer",
    "Outcome",
    "PinResult",
    "SaleFacts",
    "Step",
    "TerminalParameters",
    "Transmit",
]  # fmt: skip
