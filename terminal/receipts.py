"""Slips as printable lines, Chinese and English together, in the print order of UnionPay's POS slips (签购单).

Every function here is pure: facts in, lines out. Copies, in the order in which they are printed: the merchant's (which
the customer signs), the bank's where the acquirer wants one, the cardholder's. A reprint and a test are marked in
tall type at both ends, so that no half of such a slip passes for a receipt.
"""

from collections.abc import Mapping

from terminal.slip_layout import Cut, Feed, Figures, Flow, Line, Pair, Qr, Rule, Text
from terminal.slips import Detail, Entry, SettlementResult, SettlementSlip, Shop, Slip, Total, currency_of, money

_READ_BY: Mapping[Entry, str] = {"S": "刷卡 SWIPED", "C": "挥卡 TAPPED"}
_SLIP_TITLE = ("银联POS签购单", "POS SALES SLIP")
_QR_SLIP_TITLE = ("扫码支付签购单", "POS QR PAYMENT SLIP")
_FAULT_TITLE = ("冲正不成功,请人工处理", "REVERSAL FAILED, NOT A RECEIPT")
_SETTLEMENT_TITLE = ("结算总计单", "SETTLEMENT SLIP")

_COPY_NAMES = {
    "merchant": "商户存根 MERCHANT COPY",
    "bank": "银行存根 BANK COPY",
    "cardholder": "持卡人存根 CARDHOLDER COPY",
    "fault": "***故障单,非凭证联***",
}
_DUPLICATE = "****重打印/DUPLICATED****"
_TEST = "***测试/TESTING,凭证无效***"

_DECLARATION = (
    "本人确认以上交易,同意将其计入本卡账户",
    "I ACKNOWLEDGE SATISFACTORY RECEIPT OF RELATIVE GOODS/SERVICES",
)
_NEITHER_NEEDED = ("免密免签:无需密码,无需签名", "NO PIN AND NO SIGNATURE NEEDED")
_DEVICE_VERIFIED = (
    "已在持卡人设备上验证,免密免签",
    "VERIFIED ON CARDHOLDER'S DEVICE: NO PIN AND NO SIGNATURE NEEDED",
)
_FAULT_ADVICE = (
    "该笔交易的结果未知,冲正未获确认,客户可能已被扣款。请勿就此笔再次收款,凭此单联系收单机构核实。",
    "RESULT UNKNOWN, REVERSAL NOT CONFIRMED. DO NOT CHARGE AGAIN. CALL THE ACQUIRER WITH THIS SLIP.",
)
_RESULTS: dict[SettlementResult, tuple[str, str]] = {
    "balanced": ("对账平", "BALANCED"),
    "unbalanced": ("对账不平", "NOT BALANCED"),
    "error": ("对账错", "SETTLEMENT ERROR"),
}


def slip_lines(slip: Slip) -> list[Line]:
    """Return the printable lines of one copy of a transaction's slip."""
    return [
        *_centered(_title(slip)),
        Text(_COPY_NAMES[slip.copy], align="center", bold=True),
        *_markers(slip),
        Rule(),
        *_shop(slip.shop, slip.operator_no),
        Rule(),
        *_payment(slip),
        Rule(),
        *_trace(slip),
        Rule(),
        *_stated("金额 AMOUNT", f"{currency_of(slip.currency)[0]} {money(slip.amount, slip.currency)}"),
        *_reference(slip),
        *_ic(slip),
        *_foot(slip),
        *([Rule()] if slip.duplicate or slip.test else []),
        *_markers(slip),
        Feed(),
        Cut(),
    ]


def settlement_lines(slip: SettlementSlip) -> list[Line]:
    """Return the printable lines of a settlement slip: totals by type, the host's verdict, and what was left over."""
    return [
        *_centered(_SETTLEMENT_TITLE),
        *_markers(slip),
        Rule(),
        *_shop(slip.shop, slip.operator_no),
        *_labelled(("批次号 BATCH NO", slip.batch), ("日期/时间 DATE/TIME", _time(slip))),
        *_totals("境内卡 DOMESTIC", slip.domestic, slip.currency),
        *_totals("境外卡 FOREIGN", slip.foreign, slip.currency),
        Rule("="),
        *_centered(_RESULTS[slip.result]),
        Rule("="),
        *_details("未成功上送交易明细", "UNSUCCESSFUL LIST", slip.unsent, slip.currency),
        *_details("上送后被平台拒绝交易明细", "DENIED LIST", slip.denied, slip.currency),
        *_markers(slip),
        Feed(),
        Cut(),
    ]


def _title(slip: Slip) -> tuple[str, str]:
    if slip.copy == "fault":
        return _FAULT_TITLE
    return _QR_SLIP_TITLE if slip.entry == "Q" else _SLIP_TITLE


def _centered(words: tuple[str, str]) -> list[Line]:
    chinese, english = words
    return [Text(chinese, align="center", size="large", bold=True), Text(english, align="center")]


def _markers(slip: Slip | SettlementSlip) -> list[Line]:
    marks = ((slip.duplicate, _DUPLICATE), (slip.test, _TEST))
    return [Text(words, align="center", size="tall", bold=True) for marked, words in marks if marked]


def _shop(shop: Shop, operator_no: str) -> list[Line]:
    return [
        Text("商户名称 MERCHANT NAME"),
        Text(shop.name_zh, align="right", bold=True),
        Text(shop.name_en, align="right"),
        *_labelled(
            ("商户编号 MERCHANT NO", shop.merchant_no),
            ("终端编号 TERMINAL NO", shop.terminal_no),
            ("操作员号 OPERATOR NO", operator_no),
        ),
    ]


def _payment(slip: Slip) -> list[Line]:
    scanned = slip.entry == "Q"
    return [
        *_labelled(
            ("付款方式 WALLET" if scanned else "发卡行 ISSUER", slip.issuer),
            ("卡组织 CARD ORG", slip.organisation),
        ),
        *_stated("付款码 PAY CODE" if scanned else "卡号 CARD NO", f"{_in_fours(slip.card)} {slip.entry}"),
        *_labelled(("读卡方式 READ BY", _READ_BY.get(slip.entry, "")), ("收单行 ACQ", slip.acquirer)),
        *_stated("交易类型 TXN TYPE", f"{slip.type_zh}/{slip.type_en}"),
        *_labelled(("有效期 EXP. DATE", _expiry(slip.expiry))),
    ]


def _trace(slip: Slip) -> list[Line]:
    return _labelled(
        ("批次号 BATCH NO", slip.batch),
        ("凭证号 VOUCHER NO", slip.voucher),
        ("授权码 AUTH NO", slip.auth_no),
        ("交易参考号 REF. NO", slip.reference_no),
        ("付款凭证号 PAY VOUCHER", slip.pay_voucher),
        ("日期/时间 DATE/TIME", _time(slip)),
    )


def _reference(slip: Slip) -> list[Line]:
    lines = _labelled(
        ("原凭证号 ORIG. VOUCHER", slip.original_voucher),
        ("原授权码 ORIG. AUTH NO", slip.original_auth_no),
        ("原参考号 ORIG. REF.", slip.original_reference_no),
        ("原交易日期 ORIG. DATE", _date(slip.original_date)),
    ) + [Text(text) for text in slip.response_texts]
    return [Rule(), Text("备注 REFERENCE"), *lines] if lines else []


def _ic(slip: Slip) -> list[Line]:
    items = tuple(f"{name} {value}" for name, value in slip.ic_lines if value)
    return [Rule(), Flow(items)] if items else []


def _foot(slip: Slip) -> list[Line]:
    if slip.copy == "fault":
        return [Rule("="), *map(Text, _FAULT_ADVICE)]
    return _exemption(slip) + (_cardholder_foot(slip) if slip.copy == "cardholder" else _signature(slip))


def _exemption(slip: Slip) -> list[Line]:
    """Why nobody signs, and no PIN was entered."""
    if slip.device_verified:
        return [Rule(), *map(Text, _DEVICE_VERIFIED)]
    return [Rule(), *map(Text, _NEITHER_NEEDED)] if slip.small_amount else []


def _signature(slip: Slip) -> list[Line]:
    if not slip.signature_needed:
        return []
    return [Rule(), Text("持卡人签名 CARDHOLDER SIGNATURE"), Feed(3), Rule(), *map(Text, _DECLARATION)]


def _cardholder_foot(slip: Slip) -> list[Line]:
    caption = Text("电子签购单 E-RECEIPT", align="center")
    code: list[Line] = [Feed(), Qr(slip.qr_payload), Feed(), caption] if slip.qr_payload else []
    return [Rule(), *code, Text("请妥善保管 PLEASE KEEP THIS SLIP", align="center")]


def _totals(section: str, totals: tuple[Total, ...], currency: str) -> list[Line]:
    if not totals:
        return []
    count, amount = sum(total.count for total in totals), sum(total.amount for total in totals)
    return [
        Rule("="),
        Text(section, bold=True),
        Figures("类型 TYPE", "笔数", f"金额 {currency_of(currency)[0]}"),
        Rule(),
        *(Figures(f"{t.type_zh} {t.type_en}", str(t.count), money(t.amount, currency)) for t in totals),
        Rule(),
        Figures("合计 TOTAL", str(count), money(amount, currency), bold=True),
    ]


def _details(chinese: str, english: str, details: tuple[Detail, ...], currency: str) -> list[Line]:
    if not details:
        return []
    lines: list[Line] = [Text(chinese, bold=True), Text(english)]
    for detail in details:
        left = f"{detail.voucher} {detail.type_letter} {detail.auth_no}"
        lines += [Pair(left, money(detail.amount, currency)), Text(f"  {detail.card}")]
    return [*lines, Rule()]


def _labelled(*rows: tuple[str, str]) -> list[Line]:
    return [Pair(label, value) for label, value in rows if value]


def _stated(label: str, value: str) -> list[Line]:
    """What people look for on a slip: its label, and the value below in the largest type that fits."""
    return [Text(label), Text(value, align="right", size="large", bold=True)]


def _in_fours(card: str) -> str:
    return " ".join(card[start : start + 4] for start in range(0, len(card), 4))


def _expiry(expiry: str) -> str:
    """YYMM as ``YYYY/MM``; a year from 50 on is of the last century."""
    return f"{'19' if expiry[:2] >= '50' else '20'}{expiry[:2]}/{expiry[2:]}" if expiry else ""


def _date(date: str) -> str:
    """MMDD as ``MM/DD``, YYYYMMDD as ``YYYY/MM/DD``."""
    return "/".join(part for part in (date[:-4], date[-4:-2], date[-2:]) if part)


def _time(slip: Slip | SettlementSlip) -> str:
    return slip.local_time.strftime("%Y/%m/%d %H:%M:%S")
