"""Field 62 opened to its parts agrees with its typed views."""

import pytest

from iso8583 import Message, load_dialect
from iso8583.sub_fields import SubField
from iso8583.unionpay_fields.field62 import LAYOUTS, Parameters62, Status62, WorkingKeys62
from iso8583.unionpay_fields.field62_downloads import BlackList62, CardsAsked62, ListAsked62, Name62
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN

RID = bytes.fromhex("A000000333")
UNIONPAY = load_dialect("unionpay_pos")


def opened(value: bytes, mti: str, code: str) -> SubField:
    return UNIONPAY.open(Message(mti, {60: f"00000001{code}", 62: value}), 62)


def test_the_golden_keys() -> None:
    answer = GOLDEN["sign_on_answer"]
    field = UNIONPAY.open(Message(answer.mti, answer.fields), 62)
    keys = WorkingKeys62.parse(Message(answer.mti, answer.fields).binary(62))
    assert [field[f"62.{part}"].value for part in (1, 2, 4, 5, 6)] == [
        keys.pin_key, keys.pin_check, keys.mac_check, keys.track_key, keys.track_check,
    ]  # fmt: skip
    assert {part.shown for part in field.parts} == {"<16 bytes>", "<4 bytes>"}


@pytest.mark.parametrize("length", LAYOUTS)
def test_every_layout_of_keys_builds_back(length: int) -> None:
    field = opened(bytes(range(length)), "0810", "003")
    assert sum(len(part.value) for part in field.parts) == length
    assert UNIONPAY.build(62, field.leaves) == field.value
    assert opened(bytes(length + 1), "0810", "003").parts == ()


def test_parameters() -> None:
    parameters = Parameters62(60, "示例商店")
    field = opened(parameters.to_bytes(), "0810", "360")
    assert field["62/12"].value == "60"
    assert str(field["62/22"].value).rstrip() == "示例商店"
    assert UNIONPAY.build(62, field.leaves) == parameters.to_bytes()
    error = refused(opened, b"1260" + b"99", "0810", "360")
    assert (error.field, error.offset) == ("62", 4)


def test_status() -> None:
    status = Status62(pin_pad=True, printer=False, application="60", reply_timeout_s=30)
    field = opened(status.to_bytes(), "0820", "362")
    assert field.leaves == {"62/02": "1", "62/04": "0", "62/11": "60", "62/12": "30"}
    assert UNIONPAY.build(62, field.leaves) == status.to_bytes()


def test_downloads() -> None:
    for field62, mti, code, leaves in (
        (ListAsked62(22).to_bytes(), "0820", "372", {"62.1": "1", "62.2": "22"}),
        (CardsAsked62(24).to_bytes(), "0800", "390", {"62.1": "024"}),
        (Name62(RID, 1).to_bytes(), "0800", "370", {"62/9F06": RID, "62/9F22": b"\1"}),
        (Name62(RID + b"\1\1\1").to_bytes(), "0800", "380", {"62/9F06": RID + b"\1\1\1"}),
    ):
        field = opened(field62, mti, code)
        assert field.leaves == leaves
        assert UNIONPAY.build(62, field.leaves) == field62


def test_black_list_is_never_shown() -> None:
    answer = opened(BlackList62(("6299990000000009",)).to_bytes(), "0810", "390")
    assert answer.parts == () and answer.shown == "<22 bytes>"


def test_in_other_messages_it_is_whole() -> None:
    assert opened(b"0", "0830", "382").parts == ()
    assert opened(b"00", "0800", "001").parts == ()
