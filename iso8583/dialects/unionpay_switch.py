"""Acquirer to China UnionPay's switch and back: ASCII fields and lengths, raw bitmaps, PIN blocks and MACs.

Not the dialect of terminals (`unionpay_pos`): it has a second bitmap, fields 60 to 63 mean other things, and on the
wire a header of 46 bytes stands in front (`iso8583.unionpay_switch`), which is no part of a decoded message. Lengths
count bytes. Text may be Chinese in field 43; fields 48 to 126 that are cut by usage, length and value may hold any
byte, as the PIN under SM4 does in field 63. Messages end with field 128, so both bitmaps are always there.
"""

from functools import partial

from iso8583.dialects.iso87_ascii import ORIGINAL
from iso8583.emv_tags import EMV
from iso8583.table import Field, Prefix, Table

LL = Prefix("ascii", 2)
LLL = Prefix("ascii", 3)

institution = partial(Field, content="n", encoding="ascii", length=11, prefix=LL, minimum=1)
usages = partial(Field, content="ans", encoding="latin1", prefix=LLL)

TABLE = Table(
    name="unionpay_switch",
    title="China UnionPay, acquirer to switch: ASCII fields, raw bitmaps, up to 128 fields",
    version="0",
    mti=Field("message type", "n", "ascii", 4, name_zh="报文类型"),
    bitmap=Field("bitmap", "b", "raw", 8, name_zh="位图"),
    bits=128,
    fields={
        2: Field("primary account number", "n", "ascii", 19, LL, minimum=1, mask="pan", name_zh="主账号"),
        3: Field("processing code", "n", "ascii", 6, mask="show", name_zh="交易处理码"),
        4: Field("amount, transaction", "n", "ascii", 12, mask="show", name_zh="交易金额"),
        5: Field("amount, settlement", "n", "ascii", 12, mask="show", name_zh="清算金额"),
        6: Field("amount, cardholder billing", "n", "ascii", 12, mask="show", name_zh="持卡人扣账金额"),
        7: Field("transmission date and time", "n", "ascii", 10, mask="show", name_zh="交易传输时间"),
        9: Field("conversion rate, settlement", "n", "ascii", 8, name_zh="清算汇率"),
        10: Field("conversion rate, cardholder billing", "n", "ascii", 8, name_zh="持卡人扣账汇率"),
        11: Field("system trace audit number", "n", "ascii", 6, mask="show", name_zh="系统跟踪号"),
        12: Field("time, local transaction", "n", "ascii", 6, mask="show", name_zh="受卡方所在地时间"),
        13: Field("date, local transaction", "n", "ascii", 4, mask="show", name_zh="受卡方所在地日期"),
        14: Field("date, expiration", "n", "ascii", 4, name_zh="卡有效期"),
        15: Field("date, settlement", "n", "ascii", 4, mask="show", name_zh="清算日期"),
        16: Field("date, conversion", "n", "ascii", 4, name_zh="兑换日期"),
        18: Field("merchant's type", "n", "ascii", 4, mask="show", name_zh="商户类型"),
        19: Field("merchant's country code", "n", "ascii", 3, name_zh="商户国家代码"),
        22: Field("point of service entry mode", "n", "ascii", 3, mask="show", name_zh="服务点输入方式码"),
        23: Field("card sequence number", "n", "ascii", 3, mask="show", name_zh="卡序列号"),
        25: Field("point of service condition code", "n", "ascii", 2, mask="show", name_zh="服务点条件码"),
        26: Field("point of service PIN capture code", "n", "ascii", 2, mask="show", name_zh="服务点PIN获取码"),
        28: Field("amount, transaction fee", "x+n", "ascii", 9, name_zh="交易费"),
        32: institution("acquiring institution identification", mask="show", name_zh="代理机构标识码"),
        33: institution("forwarding institution identification", mask="show", name_zh="发送机构标识码"),
        35: Field("track 2 data", "z", "ascii", 37, LL, minimum=1, name_zh="第二磁道数据"),
        36: Field("track 3 data", "z", "ascii", 104, LLL, minimum=1, name_zh="第三磁道数据"),
        37: Field("retrieval reference number", "an", "ascii", 12, mask="show", name_zh="检索参考号"),
        38: Field("authorisation identification response", "an", "ascii", 6, mask="show", name_zh="授权标识应答码"),
        39: Field("response code", "an", "ascii", 2, mask="show", name_zh="应答码"),
        41: Field("card acceptor terminal identification", "ans", "ascii", 8, mask="show", name_zh="受卡机终端标识码"),
        42: Field("card acceptor identification code", "ans", "ascii", 15, mask="show", name_zh="受卡方标识码"),
        43: Field("card acceptor name and location", "ans", "gb18030", 40, name_zh="受卡方名称地址"),
        44: Field("additional response data", "ans", "ascii", 25, LL, name_zh="附加响应数据"),
        45: Field("track 1 data", "ans", "ascii", 76, LL, name_zh="第一磁道数据"),
        48: usages("additional data, private", length=512, name_zh="附加数据（私有）"),
        49: Field("currency code, transaction", "n", "ascii", 3, mask="show", name_zh="交易货币代码"),
        50: Field("currency code, settlement", "n", "ascii", 3, name_zh="清算货币代码"),
        51: Field("currency code, cardholder billing", "n", "ascii", 3, name_zh="持卡人账户货币代码"),
        52: Field("PIN data", "b", "raw", 8, name_zh="个人标识码数据"),
        53: Field("security related control information", "n", "ascii", 16, name_zh="安全控制信息"),
        54: Field("additional amounts", "an", "ascii", 40, LLL, name_zh="实际余额"),
        55: Field("IC card data", "b", "raw", 255, LLL, parts=EMV, name_zh="IC卡数据域"),
        56: usages("additional information", length=512, name_zh="附加信息"),
        57: usages("additional transaction information", length=100, name_zh="附加交易信息"),
        59: usages("details inquired", length=600, name_zh="明细查询数据"),
        60: Field("reason and service details", "ans", "ascii", 100, LLL, name_zh="自定义域"),
        61: Field("cardholder authentication data", "ans", "ascii", 200, LLL, name_zh="持卡人身份认证信息"),
        62: Field("switching data", "ans", "ascii", 200, LLL, name_zh="交换中心数据"),
        63: usages("financial network data", length=512, name_zh="金融网络数据"),
        70: Field("network management information code", "n", "ascii", 3, mask="show", name_zh="网络管理信息码"),
        90: Field("original data elements", "n", "ascii", 42, mask="show", parts=ORIGINAL, name_zh="原始数据元"),
        96: Field("message security code", "b", "raw", 8, name_zh="报文安全码"),
        100: institution("receiving institution identification", name_zh="接收机构标识码"),
        102: Field("account identification 1", "ans", "ascii", 28, LL, name_zh="账户标识1"),
        103: Field("account identification 2", "ans", "ascii", 28, LL, name_zh="账户标识2"),
        104: usages("additional information", length=512, name_zh="附加信息"),
        113: usages("additional information", length=512, name_zh="附加信息"),
        116: usages("additional information", length=512, name_zh="附加信息"),
        117: usages("additional information", length=256, name_zh="附加信息"),
        121: Field("reserved for the switch", "ans", "ascii", 100, LLL, name_zh="银联处理中心保留"),
        122: Field("reserved for the acquirer", "ans", "ascii", 100, LLL, name_zh="受理方保留"),
        123: Field("reserved for the issuer", "ans", "ascii", 100, LLL, name_zh="发卡方保留"),
        125: usages("additional information", length=256, name_zh="附加信息"),
        126: usages("additional information", length=256, name_zh="附加信息"),
        128: Field("message authentication code", "b", "raw", 8, name_zh="报文鉴别码"),
    },
    messages=(
        ("0100", (2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 25, 26, 32, 33, 35, 41, 42, 43, 49, 52, 53, 60, 128)),
        ("0110", (2, 3, 4, 7, 11, 12, 13, 15, 18, 25, 32, 33, 37, 38, 39, 41, 42, 49, 60, 100, 128)),
        ("0200", (2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 25, 26, 32, 33, 35, 37, 41, 42, 43, 49, 52, 53, 60, 128)),
        ("0200", (2, 3, 4, 7, 11, 12, 13, 14, 18, 22, 23, 25, 26, 32, 33, 35, 37, 41, 42, 43, 49, 52, 53, 55, 60, 128)),
        ("0210", (2, 3, 4, 7, 11, 12, 13, 15, 18, 25, 32, 33, 37, 38, 39, 41, 42, 49, 60, 100, 128)),
        ("0210", (2, 3, 4, 7, 11, 12, 13, 15, 18, 25, 32, 33, 37, 38, 39, 41, 42, 49, 55, 60, 100, 128)),
        ("0220", (2, 3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 33, 37, 38, 41, 42, 43, 49, 60, 90, 128)),
        ("0230", (2, 3, 4, 7, 11, 12, 13, 15, 18, 25, 32, 33, 37, 39, 41, 42, 49, 60, 100, 128)),
        ("0420", (2, 3, 4, 7, 11, 12, 13, 18, 22, 25, 32, 33, 37, 38, 41, 42, 43, 49, 60, 90, 128)),
        ("0430", (2, 3, 4, 7, 11, 12, 13, 15, 18, 25, 32, 33, 37, 39, 41, 42, 49, 60, 100, 128)),
        ("0800", (7, 11, 33, 53, 70, 100, 128)),
        ("0810", (7, 11, 33, 39, 53, 70, 100, 128)),
        ("0820", (7, 11, 33, 70)),
        ("0830", (7, 11, 33, 39, 70)),
    ),
)
