"""Slips of one morning in one shop, for the tests of everything that prints."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from terminal.slips import Detail, SettlementSlip, Shop, Slip, Total

SHOP_TIME = timezone(timedelta(hours=8))
SHOP = Shop("晨光便利店(人民路店)", "MORNING LIGHT STORE", "104110053110001", "10000001")

CHIP_SALE = Slip(
    copy="merchant",
    shop=SHOP,
    operator_no="01",
    type_zh="消费",
    type_en="SALE",
    amount=2500,
    currency="156",
    local_time=datetime(2026, 11, 20, 14, 3, 22, tzinfo=SHOP_TIME),
    batch="000012",
    voucher="000123",
    entry="I",
    card="621226******1234",
    issuer="工商银行",
    acquirer="48021000",
    expiry="3012",
    auth_no="A12345",
    reference_no="140322000123",
    ic_lines=(
        ("ARQC", "8A1F3C5577D2E410"),
        ("ATC", "001A"),
        ("TVR", "0000008000"),
        ("TSI", "E800"),
        ("AID", "A000000333010101"),
        ("PAN SN", "01"),
        ("APPLAB", "UnionPay Debit"),
    ),
    signature_needed=True,
)
DUPLICATE = replace(CHIP_SALE, copy="cardholder", duplicate=True, qr_payload="https://slip.example.com/e/000012/000123")
VOID = replace(
    CHIP_SALE,
    type_zh="消费撤销",
    type_en="VOID",
    amount=-2500,
    voucher="000124",
    original_voucher="000123",
    ic_lines=(),
    signature_needed=False,
)
REFUND = replace(
    VOID,
    type_zh="退货",
    type_en="REFUND",
    amount=-123456,
    voucher="000130",
    entry="S",
    card="622202*********1234",
    original_voucher="",
    original_reference_no="140322000123",
    original_date="1119",
    response_texts=("交易成功",),
)
QR_SALE = replace(
    CHIP_SALE,
    copy="cardholder",
    entry="Q",
    amount=999,
    card="28************1234",
    issuer="支付宝 ALIPAY",
    acquirer="",
    expiry="",
    ic_lines=(),
    pay_voucher="20261120140322000123",
    signature_needed=False,
)
OFFLINE_CODE = replace(
    QR_SALE,
    type_zh="离线码消费",
    type_en="OFFLINE CODE SALE",
    card="TG1:0a1b2c3d",
    issuer="",
    auth_no="",
    reference_no="",
    pay_voucher="",
    response_texts=("离线交易/OFFLINE", "银行尚未确认", "NOT YET CONFIRMED BY THE BANK"),
)
CONTACTLESS_TEST = replace(
    CHIP_SALE,
    copy="bank",
    entry="C",
    signature_needed=False,
    small_amount=True,
    test=True,
)
VERIFIED_ON_DEVICE = replace(CONTACTLESS_TEST, copy="merchant", small_amount=False, device_verified=True, test=False)
FAULT = replace(CHIP_SALE, copy="fault", auth_no="", reference_no="", ic_lines=())

SETTLEMENT = SettlementSlip(
    shop=SHOP,
    operator_no="01",
    batch="000012",
    local_time=datetime(2026, 11, 20, 22, 0, 5, tzinfo=SHOP_TIME),
    currency="156",
    result="balanced",
    domestic=(
        Total("消费", "SALE", 12, 123450),
        Total("消费撤销", "VOID", 1, -2500),
        Total("退货", "REFUND", 1, -9900),
        Total("预授权完成", "COMPLETION", 123, 123456789),
    ),
    foreign=(Total("消费", "SALE", 1, 8800),),
)
SETTLEMENT_UNBALANCED = replace(
    SETTLEMENT,
    result="unbalanced",
    foreign=(),
    unsent=(Detail("000125", "R", "621226******1234", -9900, "A12399"),),
    denied=(Detail("000126", "S", "622202*********1234", 123456789),),
)

SLIPS = {
    "chip_sale": CHIP_SALE,
    "duplicate": DUPLICATE,
    "void": VOID,
    "refund": REFUND,
    "qr_sale": QR_SALE,
    "contactless_test": CONTACTLESS_TEST,
    "verified_on_device": VERIFIED_ON_DEVICE,
    "offline_code": OFFLINE_CODE,
    "fault": FAULT,
}
SETTLEMENTS = {"settlement": SETTLEMENT, "settlement_unbalanced": SETTLEMENT_UNBALANCED}
