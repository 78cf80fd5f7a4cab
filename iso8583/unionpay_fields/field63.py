"""Field 63: the operator of a management message, the card organisation of a refund, and the texts of an answer."""

from typing import Final

from iso8583.parts import Form, Forms, Part, Positional

TEXT_BYTES: Final = 20

OPERATOR: Final = Positional((Part("operator", "ans", 3, "show", "操作员号"),), minimum=1)  # 2 digits and a blank
ORGANISATION: Final = Part("card organisation", "an", 3, "show", "国际信用卡公司代码")
TEXTS: Final = tuple(
    Part(name, "ans", TEXT_BYTES, "hide", zh, encoding="gb18030")
    for name, zh in (
        ("issuer's text", "发卡方附加信息"),
        ("centre's text", "中心附加信息"),
        ("acquirer's text", "收单方附加信息"),
    )
)

PARTS63: Final = Forms(
    (
        Form(OPERATOR, frozenset({"0500", "0501", "0800", "0801", "0820", "0821"})),
        Form(Positional((ORGANISATION,), minimum=1), frozenset({"0100", "0200", "0220", "0221", "0400", "0401"})),
        Form(Positional((ORGANISATION, *TEXTS), minimum=1), frozenset({"0110", "0210", "0230", "0410"})),
    )
)
