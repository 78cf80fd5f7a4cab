"""What is being done when a process is killed: one plan for each transaction type, and for each way it can go.

Every plan begins in the same shop, whose terminal has sold four times already (`BEFORE`), so that there is something to
void and to refund. `ends` is how the last payment must end when nobody is killed: a plan that does not do what it says
proves nothing.
"""

from dataclasses import dataclass
from typing import Literal

from simulators.issuer import Mood

GOOD = Mood()

Kind = Literal[
    "sale", "offline_sale", "offline_code_sale", "qr_sale", "phone_sale", "void", "refund", "balance", "settle"
]  # fmt: skip
OFFLINE = frozenset({"offline_sale", "offline_code_sale"})


@dataclass(frozen=True, slots=True)
class Order:
    """One thing that the cashier does. `request_id` names it for good; `original` is that of the sale it is about.

    During an offline sale the host is switched off; in a phone sale the customer's phone has no network; in an offline
    sale by code both.
    """

    kind: Kind
    request_id: str
    amount: int = 0
    original: str = ""
    card: str = "good"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the cashier does, how the issuer is disposed, and how long both sides wait.

    `from_start` counts effects from the start of the processes, else from the first order on. With a `strange_sale` the
    host knows of a sale that the terminal does not, so that the batch cannot balance and is uploaded.
    """

    name: str
    orders: tuple[Order, ...] = ()
    ends: str = "approved"
    mood: Mood = GOOD
    reply_timeout_s: float = 4.0
    channel_timeout_s: float = 2.0
    from_start: bool = False
    strange_sale: bool = False


BEFORE = (
    Order("sale", "before-1", 2500),
    Order("qr_sale", "before-2", 1800),
    Order("sale", "before-3", 990),
    Order("qr_sale", "before-4", 4200),
)

_SALE = Order("sale", "now", 1234)

PLANS = (
    Plan("sign-on", ends="", from_start=True),
    Plan("sale", (_SALE,)),
    Plan("sale declined", (Order("sale", "now", 1234, card="insufficient_funds"),), ends="declined"),
    Plan("sale refused by the chip", (Order("sale", "now", 1234, card="refuses_approvals"),), ends="reversed"),
    Plan("sale unanswered", (_SALE,), "reversed", Mood("drop", times=1, only="02"), reply_timeout_s=0.3),
    Plan("sale answered late", (_SALE,), "reversed", Mood("delay", 1, delay_s=0.5, only="02"), reply_timeout_s=0.3),
    Plan("sale given up by the host", (_SALE,), "declined", Mood("drop", 1, only="02"), channel_timeout_s=0.3),
    Plan("sale contradicted", (_SALE,), mood=Mood("contradict", times=1, only="02")),
    Plan("offline sale", (Order("offline_sale", "now", 1234, card="offline"),)),
    Plan("offline sale by a signed code", (Order("offline_code_sale", "now", 1234),)),
    Plan("QR sale", (Order("qr_sale", "now", 4321),)),
    Plan("sale to a phone without network", (Order("phone_sale", "now", 3300),)),
    Plan("void", (Order("void", "now", original="before-1"),)),
    Plan("QR void", (Order("void", "now", original="before-2"),)),
    Plan("refund", (Order("refund", "now", 500, "before-3"),)),
    Plan("refund unanswered", (Order("refund", "now", 500, "before-3"),), mood=Mood("drop", times=1, only="02")),
    Plan("QR refund", (Order("refund", "now", 1000, "before-4"),)),
    Plan("balance inquiry", (Order("balance", "now"),)),
    Plan("settlement", (Order("settle", "now"),), ends=""),
    Plan("settlement with batch upload", (Order("settle", "now"),), ends="", strange_sale=True),
)

BUSY_HOUR = Plan(
    "busy hour",
    (
        Order("sale", "hour-1", 1500),
        Order("void", "hour-2", original="before-1"),
        Order("qr_sale", "hour-3", 700),
        Order("refund", "hour-4", 400, "before-3"),
        Order("balance", "hour-5"),
        Order("phone_sale", "hour-6", 1100),
        Order("sale", "hour-7", 2600),
    ),
)
"""What goes on while processes are killed at random times."""
