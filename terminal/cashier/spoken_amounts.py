"""Amounts in words, as a voice says them: ``二十五元五角``, ``twenty-five yuan and fifty fen``."""

from collections.abc import Mapping

from terminal.slips import currency_of

YUAN = "156"
_NAMES: Mapping[str, tuple[str, str]] = {
    YUAN: ("元", "yuan"),
    "344": ("港元", "Hong Kong dollars"),
    "392": ("日元", "yen"),
    "410": ("韩元", "won"),
    "446": ("澳门元", "patacas"),
    "702": ("新加坡元", "Singapore dollars"),
    "826": ("英镑", "pounds"),
    "840": ("美元", "US dollars"),
    "978": ("欧元", "euros"),
}

_ZH_DIGITS = "零一二三四五六七八九"
_ZH_PLACES = ("", "十", "百", "千")
_ZH_GROUPS = ("", "万", "亿")
_EN_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_EN_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN_GROUPS = ("", " thousand", " million", " billion")


def in_words(amount: int, currency: str, language: str) -> str:
    """Say an amount in minor units of an ISO 4217 numeric currency; raise ValueError for one that is not printed."""
    digits = currency_of(currency)[1]
    whole, minor = divmod(amount, 10**digits)
    in_chinese = language == "zh"
    if currency == YUAN:
        return _yuan_zh(whole, minor) if in_chinese else _yuan_en(whole, minor)
    after_the_point = [int(figure) for figure in f"{minor:0{digits}}"] if minor else []
    name = _NAMES[currency][0 if in_chinese else 1]
    return _decimal_zh(whole, after_the_point) + name if in_chinese else f"{_decimal_en(whole, after_the_point)} {name}"


def _decimal_zh(whole: int, after_the_point: list[int]) -> str:
    figures = "".join(_ZH_DIGITS[figure] for figure in after_the_point)
    return _number_zh(whole) + (f"点{figures}" if figures else "")


def _decimal_en(whole: int, after_the_point: list[int]) -> str:
    figures = " ".join(_EN_SMALL[figure] for figure in after_the_point)
    return _number_en(whole) + (f" point {figures}" if figures else "")


def _yuan_zh(yuan: int, fen: int) -> str:
    """元, 角 and 分 as people say them; 整 where nothing follows the 元."""
    if not fen:
        return f"{_number_zh(yuan)}元整"
    tenths, hundredths = divmod(fen, 10)
    words = f"{_number_zh(yuan)}元" if yuan else ""
    words += f"{_ZH_DIGITS[tenths]}角" if tenths else "零" if yuan else ""
    return words + (f"{_ZH_DIGITS[hundredths]}分" if hundredths else "")


def _yuan_en(yuan: int, fen: int) -> str:
    parts = [f"{_number_en(yuan)} yuan"] if yuan or not fen else []
    return " and ".join([*parts, f"{_number_en(fen)} fen"] if fen else parts)


def _number_zh(number: int) -> str:
    """In groups of four figures; what lies empty between two figures is one 零."""
    words, gap = "", False
    for power in range(len(_ZH_GROUPS) - 1, -1, -1):
        group = number // 10_000**power % 10_000
        if group:
            words += ("零" if words and (gap or group < 1_000) else "") + _group_zh(group) + _ZH_GROUPS[power]
        gap = not group
    return words.removeprefix("一") if words.startswith("一十") else words or "零"


def _group_zh(group: int) -> str:
    words, gap = "", False
    for place in range(len(_ZH_PLACES) - 1, -1, -1):
        digit = group // 10**place % 10
        if digit:
            words += ("零" if words and gap else "") + _ZH_DIGITS[digit] + _ZH_PLACES[place]
        gap = not digit
    return words


def _number_en(number: int) -> str:
    words = [
        _group_en(number // 1_000**power % 1_000) + _EN_GROUPS[power]
        for power in range(len(_EN_GROUPS) - 1, -1, -1)
        if number // 1_000**power % 1_000
    ]
    return " ".join(words) or _EN_SMALL[0]


def _group_en(group: int) -> str:
    hundreds, rest = divmod(group, 100)
    words = [f"{_EN_SMALL[hundreds]} hundred"] if hundreds else []
    if rest >= len(_EN_SMALL):
        tens, ones = divmod(rest, 10)
        words.append(_EN_TENS[tens] + (f"-{_EN_SMALL[ones]}" if ones else ""))
    elif rest:
        words.append(_EN_SMALL[rest])
    return " and ".join(words)
