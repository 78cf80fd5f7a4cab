"""Terminal to acquirer, the "direct POS" messages of China UnionPay: packed BCD, one bitmap of 64 bits.

LL is one BCD byte and LLL two; both count digits in n and z fields and bytes in all others.
"""

from iso8583.emv_tags import EMV
from iso8583.table import Field, Prefix, Table
from iso8583.unionpay_fields.field48 import PARTS48
from iso8583.unionpay_fields.field53 import PARTS53
from iso8583.unionpay_fields.field54 import PARTS54
from iso8583.unionpay_fields.field59 import PARTS59
from iso8583.unionpay_fields.field60 import PARTS60, PARTS61
from iso8583.unionpay_fields.field62_parts import FIELD_BYTES_MAX, PARTS62
from iso8583.unionpay_fields.field63 import PARTS63

LL = Prefix("bcd", 2)
LLL = Prefix("bcd", 3)

TABLE = Table(
    name="unionpay_pos",
    title="China UnionPay, terminal to acquirer (direct POS): packed BCD, one bitmap",
    version="0",
    mti=Field("message type", "n", "bcd", 4, name_zh="报文类型"),
    bitmap=Field("bitmap", "b", "raw", 8, name_zh="位图"),
    bits=64,
    fields={
        2: Field("primary account number", "n", "bcd", 19, LL, minimum=1, mask="pan", name_zh="主账号"),
        3: Field("processing code", "n", "bcd", 6, mask="show", name_zh="交易处理码"),
        4: Field("amount", "n", "bcd", 12, mask="show", name_zh="交易金额"),
        11: Field("POS trace number", "n", "bcd", 6, mask="show", name_zh="受卡方系统跟踪号"),
        12: Field("local time", "n", "bcd", 6, mask="show", name_zh="受卡方所在地时间"),
        13: Field("local date", "n", "bcd", 4, mask="show", name_zh="受卡方所在地日期"),
        14: Field("expiry date", "n", "bcd", 4, name_zh="卡有效期"),
        15: Field("settlement date", "n", "bcd", 4, mask="show", name_zh="清算日期"),
        22: Field("entry mode", "n", "bcd", 3, mask="show", name_zh="服务点输入方式码"),
        23: Field("card sequence number", "n", "bcd", 3, pad="left", mask="show", name_zh="卡序列号"),
        25: Field("service point condition", "n", "bcd", 2, mask="show", name_zh="服务点条件码"),
        26: Field("PIN capture length", "n", "bcd", 2, mask="show", name_zh="服务点PIN获取码"),
        32: Field("acquirer identification", "n", "bcd", 11, LL, minimum=1, mask="show", name_zh="受理方标识码"),
        35: Field("track 2", "z", "bcd", 37, LL, minimum=1, name_zh="第二磁道数据"),
        36: Field("track 3", "z", "bcd", 104, LLL, minimum=1, name_zh="第三磁道数据"),
        37: Field("retrieval reference number", "an", "ascii", 12, mask="show", name_zh="检索参考号"),
        38: Field("authorisation code", "an", "ascii", 6, mask="show", name_zh="授权标识应答码"),
        39: Field("response code", "an", "ascii", 2, mask="show", name_zh="应答码"),
        41: Field("terminal identification", "ans", "ascii", 8, mask="show", name_zh="受卡机终端标识码"),
        42: Field("merchant identification", "ans", "ascii", 15, mask="show", name_zh="受卡方标识码"),
        44: Field("issuer and acquirer", "an", "ascii", 25, LL, name_zh="附加响应数据"),
        48: Field("additional data", "n", "bcd", 322, LLL, minimum=1, parts=PARTS48, name_zh="附加数据（私有）"),
        # The table of the specification says an3, but only the numeric codes of ISO 4217 are in use.
        49: Field("currency", "n", "ascii", 3, mask="show", name_zh="交易货币代码"),
        52: Field("PIN block", "b", "raw", 8, name_zh="个人标识码数据"),
        53: Field("security control", "n", "bcd", 16, parts=PARTS53, name_zh="安全控制信息"),
        54: Field("balances", "an", "ascii", 20, LLL, parts=PARTS54, name_zh="余额"),
        55: Field("IC card data", "b", "raw", 255, LLL, parts=EMV, name_zh="IC卡数据域"),
        58: Field("electronic wallet data", "ans", "ascii", 100, LLL, name_zh="电子钱包交易信息"),
        # latin1, because part A1 holds 16 raw bytes.
        59: Field("terminal and code data", "ans", "latin1", 600, LLL, parts=PARTS59, name_zh="终端与付款码数据"),
        60: Field(
            "batch and type", "n", "bcd", 17, LLL, minimum=1, mask="show", parts=PARTS60, name_zh="批次与交易类型"
        ),
        61: Field(
            "original transaction", "n", "bcd", 29, LLL, minimum=1, mask="show", parts=PARTS61, name_zh="原始信息域"
        ),
        62: Field("keys and parameters", "b", "raw", FIELD_BYTES_MAX, LLL, parts=PARTS62, name_zh="密钥与参数"),
        63: Field("private text", "ans", "gb18030", 163, LLL, parts=PARTS63, name_zh="附言"),
        64: Field("message authentication code", "b", "raw", 8, name_zh="报文鉴别码"),
    },
    messages=(
        # Sales by chip without and with a PIN, by stripe, by code; a void, a refund; approvals, a refusal.
        ("0200", (2, 3, 4, 11, 14, 22, 23, 25, 35, 41, 42, 49, 53, 55, 60, 64)),
        ("0200", (2, 3, 4, 11, 14, 22, 23, 25, 26, 35, 41, 42, 49, 52, 53, 55, 60, 64)),
        ("0200", (2, 3, 4, 11, 14, 22, 25, 35, 41, 42, 49, 53, 60, 64)),
        ("0200", (3, 4, 11, 22, 25, 41, 42, 49, 59, 60, 64)),
        ("0200", (2, 3, 4, 11, 22, 25, 37, 38, 41, 42, 49, 60, 61, 64)),
        ("0220", (2, 3, 4, 11, 22, 25, 37, 41, 42, 49, 60, 61, 63, 64)),
        ("0210", (3, 4, 11, 12, 13, 15, 25, 32, 37, 38, 39, 41, 42, 44, 49, 55, 60, 63, 64)),
        ("0210", (3, 4, 11, 12, 13, 15, 25, 32, 37, 38, 39, 41, 42, 44, 49, 59, 60, 63, 64)),
        ("0210", (3, 4, 11, 12, 13, 15, 25, 32, 37, 38, 39, 41, 42, 44, 49, 60, 63, 64)),
        ("0210", (3, 4, 11, 12, 13, 15, 25, 32, 37, 39, 41, 42, 49, 60, 63, 64)),
        ("0230", (3, 4, 11, 12, 13, 15, 25, 32, 37, 38, 39, 41, 42, 44, 49, 60, 63, 64)),
        # Reversals.
        ("0400", (3, 4, 11, 22, 23, 25, 39, 41, 42, 49, 55, 60, 64)),
        ("0400", (3, 4, 11, 22, 25, 39, 41, 42, 49, 60, 64)),
        ("0410", (3, 4, 11, 12, 13, 15, 25, 32, 37, 39, 41, 42, 49, 60, 64)),
        # Sign-on, echo and sign-off, the batch.
        ("0800", (11, 41, 42, 60, 63)),
        ("0810", (11, 12, 13, 32, 39, 41, 42, 60, 62)),
        ("0820", (41, 42, 60)),
        ("0830", (12, 13, 39, 41, 42, 60)),
        ("0320", (11, 41, 42, 48, 60)),
        ("0330", (11, 12, 13, 39, 41, 42, 60)),
    ),
)
