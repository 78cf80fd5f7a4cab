"""Field 62 as rows: working keys, terminal parameters and terminal status, told apart by the message.

Where the tags and lengths come from stands in `field62`; this file needs none of its cryptography, so that a dialect
is loaded without it. Parts that no source explains are hidden.
"""

from collections.abc import Iterator
from typing import Final

from iso8583.parts import FixedTlv, Form, Forms, Part, Positional
from iso8583.table import Mask

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

_SIGN_ON: Final = frozenset({"001", "003", "004"})
_KEY_LAYOUTS: Final = tuple(map(_keys, KEY_LENGTHS))

PARTS62: Final = Forms(
    (
        *(Form(keys, frozenset({"0810"}), "60.3", _SIGN_ON, keys.length) for keys in _KEY_LAYOUTS),
        Form(PARAMETERS, frozenset({"0810"}), "60.3", frozenset({"360"})),
        Form(STATUS, frozenset({"0820"}), "60.3", frozenset({"362"})),
    )
)
