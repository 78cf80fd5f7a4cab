"""What the bits and codes of a chip's data objects say: TVR, CVM results, capabilities (EMV Books 3 and 4).

As in `iso8583.tool.meanings`, a meaning is a pair (Chinese, English). Of a bit field there is one for each bit that is
set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from iso8583.tool.currencies import CURRENCIES, money
from iso8583.tool.meanings import OPERATIONS, Words

# (byte, bit) -> what it says when it is set; bit 8 is the highest.
_Bits = Mapping[tuple[int, int], Words]

TVR: Final[_Bits] = {
    (1, 8): ("未进行脱机数据认证", "offline data authentication was not performed"),
    (1, 7): ("静态数据认证失败", "static data authentication failed"),
    (1, 6): ("卡片数据缺失", "chip data missing"),
    (1, 5): ("卡片在终端异常文件中", "card is on the terminal's exception list"),
    (1, 4): ("动态数据认证失败", "dynamic data authentication failed"),
    (1, 3): ("复合动态数据认证失败", "combined data authentication failed"),
    (2, 8): ("卡片与终端应用版本不一致", "card and terminal have different application versions"),
    (2, 7): ("应用已过期", "expired application"),
    (2, 6): ("应用尚未生效", "application not yet effective"),
    (2, 5): ("卡片不允许所请求的服务", "requested service not allowed for the card"),
    (2, 4): ("新卡", "new card"),
    (3, 8): ("持卡人验证失败", "cardholder verification was not successful"),
    (3, 7): ("未知的持卡人验证方法", "unrecognised cardholder verification method"),
    (3, 6): ("PIN 重试次数超限", "PIN try limit exceeded"),
    (3, 5): ("要求输入 PIN 但密码键盘不可用", "PIN required, PIN pad absent or not working"),
    (3, 4): ("要求输入 PIN,密码键盘可用但未输入", "PIN required, PIN pad present, PIN not entered"),
    (3, 3): ("已输入联机 PIN", "online PIN was entered"),
    (4, 8): ("交易超过最低限额", "transaction exceeds the floor limit"),
    (4, 7): ("超过连续脱机交易下限", "lower limit of consecutive offline transactions exceeded"),
    (4, 6): ("超过连续脱机交易上限", "upper limit of consecutive offline transactions exceeded"),
    (4, 5): ("随机选中联机", "selected at random for going online"),
    (4, 4): ("商户强制联机", "merchant forced the transaction online"),
    (5, 8): ("使用默认 TDOL", "default TDOL was used"),
    (5, 7): ("发卡行认证失败", "issuer authentication failed"),
    (5, 6): ("最终 GENERATE AC 前脚本失败", "script failed before the final GENERATE AC"),
    (5, 5): ("最终 GENERATE AC 后脚本失败", "script failed after the final GENERATE AC"),
}
TSI: Final[_Bits] = {
    (1, 8): ("已进行脱机数据认证", "offline data authentication was performed"),
    (1, 7): ("已进行持卡人验证", "cardholder verification was performed"),
    (1, 6): ("已进行卡片风险管理", "card risk management was performed"),
    (1, 5): ("已进行发卡行认证", "issuer authentication was performed"),
    (1, 4): ("已进行终端风险管理", "terminal risk management was performed"),
    (1, 3): ("已处理脚本", "script processing was performed"),
}
INTERCHANGE_PROFILE: Final[_Bits] = {
    (1, 7): ("支持静态数据认证", "SDA supported"),
    (1, 6): ("支持动态数据认证", "DDA supported"),
    (1, 5): ("支持持卡人验证", "cardholder verification supported"),
    (1, 4): ("须执行终端风险管理", "terminal risk management is to be performed"),
    (1, 3): ("支持发卡行认证", "issuer authentication supported"),
    (1, 1): ("支持复合动态数据认证", "CDA supported"),
}
CAPABILITIES: Final[_Bits] = {
    (1, 8): ("手工输入", "manual key entry"),
    (1, 7): ("磁条", "magnetic stripe"),
    (1, 6): ("接触芯片", "chip with contacts"),
    (2, 8): ("脱机明文 PIN", "plaintext PIN, checked by the chip"),
    (2, 7): ("联机加密 PIN", "enciphered PIN, checked online"),
    (2, 6): ("签名", "signature"),
    (2, 5): ("脱机密文 PIN", "enciphered PIN, checked by the chip"),
    (2, 4): ("无需持卡人验证", "no CVM required"),
    (3, 8): ("SDA", "SDA"),
    (3, 7): ("DDA", "DDA"),
    (3, 6): ("没收卡", "card capture"),
    (3, 4): ("CDA", "CDA"),
}
MORE_CAPABILITIES: Final[_Bits] = {
    (1, 8): ("取现", "cash"),
    (1, 7): ("商品", "goods"),
    (1, 6): ("服务", "services"),
    (1, 5): ("返现", "cash back"),
    (1, 4): ("查询", "inquiry"),
    (1, 3): ("转账", "transfer"),
    (1, 2): ("付款", "payment"),
    (1, 1): ("管理", "administrative"),
    (2, 8): ("存款", "cash deposit"),
    (3, 8): ("数字键", "numeric keys"),
    (3, 7): ("字母和特殊键", "alphabetic and special keys"),
    (3, 6): ("命令键", "command keys"),
    (3, 5): ("功能键", "function keys"),
    (4, 8): ("为服务员打印", "prints for the attendant"),
    (4, 7): ("为持卡人打印", "prints for the cardholder"),
    (4, 6): ("为服务员显示", "displays to the attendant"),
    (4, 5): ("为持卡人显示", "displays to the cardholder"),
}
_METHODS: Final[Mapping[int, Words]] = {
    0x00: ("验证失败", "fail CVM processing"),
    0x01: ("脱机明文 PIN", "plaintext PIN, checked by the chip"),
    0x02: ("联机加密 PIN", "enciphered PIN, checked online"),
    0x03: ("脱机明文 PIN 和签名", "plaintext PIN, checked by the chip, and signature"),
    0x04: ("脱机密文 PIN", "enciphered PIN, checked by the chip"),
    0x05: ("脱机密文 PIN 和签名", "enciphered PIN, checked by the chip, and signature"),
    0x1E: ("签名", "signature"),
    0x1F: ("无需验证", "no CVM required"),
    0x20: ("出示证件", "identity document"),
    0x3F: ("未执行", "no CVM performed"),
}
_METHOD_CONDITIONS: Final[Mapping[int, Words]] = {
    0x00: ("总是", "always"),
    0x01: ("无人值守取现时", "if unattended cash"),
    0x02: ("非取现非返现时", "if neither cash nor cash back"),
    0x03: ("终端支持时", "if the terminal supports it"),
    0x04: ("人工取现时", "if manual cash"),
    0x05: ("消费并返现时", "if purchase with cash back"),
    0x06: ("交易货币且金额小于 X 时", "if in the application's currency and under X"),
    0x07: ("交易货币且金额大于 X 时", "if in the application's currency and over X"),
    0x08: ("交易货币且金额小于 Y 时", "if in the application's currency and under Y"),
    0x09: ("交易货币且金额大于 Y 时", "if in the application's currency and over Y"),
}
_METHOD_RESULTS: Final[Mapping[int, Words]] = {
    0: ("结果未知", "result unknown"),
    1: ("失败", "failed"),
    2: ("成功", "successful"),
}
_CRYPTOGRAMS: Final[Mapping[int, Words]] = {
    0x00: ("AAC,卡片拒绝", "AAC, the card declines"),
    0x40: ("TC,脱机批准", "TC, approved offline"),
    0x80: ("ARQC,请求联机", "ARQC, wants to go online"),
    0xC0: ("保留", "reserved"),
}
_TERMINAL_TYPES: Final[Mapping[str, Words]] = {
    "11": ("金融机构,有人值守,仅联机", "financial institution, attended, online only"),
    "12": ("金融机构,有人值守,脱机可联机", "financial institution, attended, offline with online"),
    "14": ("金融机构,无人值守,仅联机", "financial institution, unattended, online only"),
    "21": ("商户,有人值守,仅联机", "merchant, attended, online only"),
    "22": ("商户,有人值守,脱机可联机", "merchant, attended, offline with online"),
    "23": ("商户,有人值守,仅脱机", "merchant, attended, offline only"),
    "24": ("商户,无人值守,仅联机", "merchant, unattended, online only"),
    "25": ("商户,无人值守,脱机可联机", "merchant, unattended, offline with online"),
    "26": ("商户,无人值守,仅脱机", "merchant, unattended, offline only"),
    "34": ("持卡人自有终端,仅联机", "cardholder's own terminal, online only"),
}
_RESPONSES: Final[Mapping[bytes, Words]] = {
    b"00": ("联机批准", "approved online"),
    b"05": ("联机拒绝", "declined online"),
    b"Y1": ("脱机批准", "approved offline"),
    b"Y3": ("无法联机,脱机批准", "could not go online, approved offline"),
    b"Z1": ("脱机拒绝", "declined offline"),
    b"Z3": ("无法联机,脱机拒绝", "could not go online, declined offline"),
}
_COUNTRIES: Final[Mapping[str, Words]] = {
    "156": ("中国", "China"), "158": ("中国台湾", "Taiwan, China"), "250": ("法国", "France"),
    "276": ("德国", "Germany"),
    "344": ("中国香港", "Hong Kong, China"), "392": ("日本", "Japan"), "410": ("韩国", "South Korea"),
    "446": ("中国澳门", "Macao, China"), "702": ("新加坡", "Singapore"), "826": ("英国", "United Kingdom"),
    "840": ("美国", "United States"),
}  # fmt: skip
_APPLICATIONS: Final[Mapping[str, Words]] = {
    "A000000333010101": ("银联借记", "UnionPay debit"),
    "A000000333010102": ("银联贷记", "UnionPay credit"),
    "A000000333010103": ("银联准贷记", "UnionPay quasi-credit"),
    "A000000333010106": ("银联电子现金", "UnionPay electronic cash"),
    "A0000000031010": ("Visa", "Visa"),
    "A0000000041010": ("Mastercard", "Mastercard"),
    "A0000000043060": ("Maestro", "Maestro"),
    "A0000000651010": ("JCB", "JCB"),
    "A00000002501": ("American Express", "American Express"),
}


def _bits(table: _Bits, nothing: Words) -> Callable[[bytes], list[Words]]:
    def explain(value: bytes) -> list[Words]:
        found = [
            words for (byte, bit), words in table.items() if byte <= len(value) and value[byte - 1] >> (bit - 1) & 1
        ]
        return found or [nothing]

    return explain


def _method(value: bytes) -> list[Words]:
    if len(value) != 3:
        return []
    zh, en = _METHODS.get(value[0] & 0x3F, ("未知方法", "unknown method"))
    condition = _METHOD_CONDITIONS.get(value[1], ("其他条件", "another condition"))
    result = _METHOD_RESULTS.get(value[2], ("结果无效", "not a result"))
    return [(f"{zh}({condition[0]}):{result[0]}", f"{en} ({condition[1]}): {result[1]}")]


def _digits(value: bytes, count: int) -> str:
    digits = value.hex()
    return digits[-count:] if digits.isdigit() else ""


def _amount(value: bytes) -> list[Words]:
    digits = _digits(value, 12)
    said = money(digits, "") if digits else ""
    return [(said, said)] if said else []


def _currency(value: bytes) -> list[Words]:
    code, _, zh, en = CURRENCIES.get(_digits(value, 3), ("", 0, "", ""))
    return [(f"{code} {zh}", f"{code} {en}")] if code else []


def _date(value: bytes) -> list[Words]:
    digits = _digits(value, 6)
    said = f"20{digits[:2]}-{digits[2:4]}-{digits[4:]}" if len(digits) == 6 else ""
    return [(said, said)] if said else []


def _counter(value: bytes) -> list[Words]:
    count = int.from_bytes(value[:4], "big")
    return [(f"第 {count} 次", f"number {count}")]


def _cryptogram(value: bytes) -> list[Words]:
    return [_CRYPTOGRAMS[value[0] & 0xC0]] if value else []


def _from(table: Mapping[str, Words], count: int) -> Callable[[bytes], list[Words]]:
    return lambda value: [table[key]] if (key := _digits(value, count)) in table else []


def _application(value: bytes) -> list[Words]:
    name = value.hex().upper()
    return [words for prefix, words in _APPLICATIONS.items() if name.startswith(prefix)][:1]


_EXPLAIN: Final[Mapping[int, Callable[[bytes], list[Words]]]] = {
    0x4F: _application,
    0x5F2A: _currency,
    0x82: _bits(INTERCHANGE_PROFILE, ("无", "none")),
    0x84: _application,
    0x8A: lambda value: [_RESPONSES[value]] if value in _RESPONSES else [],
    0x95: _bits(TVR, ("无异常", "nothing out of the ordinary")),
    0x9A: _date,
    0x9B: _bits(TSI, ("无", "none")),
    0x9C: _from(OPERATIONS, 2),
    0x9F02: _amount,
    0x9F03: _amount,
    0x9F06: _application,
    0x9F1A: _from(_COUNTRIES, 3),
    0x9F27: _cryptogram,
    0x9F33: _bits(CAPABILITIES, ("无", "none")),
    0x9F34: _method,
    0x9F35: _from(_TERMINAL_TYPES, 2),
    0x9F36: _counter,
    0x9F40: _bits(MORE_CAPABILITIES, ("无", "none")),
    0x9F41: lambda value: _counter(bytes.fromhex(f"{int(value.hex()):08x}")) if value.hex().isdigit() else [],
}


def tag_meaning(tag: int, value: bytes) -> list[Words]:
    """What the object `tag` says, one line for each thing; none if it speaks for itself. Never raises.

    >>> tag_meaning(0x9F34, bytes.fromhex("1E0302"))
    [('签名(终端支持时):成功', 'signature (if the terminal supports it): successful')]
    """
    explain = _EXPLAIN.get(tag)
    return explain(value) if explain else []
