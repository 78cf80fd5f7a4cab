"""Currencies by their ISO 4217 number: letters, and how many digits stand behind the point."""

from collections.abc import Mapping
from typing import Final

CURRENCIES: Final[Mapping[str, tuple[str, int, str, str]]] = {
    "036": ("AUD", 2, "澳大利亚元", "Australian dollar"),
    "124": ("CAD", 2, "加拿大元", "Canadian dollar"),
    "152": ("CLP", 0, "智利比索", "Chilean peso"),
    "156": ("CNY", 2, "人民币", "Chinese yuan"),
    "208": ("DKK", 2, "丹麦克朗", "Danish krone"),
    "344": ("HKD", 2, "港元", "Hong Kong dollar"),
    "356": ("INR", 2, "印度卢比", "Indian rupee"),
    "360": ("IDR", 2, "印尼盾", "Indonesian rupiah"),
    "376": ("ILS", 2, "以色列新谢克尔", "Israeli shekel"),
    "392": ("JPY", 0, "日元", "Japanese yen"),
    "398": ("KZT", 2, "哈萨克斯坦坚戈", "Kazakh tenge"),
    "410": ("KRW", 0, "韩元", "South Korean won"),
    "414": ("KWD", 3, "科威特第纳尔", "Kuwaiti dinar"),
    "446": ("MOP", 2, "澳门元", "Macanese pataca"),
    "458": ("MYR", 2, "马来西亚林吉特", "Malaysian ringgit"),
    "484": ("MXN", 2, "墨西哥比索", "Mexican peso"),
    "496": ("MNT", 2, "蒙古图格里克", "Mongolian tugrik"),
    "554": ("NZD", 2, "新西兰元", "New Zealand dollar"),
    "578": ("NOK", 2, "挪威克朗", "Norwegian krone"),
    "608": ("PHP", 2, "菲律宾比索", "Philippine peso"),
    "643": ("RUB", 2, "俄罗斯卢布", "Russian rouble"),
    "682": ("SAR", 2, "沙特里亚尔", "Saudi riyal"),
    "702": ("SGD", 2, "新加坡元", "Singapore dollar"),
    "704": ("VND", 0, "越南盾", "Vietnamese dong"),
    "710": ("ZAR", 2, "南非兰特", "South African rand"),
    "752": ("SEK", 2, "瑞典克朗", "Swedish krona"),
    "756": ("CHF", 2, "瑞士法郎", "Swiss franc"),
    "764": ("THB", 2, "泰铢", "Thai baht"),
    "784": ("AED", 2, "阿联酋迪拉姆", "UAE dirham"),
    "826": ("GBP", 2, "英镑", "Pound sterling"),
    "840": ("USD", 2, "美元", "US dollar"),
    "901": ("TWD", 2, "新台币", "New Taiwan dollar"),
    "949": ("TRY", 2, "土耳其里拉", "Turkish lira"),
    "978": ("EUR", 2, "欧元", "Euro"),
    "985": ("PLN", 2, "波兰兹罗提", "Polish zloty"),
    "986": ("BRL", 2, "巴西雷亚尔", "Brazilian real"),
}
"""Number to letters, decimals, Chinese and English name: the currencies that our users meet, not all there are."""


def money(minor_units: str, currency: str) -> str:
    """Digits of field 4 as a person writes them.

    >>> money("000000001234", "156"), money("000000001234", "392")
    ('12.34 CNY', '1234 JPY')
    """
    code, decimals, _, _ = CURRENCIES.get(currency, ("", 2, "", ""))
    digits = minor_units.lstrip("0").rjust(decimals + 1, "0")
    whole, fraction = (digits[:-decimals], digits[-decimals:]) if decimals else (digits, "")
    return " ".join(filter(None, (f"{whole}.{fraction}" if fraction else whole, code)))
