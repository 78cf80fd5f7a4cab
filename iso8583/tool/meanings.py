"""What the codes in a message say, in Chinese and English: MTI, processing code, entry mode, currency and so on.

A meaning is a pair (Chinese, English). Nothing here repeats a value; whoever asks decides whether it may be shown, and
asks only then, except for the fields of `HARMLESS`, whose meaning tells how something is protected and not what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from iso8583.message import Message
from iso8583.response_codes import RESPONSE_CODES
from iso8583.response_codes import meaning as response_meaning
from iso8583.tool.currencies import CURRENCIES, money

Words = tuple[str, str]

HARMLESS: Final = frozenset({53})

VERSIONS: Final[Mapping[str, Words]] = {
    "0": ("ISO 8583:1987", "ISO 8583:1987"),
    "1": ("ISO 8583:1993", "ISO 8583:1993"),
    "2": ("ISO 8583:2003", "ISO 8583:2003"),
}
CLASSES: Final[Mapping[str, Words]] = {
    "1": ("授权", "authorisation"),
    "2": ("金融", "financial"),
    "3": ("文件操作", "file action"),
    "4": ("冲正", "reversal"),
    "5": ("对账", "reconciliation"),
    "6": ("管理", "administrative"),
    "7": ("费用", "fee collection"),
    "8": ("网络管理", "network management"),
}
FUNCTIONS: Final[Mapping[str, Words]] = {
    "0": ("请求", "request"),
    "1": ("请求应答", "response to a request"),
    "2": ("通知", "advice"),
    "3": ("通知应答", "response to an advice"),
    "4": ("通告", "notification"),
    "5": ("通告确认", "acknowledgement of a notification"),
    "6": ("指令", "instruction"),
    "7": ("指令确认", "acknowledgement of an instruction"),
}
ORIGINS: Final[Mapping[str, Words]] = {
    "0": ("收单方发起", "from the acquirer"),
    "1": ("收单方重发", "from the acquirer, repeated"),
    "2": ("发卡方发起", "from the issuer"),
    "3": ("发卡方重发", "from the issuer, repeated"),
    "4": ("第三方发起", "from another party"),
    "5": ("第三方重发", "from another party, repeated"),
}
OPERATIONS: Final[Mapping[str, Words]] = {
    "00": ("消费", "goods and services"),
    "01": ("取现", "cash withdrawal"),
    "02": ("借记调整", "debit adjustment"),
    "03": ("预授权或支票保付", "pre-authorisation or cheque guarantee"),
    "09": ("消费并取现", "purchase with cash back"),
    "17": ("撤销圈存", "void of a load"),
    "20": ("退货或撤销", "refund or void"),
    "21": ("存款", "deposit"),
    "22": ("贷记调整", "credit adjustment"),
    "30": ("可用余额查询", "available funds inquiry"),
    "31": ("余额查询", "balance inquiry"),
    "33": ("账户验证", "account verification"),
    "40": ("转账", "transfer"),
    "60": ("指定账户圈存", "load from the designated account"),
    "62": ("非指定账户圈存", "load from another account"),
    "63": ("现金充值", "load with cash"),
}
ACCOUNTS: Final[Mapping[str, Words]] = {
    "00": ("默认账户", "default account"),
    "10": ("储蓄账户", "savings account"),
    "20": ("支票账户", "cheque account"),
    "30": ("信用账户", "credit account"),
    "40": ("通用账户", "universal account"),
    "50": ("投资账户", "investment account"),
    "60": ("电子钱包", "electronic purse"),
}
ENTRY_MODES: Final[Mapping[str, Words]] = {
    "00": ("方式未知", "unspecified"),
    "01": ("手工输入", "keyed in"),
    "02": ("读磁条", "magnetic stripe"),
    "03": ("扫码", "bar code or QR code"),
    "04": ("光学识别", "optical characters"),
    "05": ("插卡读芯片", "contact chip"),
    "07": ("非接触芯片", "contactless chip"),
    "79": ("芯片改手工输入", "chip failed, keyed in"),
    "80": ("芯片降级读磁条", "chip failed, magnetic stripe (fallback)"),
    "81": ("电子商务", "electronic commerce"),
    "90": ("读磁条,完整磁道", "magnetic stripe, full track"),
    "91": ("非接触磁条", "contactless, magnetic stripe data"),
    "92": ("无卡订购", "order without the card"),
    "95": ("芯片数据不可靠", "contact chip, data may be unreliable"),
    "96": ("手机芯片", "chip in a telephone"),
    "98": ("非接触标准借贷记", "contactless, full chip data"),
}
PIN_ENTRY: Final[Mapping[str, Words]] = {
    "0": ("密码情况未知", "PIN unspecified"),
    "1": ("有密码", "with PIN"),
    "2": ("无密码", "without PIN"),
}
CONDITIONS: Final[Mapping[str, Words]] = {
    "00": ("正常", "normal"),
    "01": ("持卡人不在场", "customer not present"),
    "02": ("自助终端", "unattended terminal"),
    "03": ("商户可疑", "merchant is suspicious"),
    "05": ("持卡人在场,卡不在场", "customer present, card not"),
    "06": ("预授权类", "pre-authorisation family"),
    "08": ("邮购或电话订购", "mail or telephone order"),
    "18": ("邮购电话订购预授权", "mail or telephone order, pre-authorisation"),
    "59": ("电子商务", "electronic commerce"),
    "60": ("追加预授权", "additional pre-authorisation"),
    "64": ("分期付款", "instalments"),
    "65": ("积分", "points"),
    "66": ("预付卡磁条充值", "prepaid card top-up"),
    "67": ("预约", "reservation"),
    "82": ("快速转账", "quick transfer"),
    "91": ("电子现金圈存", "electronic cash load"),
}
REVERSAL_REASONS: Final[Mapping[str, Words]] = {
    "98": ("未收到应答", "no answer came"),
    "A0": ("应答 MAC 错误", "the MAC of the answer was wrong"),
    "06": ("其他原因,如卡片已拔出", "another reason, such as a card that was removed"),
}
ACTIONS_1993: Final[Mapping[str, Words]] = {
    "0": ("批准", "approved"),
    "1": ("拒绝", "denied"),
    "2": ("拒绝并没收卡", "denied, keep the card"),
    "3": ("文件操作结果", "result of a file action"),
    "4": ("冲正已受理", "result of a reversal"),
    "5": ("对账结果", "result of a reconciliation"),
    "6": ("管理消息结果", "result of an administrative message"),
    "7": ("费用结果", "result of a fee collection"),
    "8": ("网络管理已受理", "result of a network message"),
    "9": ("未能处理", "could not be processed"),
}
MANAGEMENT_1987: Final[Mapping[str, Words]] = {
    "001": ("签到", "sign-on"),
    "002": ("签退", "sign-off"),
    "101": ("密钥更换", "key change"),
    "161": ("密钥更换", "key change"),
    "201": ("日切", "cut-over"),
    "270": ("回声测试", "echo test"),
    "301": ("回声测试", "echo test"),
}
SETTLEMENT: Final[Mapping[str, Words]] = {
    "1": ("平", "in balance"),
    "2": ("不平", "out of balance"),
    "3": ("出错", "error"),
}
MERCHANT_TYPES: Final[Mapping[str, Words]] = {
    "4111": ("公共交通", "commuter transport"),
    "4121": ("出租车", "taxis"),
    "4814": ("电信", "telephone services"),
    "5311": ("百货商店", "department stores"),
    "5411": ("超市", "grocery stores and supermarkets"),
    "5462": ("面包房", "bakeries"),
    "5499": ("便利店", "convenience stores"),
    "5541": ("加油站", "service stations"),
    "5812": ("餐馆", "eating places and restaurants"),
    "5814": ("快餐", "fast food"),
    "5912": ("药店", "drug stores"),
    "5999": ("其他零售", "other retail"),
    "6011": ("自助取款", "cash from a machine"),
    "7011": ("酒店", "hotels"),
    "8062": ("医院", "hospitals"),
}
_PIN_FORMATS: Final[Mapping[str, Words]] = {
    "0": ("无密码", "no PIN"),
    "1": ("密码未用卡号加密", "PIN block without the card number"),
    "2": ("密码用卡号加密", "PIN block made with the card number"),
}
_ALGORITHMS: Final[Mapping[str, Words]] = {
    "0": ("单倍长 DES", "single DES"),
    "3": ("SM4", "SM4"),
    "6": ("双倍长 3DES", "double-length 3DES"),
}
_TRACK_STATES: Final[Mapping[str, Words]] = {
    "0": ("磁道未加密", "track in clear"),
    "1": ("磁道加密", "track encrypted"),
}
APPLICATION_CLASSES: Final[Mapping[str, Words]] = {
    "60": ("磁条或金融 POS 应用", "stripe or financial POS"),
    "61": ("芯片 POS 应用", "chip POS"),
}
HOST_COMMANDS: Final[Mapping[str, Words]] = {
    "0": ("主机无指令", "no command of the host"),
    "1": ("下载终端参数", "download terminal parameters"),
    "2": ("上送终端状态", "upload terminal status"),
    "3": ("重新签到", "sign on again"),
    "4": ("下载公钥", "download CA public keys"),
    "5": ("下载 IC 卡参数", "download chip parameters"),
    "6": ("更新程序", "update the program"),
    "7": ("下载黑名单", "download the black list"),
}
# What sub-fields say, by their path, in the UnionPay POS dialect.
PARTS: Final[Mapping[str, Mapping[str, Words]]] = {
    "60.4": {
        "0": ("读卡能力未知", "reader unknown"),
        "2": ("只读磁条", "stripe reader"),
        "5": ("可读接触芯片", "contact chip reader"),
        "6": ("可读接触和非接触芯片", "contact and contactless chip reader"),
    },
    "60.5": {
        "0": ("未用芯片或正常", "no chip used, or normal"),
        "1": ("上次芯片读取成功", "the last chip was read"),
        "2": ("上次芯片读取失败", "the last chip could not be read"),
    },
    "60.6": {"0": ("不支持部分批准", "no partial approvals"), "1": ("支持部分批准", "takes partial approvals")},
    "60.7": {"048": ("发卡行积分", "issuer's points"), "065": ("联盟积分", "alliance's points")},
    "60.3": {
        "000": ("金融交易", "financial"),
        "001": ("签到,单倍长密钥", "sign-on, single-length keys"),
        "002": ("签退", "sign-off"),
        "003": ("签到,双倍长密钥", "sign-on, double-length keys"),
        "004": ("签到,双倍长密钥和磁道密钥", "sign-on, double-length keys and track key"),
        "201": ("批结算或明细上送", "settlement or upload of details"),
        "202": ("批上送结束,账不平", "end of upload, not balanced"),
        "203": ("芯片脱机交易上送,账平", "upload of chip transactions, balanced"),
        "204": ("芯片拒绝交易上送", "upload of declined chip transactions"),
        "205": ("芯片脱机交易上送,账不平", "upload of chip transactions, not balanced"),
        "206": ("ARPC 错误交易上送", "upload of transactions with a wrong ARPC"),
        "207": ("批上送结束,账平", "end of upload, balanced"),
        "301": ("回声测试", "echo test"),
        "360": ("下载参数", "download of parameters"),
        "361": ("下载参数结束", "end of the download of parameters"),
        "362": ("上送状态", "upload of status"),
        "370": ("下载公钥", "download of CA keys"),
        "371": ("下载公钥结束", "end of the download of CA keys"),
        "372": ("查询公钥列表", "list of CA keys"),
        "380": ("下载 IC 卡参数", "download of chip parameters"),
        "381": ("下载 IC 卡参数结束", "end of the download of chip parameters"),
        "382": ("查询 IC 卡参数列表", "list of chip parameters"),
        "390": ("下载黑名单", "download of the black list"),
        "391": ("下载黑名单结束", "end of the download of the black list"),
        "401": ("收银员积分签到", "cashier's sign-on for points"),
        "951": ("芯片脚本结果", "result of a chip script"),
    },
    "60.1": {
        "00": ("管理类", "management"),
        "01": ("余额查询", "balance inquiry"),
        "03": ("积分查询", "points inquiry"),
        "10": ("预授权", "pre-authorisation"),
        "11": ("预授权撤销", "void of a pre-authorisation"),
        "20": ("预授权完成请求", "completion, request"),
        "21": ("预授权完成撤销", "void of a completion"),
        "22": ("消费", "sale"),
        "23": ("消费撤销", "void of a sale"),
        "24": ("预授权完成通知", "completion, advice"),
        "25": ("退货", "refund"),
        "27": ("电子现金脱机退货", "offline refund of electronic cash"),
        "30": ("离线结算", "offline settlement"),
        "32": ("结算调整", "adjustment"),
        "34": ("小费调整", "tip"),
        "36": ("脱机消费上送", "upload of an offline sale"),
        "45": ("指定账户圈存", "load from the designated account"),
        "46": ("现金充值", "load with cash"),
        "47": ("非指定账户圈存", "load from another account"),
        "48": ("预付卡现金充值", "prepaid card, top-up with cash"),
        "49": ("预付卡账户充值", "prepaid card, top-up from an account"),
        "51": ("现金充值撤销", "void of a load with cash"),
        "53": ("预约消费撤销", "void of a reservation"),
        "54": ("预约消费", "sale by reservation"),
    },
    "61.4": {
        "00": ("POS 授权", "authorised at the POS"),
        "01": ("电话授权", "by telephone"),
        "02": ("代授权", "stand-in"),
    },
}  # fmt: skip


def joined(*parts: Words | None) -> Words | None:
    """Several meanings as one; None if there is none."""
    kept = [part for part in parts if part is not None]
    return ("、".join(zh for zh, _ in kept), ", ".join(en for _, en in kept)) if kept else None


def mti_meaning(mti: str) -> Words | None:
    """What the four digits of a message type say.

    >>> mti_meaning("0210")
    ('ISO 8583:1987、金融、请求应答、收单方发起', 'ISO 8583:1987, financial, response to a request, from the acquirer')
    """
    if len(mti) != 4:
        return None
    tables = (VERSIONS, CLASSES, FUNCTIONS, ORIGINS)
    return joined(*(table.get(digit) for table, digit in zip(tables, mti, strict=True)))


def header_meaning(header: str) -> Words | None:
    """What the twelve digits of a UnionPay POS header say."""
    if len(header) != 12 or not header.isdigit():
        return None
    state = ("测试状态", "terminal in test") if header[4] == "1" else ("终端正常", "terminal normal")
    return joined(APPLICATION_CLASSES.get(header[:2]), state, HOST_COMMANDS.get(header[5]))


def field_meaning(message: Message, number: int) -> Words | None:
    """What the value of a field says; None if it speaks for itself. Never raises, whatever the value."""
    value = message.get(number)
    explain = _EXPLAIN.get(number)
    return explain(message, value) if explain and isinstance(value, str) and value else None


def _operation(_message: Message, value: str) -> Words | None:
    operation, source, target = OPERATIONS.get(value[:2]), value[2:4], value[4:6]
    if source == target == "00":
        return operation
    before, after = ACCOUNTS.get(source), ACCOUNTS.get(target)
    return joined(
        operation,
        before and (f"从{before[0]}", f"from {before[1]}"),
        after and (f"到{after[0]}", f"to {after[1]}"),
    )


def _money_in(currency: int) -> Callable[[Message, str], Words | None]:
    def explain(message: Message, value: str) -> Words | None:
        said = money(value, str(message.get(currency, ""))) if value.isascii() and value.isdigit() else ""
        return (said, said) if said else None

    return explain


def _currency(_message: Message, value: str) -> Words | None:
    code, _, zh, en = CURRENCIES.get(value, ("", 0, "", ""))
    return (f"{code} {zh}", f"{code} {en}") if code else None


def _moment(pattern: str) -> Callable[[Message, str], Words | None]:
    """Digits as date and time: `pattern` has as many letters as there are digits, with what stands between them."""
    size = sum(map(str.isalpha, pattern))

    def explain(_message: Message, value: str) -> Words | None:
        if len(value) != size:
            return None
        digits = iter(value)
        said = "".join(next(digits) if letter.isalpha() else letter for letter in pattern)
        return said, said

    return explain


def _either(*ways: Callable[[Message, str], Words | None]) -> Callable[[Message, str], Words | None]:
    return lambda message, value: next(filter(None, (way(message, value) for way in ways)), None)


def _entry(_message: Message, value: str) -> Words | None:
    if len(value) != 3:
        return None
    return joined(ENTRY_MODES.get(value[:2]), PIN_ENTRY.get(value[2]))


def _from(table: Mapping[str, Words]) -> Callable[[Message, str], Words | None]:
    return lambda _message, value: table.get(value)


def _result(message: Message, value: str) -> Words | None:
    if len(value) == 3:
        return ACTIONS_1993.get(value[0])
    if message.mti[1:3] in {"40", "42"} and value in REVERSAL_REASONS:
        return REVERSAL_REASONS[value]
    known = response_meaning(value)
    return (known.zh, known.en) if value in RESPONSE_CODES else ("未知应答码,按拒绝处理", "an unknown code: a decline")


def _protection(_message: Message, value: str) -> Words | None:
    if len(value) != 16 or value.strip("0123456789"):
        return None
    algorithm = _ALGORITHMS.get(value[1]) if value[0] != "0" or value[1] != "0" else None
    return joined(_PIN_FORMATS.get(value[0]), algorithm, _TRACK_STATES.get(value[2]))


def _pin_capture(_message: Message, value: str) -> Words | None:
    count = int(value) if value.isascii() and value.isdigit() else 0
    return (f"密码最长 {count} 位", f"PIN of up to {count} digits") if count else None


def _original(_message: Message, value: str) -> Words | None:
    if len(value) != 42:
        return None
    mti, trace, moment = value[:4], value[4:10], value[10:20]
    written = f"{moment[:2]}-{moment[2:4]} {moment[4:6]}:{moment[6:8]}:{moment[8:]}"
    return f"原交易 {mti},流水号 {trace},{written}", f"original {mti}, trace {trace}, sent {written}"


_EXPLAIN: Final[Mapping[int, Callable[[Message, str], Words | None]]] = {
    3: _operation,
    4: _money_in(49),
    5: _money_in(50),
    6: _money_in(51),
    7: _moment("MM-DD hh:mm:ss"),
    12: _either(_moment("hh:mm:ss"), _moment("YY-MM-DD hh:mm:ss"), _moment("YYYY-MM-DD hh:mm:ss")),
    13: _either(_moment("MM-DD"), _moment("YYYY-MM-DD")),
    14: _moment("YY-MM"),
    15: _either(_moment("MM-DD"), _moment("YY-MM-DD"), _moment("YYYY-MM-DD")),
    18: _from(MERCHANT_TYPES),
    22: _entry,
    25: _from(CONDITIONS),
    26: _pin_capture,
    39: _result,
    49: _currency,
    50: _currency,
    51: _currency,
    53: _protection,
    66: _from(SETTLEMENT),
    70: _from(MANAGEMENT_1987),
    90: _original,
}
