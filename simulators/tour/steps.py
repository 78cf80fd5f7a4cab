"""The tour: thirteen things that happen in a shop, done through the pages and the devices, each with what came of it.

A step is a coroutine function of the tour. It returns what to tell, in Chinese and English; it raises NotSeen or
PageError when something that should have happened did not. `STEPS` is the tour; every step relies on those before it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from iso8583.response_codes import meaning
from simulators.tour.people import PATIENCE_S, Banker, Cashier, Customer, NotSeen, View, yuan
from simulators.tour.setting_up import CASHIER, CASHIER_PIN, OFFLINE_SALE_MAX, SUPERVISOR, SUPERVISOR_PIN

CHIP_SALE, TAPPED_SALE, STRIPE_SALE, SCAN_SALE, PAPERLESS_SALE, KILLED_SALE = 2500, 1650, 1990, 1280, 880, 6000
REFUND = 500
CHIP_CARD, TAPPED_CARD, BROKEN_CARD, KILLED_ACCOUNT = "golden", "contactless", "broken_chip", "6299990000000017"
PHONE_SALE = 720
OFFLINE_SALE, OFFLINE_CARD, OFFLINE_ACCOUNT = 1500, "offline", "6299990000000223"
OFFLINE_CODE_SALE = 640
SLIPS_OF_A_SALE = 2
"""One for the merchant and one for the customer."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a step, in one sentence each, and the slips that came out."""

    zh: str
    en: str
    slips: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Outages:
    """What can be made to fail.

    kill_host: it comes back by itself. cut_line: whether the line to it is dead. switch_broker: off or on; None where
    there is none. carried: how many transactions have come to the host through the broker.
    """

    kill_host: Callable[[], Awaitable[None]]
    cut_line: Callable[[bool], Awaitable[None]]
    switch_broker: Callable[[bool], Awaitable[None]] | None
    carried: Callable[[], Awaitable[int]]


@dataclass(slots=True)
class Tour:
    """The people, what can be made to fail, and what the steps remember for one another."""

    cashier: Cashier
    customer: Customer
    banker: Banker
    outages: Outages
    keys: dict[str, str] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)

    async def signed_on(self) -> View:
        """Wait until the terminal can sell online."""
        return await self.cashier.until("the terminal has signed on", lambda view: view["session"]["state"] == "ready")

    async def paid(self, what: str, state: str = "approved") -> View:
        """Wait until the newest payment has ended in `state` and its slip, if it has one, is printed or due."""
        view = await self.cashier.until(what, lambda view: view["current"] is None and _newest(view)["final"])
        payment = _newest(view)
        if payment["state"] != state:
            raise NotSeen(f"{what}: it is {payment['state']} ({payment['response_code']} {payment['reason']})")
        return payment

    async def printed(self, after: int, count: int = SLIPS_OF_A_SALE) -> tuple[dict[str, Any], ...]:
        """Wait for the slips of a step, and until the terminal knows that they are out."""
        slips = tuple(await self.customer.slips(after, count))
        await self.cashier.until("no receipt is due", lambda view: not any(p["receipt_due"] for p in view["payments"]))
        return slips


async def sign_on(tour: Tour) -> Told:
    """The terminal signs on by itself; the cashier logs on."""
    view = await tour.signed_on()
    await tour.cashier.log_on(CASHIER, CASHIER_PIN)
    return Told(
        f"终端已签到，批次 {view['batch']}；新的工作密钥已到，PIN 密钥已进密码键盘。操作员 {CASHIER} 登录。",
        f"Signed on, batch {view['batch']}: fresh working keys, the PIN key in the PIN pad. Operator {CASHIER}.",
    )


async def chip_sale(tour: Tour) -> Told:
    """A chip card with PIN."""
    payment, slips = await _sell_by_card(tour, CHIP_SALE, CHIP_CARD)
    tour.keys["chip"] = payment["key"]
    return Told(
        f"卡 {payment['means']} 输密码，付 ¥{yuan(CHIP_SALE)}，批准，参考号 {payment['reference']}。",
        f"Card {payment['means']} paid ¥{yuan(CHIP_SALE)} with PIN: approved, reference {payment['reference']}.",
        slips,
    )


async def tapped_sale(tour: Tour) -> Told:
    """A card that is tapped, and put away at once."""
    before = await tour.customer.last_slip()
    await tour.cashier.charge(TAPPED_SALE)
    await _asked_for_means(tour)
    await tour.customer.tap(TAPPED_CARD)
    payment = await tour.paid("a tapped sale is approved")
    await tour.customer.take_away()
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return Told(
        f"卡 {payment['means']} 挥卡付 ¥{yuan(TAPPED_SALE)}，批准。",
        f"Card {payment['means']} paid ¥{yuan(TAPPED_SALE)} by a tap: approved.",
        slips,
    )


async def stripe_sale(tour: Tour) -> Told:
    """A card whose chip is broken: only after that its stripe is taken, in the same payment."""
    before = await tour.customer.last_slip()
    await tour.cashier.charge(STRIPE_SALE)
    await tour.customer.insert(BROKEN_CARD)
    await tour.cashier.until("the stripe is asked for", lambda view: _stage(view) == "use_stripe")
    await tour.customer.take_card()
    await tour.customer.swipe(BROKEN_CARD)
    await _enter_pin(tour)
    payment = await tour.paid("a sale by stripe is approved")
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return Told(
        f"卡 {payment['means']} 的芯片读不出，同一笔改刷磁条，输密码，付 ¥{yuan(STRIPE_SALE)}，批准。",
        f"The chip of {payment['means']} is broken: its stripe paid ¥{yuan(STRIPE_SALE)} in the same payment.",
        slips,
    )


async def scan_sale(tour: Tour) -> Told:
    """The customer's payment code."""
    before = await tour.customer.last_slip()
    await tour.cashier.charge(SCAN_SALE)
    await _asked_for_means(tour)
    await tour.customer.show_phone()
    payment = await tour.paid("a sale by code is approved")
    tour.keys["scan"] = payment["key"]
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return Told(
        f"付款码 {payment['means']} 付 ¥{yuan(SCAN_SALE)}，批准。",
        f"Code {payment['means']} paid ¥{yuan(SCAN_SALE)}: approved.",
        slips,
    )


async def phone_without_network(tour: Tour) -> Told:
    """The customer's phone has no network: it makes a code by itself, and the host knows whose it is. Once."""
    before = await tour.customer.last_slip()
    await tour.customer.airplane("on")
    await tour.cashier.charge(PHONE_SALE)
    await _asked_for_means(tour)
    await tour.customer.show_phone()
    payment = await tour.paid("a sale by a phone without network is approved")
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    await tour.customer.airplane("off")
    return Told(
        f"手机没有网络，自己生成付款码 {payment['means']}；主机核对后从顾客账户收 ¥{yuan(PHONE_SALE)}，此码不能再用。",
        f"A phone without network made the code {payment['means']} by itself: the host took ¥{yuan(PHONE_SALE)} from "
        "its owner's account, and takes that code never again.",
        slips,
    )


async def declined_sale(tour: Tour) -> Told:
    """A card without money."""
    await tour.cashier.charge(CHIP_SALE)
    await _show_card(tour, "insufficient_funds")
    payment = await tour.paid("a sale is declined", "declined")
    await tour.customer.take_card()
    await tour.cashier.next_sale()
    code = meaning(payment["response_code"])
    return Told(f"拒绝：{code.code} {code.zh}。没有扣款。", f"Declined: {code.code} {code.en}. Nothing was charged.")


async def voided_sale(tour: Tour) -> Told:
    """The chip sale is taken back, with the supervisor's PIN."""
    before = await tour.customer.last_slip()
    await tour.cashier.void(tour.keys["chip"], SUPERVISOR, SUPERVISOR_PIN)
    await tour.paid("the void is approved")
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return Told(
        f"主管授权，撤销 ¥{yuan(CHIP_SALE)} 的刷卡消费。",
        f"The supervisor allowed it: the card sale of ¥{yuan(CHIP_SALE)} is void.",
        slips,
    )


async def partial_refund(tour: Tour) -> Told:
    """A part of the sale by code is given back."""
    before = await tour.customer.last_slip()
    await tour.cashier.refund(tour.keys["scan"], REFUND, SUPERVISOR, SUPERVISOR_PIN)
    await tour.paid("the refund is approved")
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return Told(
        f"退货 ¥{yuan(REFUND)}，扫码消费还剩 ¥{yuan(SCAN_SALE - REFUND)}。",
        f"¥{yuan(REFUND)} given back; ¥{yuan(SCAN_SALE - REFUND)} of the sale by code remain.",
        slips,
    )


async def out_of_paper(tour: Tour) -> Told:
    """The printer has no paper: the sale stands, its receipt comes out later; one more says that it is a copy."""
    before = await tour.customer.last_slip()
    await tour.customer.paper("out")
    await tour.cashier.charge(PAPERLESS_SALE)
    payment = await _by_card(tour, "good")
    await tour.cashier.until("the receipt is due", lambda view: bool(view["notice"]) and _newest(view)["receipt_due"])
    await tour.customer.paper("in")
    receipts = await tour.printed(before)
    if any("DUPLICATE" in slip["text"] for slip in receipts):
        raise NotSeen("the receipt that comes late is no copy")
    before = await tour.customer.last_slip()
    await tour.cashier.reprint(payment["key"])
    slips = await tour.printed(before)
    if not all("DUPLICATE" in slip["text"] for slip in slips):
        raise NotSeen("the reprint says DUPLICATE")
    await tour.cashier.next_sale()
    return Told(
        f"打印机缺纸：¥{yuan(PAPERLESS_SALE)} 的交易有效，小票待补；装纸后自动补上，再印则标明 DUPLICATE。",
        f"No paper: the sale of ¥{yuan(PAPERLESS_SALE)} stood, its receipt came out later; one more says DUPLICATE.",
        slips,
    )


async def host_killed(tour: Tour) -> Told:
    """The host dies after the issuer has taken the money and before it could say so."""
    rich = await tour.banker.balance(KILLED_ACCOUNT)
    await tour.banker.mood("delay", 1, delay_s=PATIENCE_S)
    await tour.cashier.charge(KILLED_SALE)
    await _show_card(tour, "good")
    await tour.banker.until_balance(KILLED_ACCOUNT, rich - KILLED_SALE)
    await tour.outages.kill_host()
    await tour.cashier.until("the payment is not known to be approved", lambda view: not _newest(view)["final"])
    await tour.customer.take_card()
    await tour.paid("the sale is reversed", "reversed")
    await tour.banker.until_balance(KILLED_ACCOUNT, rich)
    await tour.cashier.next_sale()
    return Told(
        f"银行已扣 ¥{yuan(KILLED_SALE)}，主机却被 SIGKILL 杀死；主机重启后终端冲正，钱回到账户，一分不差。",
        f"The bank had taken ¥{yuan(KILLED_SALE)} when the host was killed (SIGKILL); "
        "restarted, it took the terminal's reversal, and the money is back.",
    )


async def sold_offline(tour: Tour) -> Told:
    """Line and broker are dead: a chip sells within limits, and no further; a phone pays; the broker brings both."""
    rich, before = await tour.banker.balance(OFFLINE_ACCOUNT), await tour.customer.last_slip()
    await _all_is_dead(tour)
    await tour.cashier.charge_offline(OFFLINE_SALE)
    await tour.customer.insert(OFFLINE_CARD)
    await tour.cashier.until("the chip approves offline", lambda view: _newest(view)["state"] == "advice due")
    await tour.customer.take_card()
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    await tour.cashier.charge_too_much_offline(OFFLINE_SALE_MAX + 1)
    slips += await _sell_by_signed_code(tour)
    by_broker = await _drained(tour)
    await tour.banker.until_balance(OFFLINE_ACCOUNT, rich - OFFLINE_SALE)
    await tour.customer.code_kind("digits")
    await tour.customer.airplane("off")
    way_zh, way_en = "线路恢复后自动上送，银行各入账一次。", "When the line was back, the bank booked both, once."
    if by_broker:
        way_zh = f"消息中间件先恢复，专线仍断，{by_broker} 笔经它送达银行，各入账一次；随后专线恢复。"
        way_en = f"The broker was back first: with the line still dead it brought {by_broker} to the bank, once each."
    return Told(
        f"线路中断：芯片离线批准 ¥{yuan(OFFLINE_SALE)}，小票标明 OFFLINE；"
        f"超过 ¥{yuan(OFFLINE_SALE_MAX)} 的在读卡前拒绝。"
        f"手机也没网，用签名码付 ¥{yuan(OFFLINE_CODE_SALE)}，由终端核验。{way_zh}",
        f"No line: a chip approved ¥{yuan(OFFLINE_SALE)} by itself, the slip says OFFLINE; more than "
        f"¥{yuan(OFFLINE_SALE_MAX)} was refused before a card was read. A phone without one paid "
        f"¥{yuan(OFFLINE_CODE_SALE)} by a signed code, which the terminal verified. {way_en}",
        slips,
    )


async def _all_is_dead(tour: Tour) -> None:
    """The line to the host swallows everything, and the broker is killed: wait until that is seen."""
    await tour.outages.cut_line(True)
    await tour.cashier.until("it can be sold offline", lambda view: not view["offline"]["refusal"])
    if tour.outages.switch_broker:
        await tour.outages.switch_broker(False)
        await tour.cashier.until("the broker is gone", lambda view: view["forwarding"]["courier"] == "down")


async def _drained(tour: Tour) -> int:
    """First the broker is back, if there is one, then the line; return how many sales came to the bank by the first."""
    before = await tour.outages.carried()
    if tour.outages.switch_broker:
        await tour.outages.switch_broker(True)
        await _nothing_owed(tour)
    by_broker = await tour.outages.carried() - before
    await tour.outages.cut_line(False)
    await _nothing_owed(tour)
    await tour.cashier.next_sale()
    await tour.signed_on()  # which the next step needs
    return by_broker


async def _nothing_owed(tour: Tour) -> None:
    await tour.cashier.until("the bank has booked all", lambda view: all(p["final"] for p in view["payments"]))


async def _sell_by_signed_code(tour: Tour) -> tuple[dict[str, Any], ...]:
    """Neither the shop nor the phone has a line; return the slips."""
    before = await tour.customer.last_slip()
    await tour.customer.airplane("on")
    await tour.cashier.charge_offline(OFFLINE_CODE_SALE)
    await _asked_for_means(tour)
    await tour.customer.code_kind("signed")
    await tour.customer.show_phone()
    await tour.cashier.until("the code is good", lambda view: _newest(view)["type"] == "offline_code_sale")
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return slips


async def settled(tour: Tour) -> Told:
    """The batch is closed, and both sides agree."""
    before = await tour.customer.last_slip()
    view = await tour.cashier.view()
    tour.totals = dict(view["totals"])
    await tour.cashier.settle(SUPERVISOR, SUPERVISOR_PIN)
    batch = view["batch"]
    view = await tour.cashier.until("the batch is closed", lambda view: _closed(view) == batch)
    if not view["settlement"]["last"]["balanced"]:
        raise NotSeen("the batch balances")
    slips = await tour.printed(before, 1)
    totals = tour.totals
    debit, credit = yuan(totals["debit_amount"]), yuan(totals["credit_amount"])
    debits, credits_ = totals["debit_count"], totals["credit_count"]
    return Told(
        f"批次 {batch} 结平：消费 {debits} 笔 ¥{debit}，撤销和退货 {credits_} 笔 ¥{credit}。",
        f"Batch {batch} balances: {debits} sales ¥{debit}, {credits_} voids and refunds ¥{credit}.",
        slips,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the tour: its name for machines, its titles for people, and what it does."""

    name: str
    zh: str
    en: str
    walk: Callable[[Tour], Awaitable[Told]]


STEPS = (
    Step("sign_on", "签到", "Sign-on", sign_on),
    Step("chip_sale", "芯片卡消费，输密码", "Chip sale with PIN", chip_sale),
    Step("tapped_sale", "挥卡消费", "Tapped sale", tapped_sale),
    Step("stripe_sale", "芯片坏了，改刷磁条", "Broken chip, then its stripe", stripe_sale),
    Step("scan_sale", "扫码消费", "Sale by payment code", scan_sale),
    Step("phone_without_network", "手机没网，照样付款", "A phone without network pays", phone_without_network),
    Step("decline", "余额不足", "A decline, with its reason", declined_sale),
    Step("void", "撤销", "Void", voided_sale),
    Step("refund", "部分退货", "Partial refund", partial_refund),
    Step("out_of_paper", "打印机缺纸", "Printer out of paper", out_of_paper),
    Step("host_killed", "交易途中主机被杀", "Host killed in mid-sale", host_killed),
    Step("offline", "断线时离线消费", "Selling while the line is dead", sold_offline),
    Step("settle", "结算", "Settlement", settled),
)


async def _sell_by_card(tour: Tour, amount: int, card: str) -> tuple[View, tuple[dict[str, Any], ...]]:
    before = await tour.customer.last_slip()
    await tour.cashier.charge(amount)
    payment = await _by_card(tour, card)
    slips = await tour.printed(before)
    await tour.cashier.next_sale()
    return payment, slips


async def _by_card(tour: Tour, card: str) -> View:
    await _show_card(tour, card)
    payment = await tour.paid("a sale by card is approved")
    await tour.customer.take_card()
    return payment


async def _show_card(tour: Tour, card: str) -> None:
    """Insert a card, and enter its PIN when it is asked for."""
    await tour.customer.insert(card)
    await _enter_pin(tour)


async def _enter_pin(tour: Tour) -> None:
    view = await tour.cashier.until("the PIN is asked for", lambda view: _stage(view) in ("pin", ""))
    if not _stage(view):
        raise NotSeen(f"the PIN is asked for: the payment is {_newest(view)['state']}")
    await tour.customer.enter_pin()


async def _asked_for_means(tour: Tour) -> None:
    """Wait until a card or a code is wanted: what is presented before that pays for nothing."""
    await tour.cashier.until("a card or a code is asked for", lambda view: _stage(view) == "card_or_code")


def _stage(view: View) -> str:
    """What the payment under way waits for; empty if none is."""
    return str(view["current"]["stage"]) if view["current"] else ""


def _newest(view: View) -> View:
    newest: View = view["payments"][0]
    return newest


def _closed(view: View) -> str:
    return str((view["settlement"]["last"] or {}).get("batch", ""))
