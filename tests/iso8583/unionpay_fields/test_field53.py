"""Field 53: how PIN and track are protected."""

from iso8583.unionpay_fields.field53 import security53
from tests.iso8583.vectors import GOLDEN


def test_security_control() -> None:
    assert security53(pin=True, algorithm="3des", track_encrypted=True) == GOLDEN["sale"].text(53)
    assert security53(pin=True, algorithm="sm4", track_encrypted=False) == "2300000000000000"
    assert security53(pin=False, algorithm="des", track_encrypted=False) == "0" * 16
