"""The tags of chip data (field 55): names in English and Chinese, formats, and how each is shown.

Lengths are bytes. Names and formats are those of EMV Book 3, annex A, and of PBOC 3.0 for the tags that only it has
(9F5D, 9F63, 9F74, 9F77 to 9F7B, DF11 and on). Formats n and cn are packed digits, shown as such. Whatever holds or
lets one compute a card number, a track, a name, a PIN or a balance is hidden, and so is every tag that is not here.
"""

from typing import Final

from iso8583.parts import BerTlv, Part
from iso8583.table import Content, Mask

ANY: Final = 255  # the longest value, where the standard has no limit that field 55 would not have itself


def _fixed(name: str, zh: str, length: int, content: Content = "b", mask: Mask = "show") -> Part:
    return Part(name, content, length, mask, zh)


def _up_to(
    name: str, zh: str, length: int, content: Content = "b", mask: Mask = "show", shortest: int = 0, *,
    repeats: bool = False,
) -> Part:  # fmt: skip
    return Part(name, content, length, mask, zh, minimum=shortest, repeats=repeats)


_FROM_THE_CARD: Final = {
    0x42: _fixed("issuer identification number", "发卡行识别号", 3, "n", "hide"),
    0x4F: _up_to("application identifier of the card", "应用标识符", 16, shortest=5),
    0x50: _up_to("application label", "应用标签", 16, "ans"),
    0x56: _up_to("track 1 data", "磁道1数据", 76, "ans", "hide"),
    0x57: _up_to("track 2 equivalent data", "磁道2等效数据", 19, "b", "hide"),
    0x5A: _up_to("application PAN", "应用主账号", 10, "n", "pan"),
    0x5F20: _up_to("cardholder name", "持卡人姓名", 26, "ans", "hide"),
    0x5F24: _fixed("application expiry date", "应用失效日期", 3, "n", "hide"),
    0x5F25: _fixed("application effective date", "应用生效日期", 3, "n"),
    0x5F28: _fixed("issuer country code", "发卡行国家代码", 2, "n"),
    0x5F2D: _up_to("language preference", "首选语言", 8, "an", shortest=2),
    0x5F30: _fixed("service code", "服务码", 2, "n", "hide"),
    0x5F34: _fixed("PAN sequence number", "应用主账号序列号", 1, "n"),
    0x5F50: _up_to("issuer URL", "发卡行URL", ANY, "ans"),
    0x5F53: _up_to("international bank account number", "国际银行账号", 34, "b", "hide"),
    0x5F54: _up_to("bank identifier code", "银行识别代码", 11, "b", "hide"),
    0x5F55: _fixed("issuer country code, two letters", "发卡行国家代码(两字母)", 2, "a"),
    0x5F56: _fixed("issuer country code, three letters", "发卡行国家代码(三字母)", 3, "a"),
    0x82: _fixed("application interchange profile", "应用交互特征", 2),
    0x84: _up_to("dedicated file name", "专用文件名称", 16, shortest=5),
    0x87: _fixed("application priority indicator", "应用优先指示器", 1),
    0x88: _fixed("short file identifier", "短文件标识符", 1),
    0x8C: _up_to("card risk management list 1 (CDOL1)", "卡片风险管理数据对象列表1", 252),
    0x8D: _up_to("card risk management list 2 (CDOL2)", "卡片风险管理数据对象列表2", 252),
    0x8E: _up_to("cardholder verification method list", "持卡人验证方法列表", 252),
    0x8F: _fixed("certification authority key index", "认证中心公钥索引", 1),
    0x90: _up_to("issuer public key certificate", "发卡行公钥证书", ANY, mask="hide"),
    0x92: _up_to("issuer public key remainder", "发卡行公钥余数", ANY, mask="hide"),
    0x93: _up_to("signed static application data", "签名的静态应用数据", ANY, mask="hide"),
    0x94: _up_to("application file locator", "应用文件定位器", 252),
    0x97: _up_to("transaction certificate data list (TDOL)", "交易证书数据对象列表", 252),
    0x9D: _up_to("directory definition file name", "目录定义文件名称", 16),
    0x9F05: _up_to("application discretionary data", "应用自定义数据", 32, mask="hide"),
    0x9F07: _fixed("application usage control", "应用用途控制", 2),
    0x9F08: _fixed("application version number of the card", "应用版本号(卡片)", 2),
    0x9F0B: _up_to("cardholder name, extended", "持卡人姓名扩展", 45, "ans", "hide"),
    0x9F0D: _fixed("issuer action code, default", "发卡行行为代码-缺省", 5),
    0x9F0E: _fixed("issuer action code, denial", "发卡行行为代码-拒绝", 5),
    0x9F0F: _fixed("issuer action code, online", "发卡行行为代码-联机", 5),
    0x9F10: _up_to("issuer application data", "发卡行应用数据", 32),
    0x9F11: _fixed("issuer code table index", "发卡行代码表索引", 1, "n"),
    0x9F12: _up_to("application preferred name", "应用首选名称", 16, "ans"),
    0x9F13: _fixed("last online transaction counter", "上次联机应用交易计数器", 2),
    0x9F14: _fixed("lower consecutive offline limit", "连续脱机交易下限", 1),
    0x9F17: _fixed("PIN try counter", "PIN尝试计数器", 1),
    0x9F1F: _up_to("track 1 discretionary data", "磁道1自定义数据", ANY, "ans", "hide"),
    0x9F20: _up_to("track 2 discretionary data", "磁道2自定义数据", ANY, "b", "hide"),
    0x9F23: _fixed("upper consecutive offline limit", "连续脱机交易上限", 1),
    0x9F26: _fixed("application cryptogram", "应用密文", 8),
    0x9F27: _fixed("cryptogram information data", "密文信息数据", 1),
    0x9F2A: _up_to("kernel identifier", "内核标识", 8),
    0x9F32: _up_to("issuer public key exponent", "发卡行公钥指数", 3),
    0x9F36: _fixed("application transaction counter", "应用交易计数器", 2),
    0x9F38: _up_to("processing options list (PDOL)", "处理选项数据对象列表", ANY),
    0x9F42: _fixed("application currency code", "应用货币代码", 2, "n"),
    0x9F44: _fixed("application currency exponent", "应用货币指数", 1, "n"),
    0x9F46: _up_to(
        "card public key certificate", "IC卡公钥证书", ANY, mask="hide"
    ),  # the card number is recovered from it
    0x9F47: _up_to("card public key exponent", "IC卡公钥指数", 3),
    0x9F48: _up_to("card public key remainder", "IC卡公钥余数", ANY, mask="hide"),
    0x9F49: _up_to("dynamic data list (DDOL)", "动态数据认证数据对象列表", 252),
    0x9F4A: _up_to("static data authentication tag list", "静态数据认证标签列表", ANY),
    0x9F4B: _up_to("signed dynamic application data", "签名的动态应用数据", ANY),
    0x9F4C: _up_to("card dynamic number", "IC卡动态数", 8, shortest=2),
    0x9F4D: _fixed("log entry", "交易日志入口", 2),
    0x9F4F: _up_to("log format", "交易日志格式", ANY),
    0x9F51: _fixed("application currency code (PBOC)", "应用货币代码(PBOC)", 2, "n"),
    0x9F5D: _fixed("available offline spending amount", "可用脱机消费金额", 6, "n", "hide"),
    0x9F61: _up_to("cardholder identification number", "持卡人证件号", 40, "ans", "hide"),
    0x9F62: _up_to("cardholder identification type", "持卡人证件类型", ANY, "b", "hide"),
    0x9F63: _up_to("card product identification", "卡产品标识信息", 16, mask="hide"),  # begins with the card's BIN
    0x9F68: _fixed("card additional processes", "卡片附加处理", 4),
    0x9F69: _up_to("card authentication related data", "卡片认证相关数据", 16),
    0x9F6B: _up_to("card CVM limit, or track 2 data", "卡片CVM限额或磁道2数据", 19, mask="hide"),
    0x9F6C: _fixed("card transaction qualifiers", "卡片交易属性", 2),
    0x9F6D: _fixed("electronic cash reset threshold", "电子现金重置阈值", 6, "n"),
    0x9F74: _fixed("electronic cash authorisation code", "电子现金发卡行授权码", 6, "an"),
    0x9F77: _fixed("electronic cash balance limit", "电子现金余额上限", 6, "n"),
    0x9F78: _fixed("electronic cash single transaction limit", "电子现金单笔交易限额", 6, "n"),
    0x9F79: _fixed("electronic cash balance", "电子现金余额", 6, "n", "hide"),
    0xDF60: _fixed("extended CAPP indicator", "CAPP交易指示位", 1),
    0xDF61: _up_to("segmented deduction and online ODA indicator", "分段扣费应用标识", 2, shortest=1),
    0xDF69: _fixed("SM algorithm support", "SM2算法支持指示器", 1),
    0xDF71: _fixed("second currency code", "第二币种应用货币代码", 2, "n", "hide"),
}

_FROM_THE_TERMINAL: Final = {
    0x5F2A: _fixed("transaction currency code", "交易货币代码", 2, "n"),
    0x5F36: _fixed("transaction currency exponent", "交易货币指数", 1, "n"),
    0x5F57: _fixed("account type", "账户类型", 1, "n"),
    0x81: _fixed("amount authorised, binary", "授权金额(二进制)", 4),
    0x83: _up_to("command template", "命令模板", ANY, mask="hide"),
    0x95: _fixed("terminal verification results", "终端验证结果", 5),
    0x98: _fixed("transaction certificate hash", "交易证书哈希值", 20),
    0x99: _up_to("PIN data", "交易个人识别码数据", ANY, mask="hide"),
    0x9A: _fixed("transaction date", "交易日期", 3, "n"),
    0x9B: _fixed("transaction status information", "交易状态信息", 2),
    0x9C: _fixed("transaction type", "交易类型", 1, "n"),
    0x9F01: _fixed("acquirer identifier", "收单行标识", 6, "n"),
    0x9F02: _fixed("amount authorised", "授权金额", 6, "n"),
    0x9F03: _fixed("amount, other", "其它金额", 6, "n"),
    0x9F04: _fixed("amount, other, binary", "其它金额(二进制)", 4),
    0x9F06: _up_to("application identifier of the terminal", "应用标识符(终端)", 16, shortest=5),
    0x9F09: _fixed("application version number of the terminal", "应用版本号(终端)", 2),
    0x9F15: _fixed("merchant category code", "商户分类码", 2, "n"),
    0x9F16: _fixed("merchant identifier", "商户标识", 15, "ans"),
    0x9F1A: _fixed("terminal country code", "终端国家代码", 2, "n"),
    0x9F1B: _fixed("terminal floor limit", "终端最低限额", 4),
    0x9F1C: _fixed("terminal identification", "终端标识", 8, "an"),
    0x9F1D: _up_to("terminal risk management data", "终端风险管理数据", 8),
    0x9F1E: _up_to("interface device serial number", "接口设备序列号", 8, "an"),
    0x9F21: _fixed("transaction time", "交易时间", 3, "n"),
    0x9F22: _fixed("certification authority key index of the terminal", "认证中心公钥索引(终端)", 1),
    0x9F33: _fixed("terminal capabilities", "终端性能", 3),
    0x9F34: _fixed("cardholder verification results", "持卡人验证方法结果", 3),
    0x9F35: _fixed("terminal type", "终端类型", 1, "n"),
    0x9F37: _fixed("unpredictable number", "不可预知数", 4),
    0x9F39: _fixed("point of service entry mode", "销售点输入方式", 1, "n"),
    0x9F3A: _fixed("amount, reference currency", "参考货币金额", 4),
    0x9F3C: _fixed("transaction reference currency code", "交易参考货币代码", 2, "n"),
    0x9F3D: _fixed("transaction reference currency exponent", "交易参考货币指数", 1, "n"),
    0x9F40: _fixed("additional terminal capabilities", "附加终端性能", 5),
    0x9F41: _up_to("transaction sequence counter", "交易序列计数器", 4, "n", shortest=2),
    0x9F45: _fixed("data authentication code", "数据认证码", 2),
    0x9F4E: _up_to("merchant name and location", "商户名称", ANY, "ans"),
    0x9F53: _up_to("consecutive transaction limit, or category code", "连续脱机交易限制数", 3),
    0x9F66: _fixed("terminal transaction qualifiers", "终端交易属性", 4),
    0x9F7A: _fixed("electronic cash terminal indicator", "电子现金终端支持指示器", 1),
    0x9F7B: _fixed("electronic cash terminal limit", "电子现金终端交易限额", 6, "n"),
}

_FROM_THE_ISSUER: Final = {
    0x71: _up_to("issuer script template 1", "发卡行脚本模板1", ANY, mask="hide", repeats=True),
    0x72: _up_to("issuer script template 2", "发卡行脚本模板2", ANY, mask="hide", repeats=True),
    0x86: _up_to("issuer script command", "发卡行脚本命令", ANY, mask="hide", repeats=True),  # may change the PIN
    0x89: _fixed("authorisation code", "授权码", 6, "ans"),
    0x8A: _fixed("authorisation response code", "授权响应码", 2, "an"),
    0x91: _up_to("issuer authentication data", "发卡行认证数据", 16, shortest=8),
    0x9F18: _fixed("issuer script identifier", "发卡行脚本标识", 4),
    0xDF31: _up_to("issuer script results", "发卡行脚本结果", ANY),
}

# What a download of terminal parameters brings (answers to 370 and 380, in field 62).
_PARAMETERS: Final = {
    0xDF01: _fixed("application selection indicator", "应用选择指示符", 1),
    0xDF02: _up_to("certification authority key modulus", "认证中心公钥模", ANY),
    0xDF03: _up_to("certification authority key check value", "认证中心公钥校验值", 32),
    0xDF04: _up_to("certification authority key exponent", "认证中心公钥指数", 3),
    0xDF05: _up_to("certification authority key expiry date", "认证中心公钥有效期", 8),
    0xDF06: _fixed("certification authority hash algorithm", "认证中心公钥哈希算法标识", 1),
    0xDF07: _fixed("certification authority key algorithm", "认证中心公钥算法标识", 1),
    0xDF11: _fixed("terminal action code, default", "终端行为代码-缺省", 5),
    0xDF12: _fixed("terminal action code, online", "终端行为代码-联机", 5),
    0xDF13: _fixed("terminal action code, denial", "终端行为代码-拒绝", 5),
    0xDF14: _up_to("default dynamic data list (DDOL)", "缺省动态数据认证数据对象列表", 252),
    0xDF15: _fixed("threshold for biased random selection", "偏置随机选择的阈值", 4),
    0xDF16: _fixed("maximum target percentage", "偏置随机选择的最大目标百分数", 1, "n"),
    0xDF17: _fixed("target percentage", "随机选择的目标百分数", 1, "n"),
    0xDF18: _fixed("online PIN capability", "终端联机PIN支持能力", 1),
    0xDF19: _fixed("contactless floor limit", "非接触读写器脱机最低限额", 6, "n"),
    0xDF20: _fixed("contactless transaction limit", "非接触读写器交易限额", 6, "n"),
    0xDF21: _fixed("contactless CVM limit", "非接触读写器持卡人验证方法所需限制", 6, "n"),
}

_TEMPLATES: Final = {
    0x61: _up_to("application template", "应用模板", ANY, mask="hide", repeats=True),
    0x6F: _up_to("file control information template", "文件控制信息模板", ANY, mask="hide"),
    0x70: _up_to("record template", "记录模板", ANY, mask="hide"),
    0x73: _up_to("directory discretionary template", "目录自定义模板", ANY, mask="hide"),
    0x77: _up_to("response template, format 2", "响应报文模板格式2", ANY, mask="hide"),
    0x80: _up_to("response template, format 1", "响应报文模板格式1", ANY, mask="hide"),
    0xA5: _up_to("file control information, proprietary", "文件控制信息专有模板", ANY, mask="hide"),
    0xBF0C: _up_to("issuer discretionary data of the file", "发卡行自定义数据", ANY, mask="hide"),
}

EMV: Final = BerTlv({**_FROM_THE_CARD, **_FROM_THE_TERMINAL, **_FROM_THE_ISSUER, **_PARAMETERS, **_TEMPLATES})
