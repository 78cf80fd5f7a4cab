"""Customers' payment codes: whose they are, by prefix and length. A code that fits nothing is refused with the reason.

Classified by how it was entered (the scanner), never by the number alone: a 19-digit code that begins with 62 could as
well be a card number. Sources: WeChat's and Alipay's rules, UnionPay's C2B codes.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wallet:
    """A wallet and the shape of its codes."""

    name: str
    name_zh: str
    name_en: str
    shape: re.Pattern[str]


WALLETS = (
    Wallet("unionpay", "银联云闪付", "UnionPay", re.compile(r"62\d{17}", re.ASCII)),
    Wallet("wechat", "微信支付", "WeChat Pay", re.compile(r"1[0-5]\d{16}", re.ASCII)),
    Wallet("alipay", "支付宝", "Alipay", re.compile(r"(2[5-9]|30)\d{14,22}", re.ASCII)),
)


def wallet_of(code: str) -> Wallet | None:
    """Return the wallet that shows such codes, or None."""
    return next((wallet for wallet in WALLETS if wallet.shape.fullmatch(code)), None)


def wallet_of_masked(masked: str) -> Wallet | None:
    """Return the wallet of a code of which only the first two and last four digits are left; its length is kept."""
    return wallet_of(masked.replace("*", "0"))
