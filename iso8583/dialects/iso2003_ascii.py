"""ISO 8583:2003 in characters: every field, length and bitmap is ASCII, up to 192 fields; binary is hexadecimal.

The standard leaves open how bitmaps travel. Here they are hexadecimal, like all binary, so that a message is printable
text throughout; bit 1 announces the second bitmap and bit 65 the third, and all stand in front of the fields.

LL to LLLL count characters of text, and of binary the bytes, not their hexadecimal digits (ISO 8583-1:2003, 6.2.2.2:
"blocks of 8 bits"). Composite fields (34, 43, 44, 49, 55, 72, 104) mix text with binary data sets, so they are binary
here. An amount starts with its currency (three digits) and the number of its decimals (one digit).
"""

from functools import partial

from iso8583.table import Field, Prefix, Table

LL = Prefix("ascii", 2)
LLL = Prefix("ascii", 3)
LL_BYTES = Prefix("ascii", 2, counts="bytes")
LLL_BYTES = Prefix("ascii", 3, counts="bytes")
LLLL_BYTES = Prefix("ascii", 4, counts="bytes")

country = partial(Field, content="n", encoding="ascii", length=3)
institution = partial(Field, content="n", encoding="ascii", length=11, prefix=LL, minimum=1)
composite = partial(Field, content="b", encoding="hex", length=9999, prefix=LLLL_BYTES)
_RESERVED = composite("reserved", name_zh="保留域")
_RESERVED_TEXT = Field("reserved", "ans", "ascii", 999, LLL, name_zh="保留域")

TABLE = Table(
    name="iso2003_ascii",
    title="ISO 8583:2003 in ASCII characters, hexadecimal bitmaps and binary",
    version="2",
    mti=Field("message type", "n", "ascii", 4, name_zh="报文类型"),
    bitmap=Field("bitmap", "b", "hex", 8, name_zh="位图"),
    bits=192,
    fields={
        2: Field("primary account number", "n", "ascii", 19, LL, minimum=1, mask="pan", name_zh="主账号"),
        3: Field("processing code", "an", "ascii", 6, mask="show", name_zh="处理代码"),
        4: Field("amount, transaction", "n", "ascii", 16, mask="show", name_zh="交易金额"),
        5: Field("amount, reconciliation", "n", "ascii", 16, mask="show", name_zh="对账金额"),
        6: Field("amount, cardholder billing", "n", "ascii", 16, mask="show", name_zh="持卡人账单金额"),
        7: Field("date and time, transmission", "n", "ascii", 10, mask="show", name_zh="传输日期和时间"),
        8: Field("amount, cardholder billing fee", "n", "ascii", 12, name_zh="持卡人账单手续费"),
        9: Field("conversion rate, reconciliation", "n", "ascii", 8, name_zh="对账汇率"),
        10: Field("conversion rate, cardholder billing", "n", "ascii", 8, name_zh="持卡人账单汇率"),
        11: Field("system trace audit number", "n", "ascii", 12, mask="show", name_zh="系统跟踪号"),
        12: Field("date and time, local transaction", "n", "ascii", 14, mask="show", name_zh="本地交易日期和时间"),
        13: Field("date, effective", "n", "ascii", 6, name_zh="卡生效日期"),
        14: Field("date, expiration", "n", "ascii", 4, name_zh="卡有效期"),
        15: Field("date, settlement", "n", "ascii", 8, mask="show", name_zh="清算日期"),
        16: Field("date, conversion", "n", "ascii", 4, name_zh="兑换日期"),
        17: Field("date, capture", "n", "ascii", 4, name_zh="获取日期"),
        18: Field("message error indicator", "b", "hex", 140, LLL_BYTES, name_zh="报文错误指示符"),
        19: country("country code, acquiring institution", name_zh="受理机构国家代码"),
        20: country("country code, primary account number", name_zh="主账号国家代码"),
        21: Field("transaction life cycle identification", "ans", "ascii", 22, name_zh="交易生命周期标识数据"),
        22: Field("point of service data code", "b", "hex", 16, name_zh="服务点数据代码"),
        23: Field("card sequence number", "n", "ascii", 3, mask="show", name_zh="卡序列号"),
        24: Field("function code", "n", "ascii", 3, mask="show", name_zh="功能代码"),
        25: Field("message reason code", "n", "ascii", 4, mask="show", name_zh="报文原因代码"),
        26: Field("merchant category code", "n", "ascii", 4, mask="show", name_zh="商户类别代码"),
        27: Field("point of service capability", "b", "hex", 27, name_zh="服务点能力"),
        28: Field("date, reconciliation", "n", "ascii", 8, mask="show", name_zh="对账日期"),
        29: Field("reconciliation indicator", "n", "ascii", 3, name_zh="对账指示符"),
        30: Field("amounts, original", "n", "ascii", 32, name_zh="原始金额"),
        31: Field("acquirer reference number", "n", "ascii", 23, name_zh="受理机构参考号"),
        32: institution("acquiring institution identification", mask="show", name_zh="受理机构标识"),
        33: institution("forwarding institution identification", mask="show", name_zh="转发机构标识"),
        34: composite("electronic commerce data", name_zh="电子商务数据"),
        35: Field("track 2 data", "z", "ascii", 37, LL, minimum=1, name_zh="第二磁道数据"),
        36: Field("track 3 data", "z", "ascii", 104, LLL, minimum=1, name_zh="第三磁道数据"),
        37: Field("retrieval reference number", "an", "ascii", 12, mask="show", name_zh="检索参考号"),
        38: Field("approval code", "an", "ascii", 6, mask="show", name_zh="批准代码"),
        39: Field("action code", "n", "ascii", 4, mask="show", name_zh="动作代码"),
        40: Field("service code", "n", "ascii", 3, name_zh="服务代码"),
        41: Field("card acceptor terminal identification", "ans", "ascii", 16, mask="show", name_zh="受卡方终端标识"),
        42: Field("card acceptor identification code", "ans", "ascii", 35, LL, mask="show", name_zh="受卡方标识代码"),
        43: composite("card acceptor name and location", name_zh="受卡方名称和地址"),
        44: composite("additional response data", name_zh="附加响应数据"),
        45: Field("track 1 data", "ans", "ascii", 76, LL, name_zh="第一磁道数据"),
        46: Field("amounts, fees", "ans", "ascii", 216, LLL, name_zh="手续费金额"),
        47: Field("additional data, national", "ans", "ascii", 999, LLL, name_zh="国家附加数据"),
        48: Field("additional data, private", "ans", "ascii", 999, LLL, name_zh="私用附加数据"),
        49: composite("verification data", name_zh="验证数据"),
        **dict.fromkeys((50, 51), _RESERVED),
        52: Field("PIN data", "b", "hex", 8, name_zh="个人识别码数据"),
        53: Field("security related control information", "b", "hex", 48, LL_BYTES, name_zh="安全控制信息"),
        54: Field("amounts, additional", "ans", "ascii", 126, LLL, name_zh="附加金额"),
        55: composite("IC card system related data", name_zh="IC卡系统相关数据"),
        56: Field("original data elements", "n", "ascii", 41, LL, minimum=1, mask="show", name_zh="原始数据元"),
        57: Field("authorisation life cycle code", "n", "ascii", 3, name_zh="授权生命周期代码"),
        58: institution("authorising agent institution identification", name_zh="授权代理机构标识"),
        59: Field("transport data", "ans", "ascii", 999, LLL, name_zh="传送数据"),
        **dict.fromkeys(range(60, 64), _RESERVED_TEXT),
        64: Field("message authentication code", "b", "hex", 8, name_zh="报文鉴别码"),
        66: Field("amounts, original fees", "ans", "ascii", 216, LLL, name_zh="原始手续费金额"),
        67: Field("extended payment data", "n", "ascii", 2, name_zh="扩展付款数据"),
        68: Field("batch or file transfer message control", "an", "ascii", 9, name_zh="批量或文件传输报文控制"),
        69: Field("batch or file transfer control data", "ans", "ascii", 40, name_zh="批量或文件传输控制数据"),
        70: Field("file transfer description data", "n", "ascii", 18, name_zh="文件传输描述数据"),
        71: _RESERVED,
        72: composite("data record", name_zh="数据记录"),
        73: Field("date, action", "n", "ascii", 8, name_zh="动作日期"),
        74: Field("reconciliation data, primary", "n", "ascii", 156, name_zh="主要对账数据"),
        75: Field("reconciliation data, secondary", "n", "ascii", 90, name_zh="次要对账数据"),
        **dict.fromkeys(range(76, 93), _RESERVED),
        93: institution("transaction destination institution identification", name_zh="交易目的机构标识"),
        94: institution("transaction originator institution identification", name_zh="交易发起机构标识"),
        95: Field("card issuer reference data", "ans", "ascii", 99, LL, name_zh="发卡机构参考数据"),
        96: Field("key management data", "b", "hex", 999, LLL_BYTES, name_zh="密钥管理数据"),
        97: Field("amount, net reconciliation", "x+n", "ascii", 21, name_zh="净对账金额"),
        98: Field("payee", "ans", "ascii", 25, name_zh="收款方"),
        99: Field("settlement institution identification", "an", "ascii", 11, LL, name_zh="清算机构标识"),
        100: institution("receiving institution identification", name_zh="接收机构标识"),
        101: Field("file name", "ans", "ascii", 99, LL, name_zh="文件名"),
        102: Field("account identification 1", "ans", "ascii", 28, LL, name_zh="账户标识1"),
        103: Field("account identification 2", "ans", "ascii", 28, LL, name_zh="账户标识2"),
        104: composite("transaction specific data", name_zh="交易特定数据"),
        **dict.fromkeys(range(105, 109), _RESERVED),
        109: Field("reconciliation fee amounts, credit", "ans", "ascii", 144, LLL, name_zh="贷记对账手续费金额"),
        110: Field("reconciliation fee amounts, debit", "ans", "ascii", 144, LLL, name_zh="借记对账手续费金额"),
        **dict.fromkeys(range(111, 123), _RESERVED),
        123: _RESERVED_TEXT,
        **dict.fromkeys(range(124, 128), _RESERVED),
        128: Field("message authentication code", "b", "hex", 8, name_zh="报文鉴别码"),
        **dict.fromkeys(range(129, 193), _RESERVED),
    },
    messages=(
        ("2100", (2, 3, 4, 7, 11, 12, 14, 22, 23, 24, 26, 32, 35, 37, 41, 42, 43, 49, 52, 53, 55)),
        ("2110", (2, 3, 4, 7, 11, 12, 32, 37, 38, 39, 41, 42, 55)),
        ("2200", (2, 3, 4, 7, 11, 12, 14, 22, 23, 24, 26, 32, 35, 37, 41, 42, 43, 49, 52, 53, 55)),
        ("2210", (2, 3, 4, 7, 11, 12, 32, 37, 38, 39, 41, 42, 55)),
        ("2220", (2, 3, 4, 7, 11, 12, 14, 22, 23, 24, 25, 26, 32, 37, 38, 41, 42, 43, 55)),
        ("2230", (2, 3, 4, 7, 11, 12, 32, 37, 39, 41, 42)),
        ("2420", (2, 3, 4, 7, 11, 12, 24, 25, 30, 32, 37, 41, 42, 56)),
        ("2430", (2, 3, 4, 7, 11, 12, 32, 37, 39, 41, 42)),
        ("2804", (7, 11, 12, 24)),
        ("2814", (7, 11, 12, 24, 39)),
    ),
)
