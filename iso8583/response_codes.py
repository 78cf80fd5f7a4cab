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
    """One row: the code, one sentence in Chinese and in English for the cashier, and the terminal's action."""

    code: str
    zh: str
    en: str
    action: Action


_A = Action

RESPONSE_CODES: Final[Mapping[str, ResponseCode]] = {
    row.code: row
    for row in (
        ResponseCode("00", "交易成功", "Approved", _A.APPROVE),
        ResponseCode("01", "请持卡人联系发卡行,或换卡", "The bank wants to be called: ask for another card", _A.DECLINE),
        ResponseCode("02", "请持卡人联系发卡行,或换卡", "The bank wants to be called: ask for another card", _A.DECLINE),
        ResponseCode("03", "商户无效,请联系收单机构", "This shop is not set up at the host: call the acquirer", _A.STOP),
        ResponseCode("04", "此卡被没收,请收卡并联系收单机构", "Keep the card and call the acquirer", _A.CAPTURE),
        ResponseCode("05", "发卡行不予承兑,请换卡", "The bank says no: ask for another card", _A.DECLINE),
        ResponseCode("07", "此卡被没收,请收卡并联系收单机构", "Keep the card and call the acquirer", _A.CAPTURE),
        ResponseCode("10", "部分金额成功,余额请用其他方式收取", "Paid in part: collect the rest another way", _A.ACCEPT),
        ResponseCode("11", "交易成功(贵宾客户)", "Approved (VIP customer)", _A.ACCEPT),
        ResponseCode("12", "无效交易,请换卡或换支付方式", "This transaction is not possible: pay another way", _A.DECLINE),
        ResponseCode("13", "金额无效,请核对金额后重试", "Amount not valid: check it and try again", _A.DECLINE),
        ResponseCode("14", "卡号无效,请换卡", "No such card number: ask for another card", _A.DECLINE),
        ResponseCode("15", "此卡无对应发卡行,请换卡", "Unknown bank: ask for another card", _A.DECLINE),
        ResponseCode("21", "此卡未初始化或超期,请换卡", "The card is not active: ask for another card", _A.DECLINE),
        ResponseCode("22", "操作有误或超过允许天数,请核对", "Wrong operation, or too late for it: check", _A.DECLINE),
        ResponseCode("25", "找不到原交易,请核对凭证号", "Original not found: check the voucher number", _A.DECLINE),
        ResponseCode("30", "报文格式错误,请重试,仍失败请报修", "Format error: try again, then call service", _A.DECLINE),
        ResponseCode("33", "此卡已过期,请收卡并联系收单机构", "Expired card, keep it and call the acquirer", _A.DECLINE),
        ResponseCode("34", "有作弊嫌疑,请收卡并联系收单机构", "Suspected fraud: keep the card, call the acquirer", _A.CAPTURE),
        ResponseCode("35", "此卡被没收,请联系收单机构", "Keep the card and call the acquirer", _A.CAPTURE),
        ResponseCode("36", "受限制的卡,请收卡并联系收单机构", "Restricted card: keep it and call the acquirer", _A.CAPTURE),
        ResponseCode("37", "此卡被没收,请联系收单机构", "Keep the card and call the acquirer", _A.CAPTURE),
        ResponseCode("38", "密码错误次数超限,请换卡", "Too many wrong PINs: ask for another card", _A.DECLINE),
        ResponseCode("40", "发卡行不支持此交易,请换卡", "The bank does not offer this: ask for another card", _A.DECLINE),
        ResponseCode("41", "挂失卡,请收卡并联系收单机构", "Lost card: keep it and call the acquirer", _A.CAPTURE),
        ResponseCode("43", "被窃卡,请收卡并联系收单机构", "Stolen card: keep it and call the acquirer", _A.CAPTURE),
        ResponseCode("51", "余额不足,请换卡", "Insufficient funds: ask for another card", _A.DECLINE),
        ResponseCode("54", "此卡已过期,请换卡", "Expired card: ask for another card", _A.DECLINE),
        ResponseCode("55", "密码错误,请重新输入密码", "Wrong PIN: let the customer enter it again", _A.RETRY_PIN),
        ResponseCode("57", "此卡不能做此交易,请换卡", "Not possible with this card: ask for another card", _A.DECLINE),
        ResponseCode("58", "本终端不能做此交易,请联系收单机构", "Not possible here: call the acquirer", _A.DECLINE),
        ResponseCode("59", "卡片校验失败,请换卡", "The card failed its check: ask for another card", _A.DECLINE),
        ResponseCode("61", "金额超限,请减少金额或换卡", "Over the card's amount limit: less, or another card", _A.DECLINE),
        ResponseCode("62", "受限制的卡,请换卡", "Restricted card: ask for another card", _A.DECLINE),
        ResponseCode("64", "与原交易金额不符,请核对金额", "Not the original amount: check it", _A.DECLINE),
        ResponseCode("65", "消费次数超限,请换卡", "Used too often today: ask for another card", _A.DECLINE),
        ResponseCode("67", "此卡被没收,请联系收单机构", "Keep the card and call the acquirer", _A.CAPTURE),
        ResponseCode("68", "发卡行应答超时,正在冲正,请稍后重试", "The bank answered too late: being reversed", _A.REVERSE),
        ResponseCode("75", "密码错误次数超限,请换卡", "Too many wrong PINs: ask for another card", _A.DECLINE),
        ResponseCode("77", "批次不符,请重新签到", "Batch differs from the host's: sign on again", _A.SIGN_ON),
        ResponseCode("79", "请重新签到并重传批次", "Sign on again and upload the batch again", _A.SIGN_ON),
        ResponseCode("90", "系统日切中,请稍后重试", "The host is changing days: try again shortly", _A.RETRY_LATER),
        ResponseCode("91", "发卡行不可用,请稍后重试或换卡", "The bank cannot be reached: later, or another card", _A.RETRY_LATER),
        ResponseCode("92", "网络不可用,请稍后重试", "The network cannot be reached: try again later", _A.RETRY_LATER),
        ResponseCode("94", "流水号重复,请重新交易", "Repeated trace number: do the sale again", _A.DECLINE),
        ResponseCode("96", "系统故障,请稍后重试", "The host has a fault: try again later", _A.RETRY_LATER),
        ResponseCode("97", "终端未登记,请联系收单机构", "This terminal is not registered: call the acquirer", _A.STOP),
        ResponseCode("98", "发卡行超时,请稍后重试或换卡", "The bank did not answer: later, or another card", _A.RETRY_LATER),
        ResponseCode("99", "密码格式错误,请重新签到", "PIN block error: sign on again", _A.SIGN_ON),
        ResponseCode("A0", "校验错误,请重新签到", "MAC error: sign on again", _A.SIGN_ON),
        ResponseCode("A1", "货币不符,请换卡", "Wrong currency: ask for another card", _A.DECLINE),
        ResponseCode("A2", "交易成功,待发卡行确认", "Approved, the bank will confirm", _A.ACCEPT),
        ResponseCode("A3", "账户不正确,请换卡", "Account error: ask for another card", _A.DECLINE),
        ResponseCode("A4", "交易成功,待发卡行确认", "Approved, the bank will confirm", _A.ACCEPT),
        ResponseCode("A5", "交易成功,待发卡行确认", "Approved, the bank will confirm", _A.ACCEPT),
        ResponseCode("A6", "交易成功,待发卡行确认", "Approved, the bank will confirm", _A.ACCEPT),
        ResponseCode("A7", "安全处理失败,请重新签到后重试", "Security fault: call service if it stays", _A.DECLINE),
    )
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
