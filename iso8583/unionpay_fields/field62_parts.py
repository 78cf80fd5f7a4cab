"""Field 62 as rows: working keys, parameters, status and what download loops carry, told apart by the message.

Where the tags and lengths come from stands in `field62` and `field62_downloads`; this file needs none of their
cryptography, so that a dialect is loaded without it. Parts that no source explains are hidden. So are the answers to
questions for lists, whole: the black list's holds card numbers.
"""

from collections.abc import Iterator
from typing import Final

from iso8583.parts import BerTlv, FixedTlv, Form, Forms, Part, Positional
from iso8583.table import Mask

FIELD_BYTES_MAX: Final = 512
CHECK_BYTES: Final = 4
# Lengths of PIN, MAC and track key, 0 for none: the layouts of an answer to 60.3 = 001, 003 and 004.
KEY_LENGTHS: Final = ((8, 8, 0), (16, 8, 0), (16, 16, 0), (16, 8, 16), (16, 16, 16))
_KEYS: Final = (("PIN key", "PIN密钥"), ("MAC key", "MAC密钥"), ("track key", "磁道密钥"))


def _keys(lengths: tuple[int, int, int]) -> Positional:
    """One layout: each key, encrypted, with the check value behind it."""

    def rows() -> Iterator[Part]:
        for (name, zh), length in zip(_KEYS, lengths, strict=True):
            if length:
                yield Part(f"{name}, encrypted", "b", length, "hide", f"{zh}密文")
                yield Part(f"{name}, check value", "b", CHECK_BYTES, "hide", f"{zh}校验值")

    parts = tuple(rows())
    return Positional(parts, len(parts))


def _digits(name: str, zh: str, length: int, mask: Mask = "show") -> Part:
    return Part(name, "n", length, mask, zh)


def _telephone(name: str, zh: str) -> Part:
    return Part(name, "ans", 14, "show", zh)  # digits, blanks on the right


_COMMON: Final = {
    "11": _digits("application class", "应用类别", 2),
    "12": _digits("reply timeout, seconds", "应答超时时间(秒)", 2),
    "13": _digits("retries", "重试次数", 1),
    "14": _telephone("telephone number 1", "交易电话号码1"),
    "15": _telephone("telephone number 2", "交易电话号码2"),
    "16": _telephone("telephone number 3", "交易电话号码3"),
    "17": _telephone("management telephone number", "管理电话号码"),
    "18": _digits("tips are taken", "是否支持小费", 1),
    "19": _digits("largest tip, percent", "小费百分比", 2),
    "20": _digits("card numbers may be keyed in", "是否支持手工输入卡号", 1),
    "21": _digits("signs off by itself", "是否自动签退", 1),
    "23": _digits("repeats of an advice", "离线上送重发次数", 1),
    "24": _digits("tag 24, explained nowhere", "标签24(未见说明)", 1, "hide"),
    "25": _digits("index of the master key", "主密钥索引", 1),
}
PARAMETERS: Final = FixedTlv(
    _COMMON
    | {
        "22": Part("merchant name", "ans", 40, "show", "商户名称", encoding="gb18030"),
        "26": Part("transactions that may be done", "b", 4, "show", "支持的交易类型"),
    }
)
STATUS: Final = FixedTlv(
    {
        "01": _digits("keyboard", "键盘", 1),  # 1 works, 0 does not
        "02": _digits("PIN pad", "密码键盘", 1),
        "03": _digits("card reader", "读卡器", 1),
        "04": _digits("printer", "打印机", 1),
        "05": _digits("display", "显示器", 1),
        **_COMMON,
        "27": _digits("tag 27, explained nowhere", "标签27(未见说明)", 2, "hide"),
        "51": _digits("tag 51, explained nowhere", "标签51(未见说明)", 12, "hide"),
    }
)


def _bytes(name: str, zh: str, length: int, shortest: int | None = None) -> Part:
    return Part(name, "b", length, "show", zh, minimum=shortest)


def _packed(name: str, zh: str, length: int) -> Part:
    return Part(name, "n", length, "show", zh)  # `length` bytes


CA_KEY: Final = BerTlv(
    {
        0x9F06: _bytes("payment system (RID)", "注册应用提供商标识", 5),
        0x9F22: _bytes("index of the public key", "认证中心公钥索引", 1),
        0xDF05: _bytes("last day of the public key", "认证中心公钥有效期", 8, 4),
        0xDF06: _bytes("hash algorithm", "哈希算法标识", 1),
        0xDF07: _bytes("algorithm of the public key", "公钥算法标识", 1),
        0xDF02: _bytes("modulus of the public key", "认证中心公钥模", 248, 1),
        0xDF04: _bytes("exponent of the public key", "认证中心公钥指数", 3, 1),
        0xDF03: _bytes("check value of the public key", "认证中心公钥校验值", 20),
    }
)
APPLICATION: Final = BerTlv(
    {
        0x9F06: _bytes("application identifier", "应用标识符", 16, 5),
        0xDF01: _bytes("application selection indicator", "应用选择指示符", 1),
        0x9F08: _bytes("application version", "应用版本号", 2),
        0x9F09: _bytes("application version of the terminal", "终端应用版本号", 2),
        0xDF11: _bytes("terminal action code, default", "终端行为代码(缺省)", 5),
        0xDF12: _bytes("terminal action code, online", "终端行为代码(联机)", 5),
        0xDF13: _bytes("terminal action code, denial", "终端行为代码(拒绝)", 5),
        0x9F1B: _bytes("floor limit", "终端最低限额", 4),
        0xDF15: _bytes("threshold for random selection", "偏置随机选择的阈值", 4),
        0xDF16: _packed("maximum for random selection, percent", "偏置随机选择的最大目标百分数", 1),
        0xDF17: _packed("target for random selection, percent", "随机选择的目标百分数", 1),
        0xDF14: _bytes("default DDOL", "缺省动态数据认证数据对象列表", 128, 3),
        0xDF18: _bytes("PIN goes online", "终端联机PIN支持能力", 1),
        0x9F7B: _packed("limit of electronic cash", "终端电子现金交易限额", 6),
        0xDF19: _packed("contactless floor limit", "非接触读写器脱机最低限额", 6),
        0xDF20: _packed("contactless limit", "非接触读写器交易限额", 6),
        0xDF21: _packed("contactless limit for no verification", "读写器持卡人验证方法所需限额", 6),
    }
)
_LIST_ASKED: Final = Positional(
    (_digits("first of the question", "请求标志", 1), _digits("received", "已接收数目", 2)), 2
)
_CARDS_ASKED: Final = Positional((_digits("received", "已接收数目", 3),), 1)

_SIGN_ON: Final = frozenset({"001", "003", "004"})
_KEY_LAYOUTS: Final = tuple(map(_keys, KEY_LENGTHS))

PARTS62: Final = Forms(
    (
        *(Form(keys, frozenset({"0810"}), "60.3", _SIGN_ON, keys.length) for keys in _KEY_LAYOUTS),
        Form(PARAMETERS, frozenset({"0810"}), "60.3", frozenset({"360"})),
        Form(STATUS, frozenset({"0820"}), "60.3", frozenset({"362"})),
        Form(_LIST_ASKED, frozenset({"0820"}), "60.3", frozenset({"372", "382"})),
        Form(CA_KEY, frozenset({"0800", "0810"}), "60.3", frozenset({"370"})),
        Form(APPLICATION, frozenset({"0800", "0810"}), "60.3", frozenset({"380"})),
        Form(_CARDS_ASKED, frozenset({"0800"}), "60.3", frozenset({"390"})),
    )
)
