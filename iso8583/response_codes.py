"""Field 39: what each response code means, in words for a cashier, and what the terminal does about it.

The sentences say what happened and what to do next. A code that the table lacks is a decline: the host has answered, so
nothing is unknown, and it did not say yes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What a terminal does on a response code."""

    APPROVE = "approve"  # finish
    ACCEPT = "accept"  # finish, and mark for reconciliation; code 10: with the amount of the answer
    DECLINE = "decline"  # finish without payment
    CAPTURE = "capture"  # decline, and keep the card
    REVERSE = "reverse"  # the result is unknown: reverse, then try again
    SIGN_ON = "sign_on"  # decline, sign on again, then try again
    RETRY_LATER = "retry_later"  # decline; the same may work later
    RETRY_PIN = "retry_pin"  # ask for the PIN again and send a new transaction
    STOP = "stop"  # decline, and no further sale until somebody has set the terminal up


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """One row: the code, a sentence in Chinese and in English for the cashier, and the terminal's action."""

    code: str
    zh: str
    en: str
    action: Action


_CAPTURE: Final = (Action.CAPTURE, "没收卡,请扣留卡片并联系收单机构", "Keep the card and call the acquirer")
_ISSUER: Final = (Action.DECLINE, "请持卡人联系发卡行,或换卡", "The bank wants a call: ask for another card")
_PIN_LIMIT: Final = (Action.DECLINE, "密码错误次数超限,请换卡", "Too many wrong PINs: ask for another card")
_CONFIRM: Final = (Action.ACCEPT, "交易成功,待发卡行确认", "Approved, the bank will confirm")

_ROWS: Final[Mapping[str, tuple[Action, str, str]]] = {
    "00": (Action.APPROVE, "交易成功", "Approved"),
    "01": _ISSUER,
    "02": _ISSUER,
    "03": (Action.STOP, "商户未登记,请联系收单机构", "This shop is not set up at the host: call the acquirer"),
    "04": _CAPTURE,
    "05": (Action.DECLINE, "发卡行拒绝,请换卡", "The bank says no: ask for another card"),
    "07": _CAPTURE,
    "10": (Action.ACCEPT, "部分金额成功,余款请另行收取", "Paid in part: collect the rest another way"),
    "11": (Action.ACCEPT, "交易成功(贵宾客户)", "Approved (VIP customer)"),
    "12": (Action.DECLINE, "无效交易,请换支付方式", "This transaction is not possible: pay another way"),
    "13": (Action.DECLINE, "金额无效,请核对后重试", "Amount not valid: check it and try again"),
    "14": (Action.DECLINE, "卡号无效,请换卡", "No such card number: ask for another card"),
    "15": (Action.DECLINE, "此卡无对应发卡行,请换卡", "Unknown bank: ask for another card"),
    "21": (Action.DECLINE, "此卡未启用,请换卡", "The card is not active: ask for another card"),
    "22": (Action.DECLINE, "操作有误或已超过允许天数,请核对", "Wrong operation, or too late for it: check"),
    "25": (Action.DECLINE, "找不到原交易,请核对凭证号", "Original not found: check the voucher number"),
    "30": (Action.DECLINE, "报文格式错误,请重试,仍失败请报修", "Format error: try again, then call service"),
    "33": (Action.DECLINE, "此卡已过期,请换卡", "Expired card: ask for another card"),
    "34": (Action.CAPTURE, "有作弊嫌疑,请扣留卡片并联系收单机构", "Suspected fraud: keep the card, call the acquirer"),
    "35": _CAPTURE,
    "36": (Action.CAPTURE, "受限制的卡,请扣留并联系收单机构", "Restricted card: keep it and call the acquirer"),
    "37": _CAPTURE,
    "38": _PIN_LIMIT,
    "40": (Action.DECLINE, "发卡行不支持此交易,请换卡", "The bank does not offer this: ask for another card"),
    "41": (Action.CAPTURE, "挂失卡,请扣留并联系收单机构", "Lost card: keep it and call the acquirer"),
    "43": (Action.CAPTURE, "被窃卡,请扣留并联系收单机构", "Stolen card: keep it and call the acquirer"),
    "51": (Action.DECLINE, "余额不足,请换卡", "Insufficient funds: ask for another card"),
    "54": (Action.DECLINE, "此卡已过期,请换卡", "Expired card: ask for another card"),
    "55": (Action.RETRY_PIN, "密码错误,请重新输入密码", "Wrong PIN: let the customer enter it again"),
    "57": (Action.DECLINE, "此卡不能做此交易,请换卡", "Not possible with this card: ask for another card"),
    "58": (Action.DECLINE, "本终端不能做此交易,请联系收单机构", "Not possible on this terminal: call the acquirer"),
    "59": (Action.DECLINE, "卡片校验失败,请换卡", "The card failed its check: ask for another card"),
    "61": (Action.DECLINE, "金额超限,请减少金额或换卡", "Over the card's limit: a smaller amount, or another card"),
    "62": (Action.DECLINE, "受限制的卡,请换卡", "Restricted card: ask for another card"),
    "64": (Action.DECLINE, "与原交易金额不符,请核对金额", "Not the amount of the original: check it"),
    "65": (Action.DECLINE, "交易次数超限,请换卡", "Used too often: ask for another card"),
    "67": _CAPTURE,
    "68": (
        Action.REVERSE,
        "发卡行应答超时,正在冲正,请稍后重试",
        "The bank answered too late: being reversed, try later",
    ),
    "75": _PIN_LIMIT,
    "77": (Action.SIGN_ON, "批次与主机不符,请重新签到", "The batch differs from the host's: sign on again"),
    "79": (Action.SIGN_ON, "请重新签到并重传批次", "Sign on again and upload the batch again"),
    "90": (Action.RETRY_LATER, "系统日切中,请稍后重试", "The host is changing days: try again shortly"),
    "91": (Action.RETRY_LATER, "发卡行不可用,请稍后重试或换卡", "The bank cannot be reached: later, or another card"),
    "92": (Action.RETRY_LATER, "网络不可用,请稍后重试", "The network cannot be reached: try again later"),
    "94": (Action.DECLINE, "流水号重复,请重新交易", "Repeated trace number: do it again"),
    "96": (Action.RETRY_LATER, "系统故障,请稍后重试", "The host has a fault: try again later"),
    "97": (Action.STOP, "终端未登记,请联系收单机构", "This terminal is not registered: call the acquirer"),
    "98": (Action.RETRY_LATER, "发卡行超时,请稍后重试或换卡", "The bank did not answer: later, or another card"),
    "99": (Action.SIGN_ON, "密码格式错误,请重新签到", "PIN block error: sign on again"),
    "A0": (Action.SIGN_ON, "报文校验错误,请重新签到", "MAC error: sign on again"),
    "A1": (Action.DECLINE, "货币不符,请换卡", "Wrong currency: ask for another card"),
    "A2": _CONFIRM,
    "A3": (Action.DECLINE, "账户不正确,请换卡", "Account error: ask for another card"),
    "A4": _CONFIRM,
    "A5": _CONFIRM,
    "A6": _CONFIRM,
    "A7": (Action.DECLINE, "安全处理失败,请重试,仍失败请报修", "Security fault: try again, then call service"),
    # Ours, for payment codes that a phone has made without a network: one for each reason that the host can have.
    "P0": (Action.DECLINE, "本机错码过多,一小时内请用其他方式付款", "Too many bad codes here: another way for an hour"),
    "P1": (Action.DECLINE, "付款码的发行方未知,请换支付方式", "Unknown issuer of the code: pay another way"),
    "P2": (Action.DECLINE, "付款码无对应用户,请换支付方式", "The code belongs to nobody: pay another way"),
    "P3": (Action.DECLINE, "付款码已被换新,请顾客手机联网更新", "The code was replaced: let the phone go online once"),
    "P4": (Action.DECLINE, "该用户错码过多,一小时内请换支付方式", "Too many bad codes of this user: pay another way"),
    "P5": (Action.DECLINE, "手机过久未联网,请顾客联网更新", "Phone offline for too long: let it go online once"),
    "P6": (Action.DECLINE, "付款码尚未生效,请稍后重试", "The code is not valid yet: try again shortly"),
    "P7": (Action.DECLINE, "付款码已用过,请顾客出示新码", "The code was used before: ask for a new one"),
    "P8": (Action.DECLINE, "付款码错误,请顾客刷新后重新出示", "Wrong code: ask for a new one"),
    "P9": (Action.DECLINE, "付款码已过期,请顾客刷新后重新出示", "The code has expired: ask for a new one"),
    "PA": (Action.DECLINE, "手机时间过快,请顾客校准后出示新码", "The phone's clock is fast: set it, show a new code"),
    "B1": (Action.DECLINE, "付款码已付过款,请联系收单机构", "This code has paid elsewhere: call the acquirer"),  # ours
}

RESPONSE_CODES: Final[Mapping[str, ResponseCode]] = {
    code: ResponseCode(code, zh, en, action) for code, (action, zh, en) in _ROWS.items()
}

REVERSAL_DONE: Final = frozenset({"00", "12", "25"})  # a reversal answered so is over: reversed, or nothing to reverse
UPLOAD_DONE: Final = frozenset({"00", "94"})  # an offline upload answered so is with the host: now, or already


def meaning(code: str) -> ResponseCode:
    """The row for `code`; for a code outside the table a decline that shows the code.

    >>> meaning("51").en
    'Insufficient funds: ask for another card'
    """
    known = RESPONSE_CODES.get(code)
    if known:
        return known
    shown = code if len(code) == 2 and code.isascii() and code.isalnum() else "??"
    return ResponseCode(code, f"交易失败({shown}),请换卡", f"Declined ({shown}): ask for another card", Action.DECLINE)
