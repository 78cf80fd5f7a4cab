"""Field 62: working keys with their layouts and check values; terminal parameters; terminal status."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iso8583 import Iso8583Error
from iso8583.security import key_check_value, wrap_key
from iso8583.unionpay_fields.field62 import PARAMETER_LENGTHS, STATUS_LENGTHS, Parameters62, Status62, WorkingKeys62
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import KEYS, SECURITY


def test_golden_keys() -> None:
    keys = WorkingKeys62.parse(KEYS["F62"])
    assert keys.unwrap(KEYS["TMK"]) == (KEYS["PIK"], KEYS["MAK"], KEYS["TDK"])
    assert keys.to_bytes() == KEYS["F62"]
    assert WorkingKeys62.wrap(KEYS["TMK"], KEYS["PIK"], KEYS["MAK"], KEYS["TDK"]) == keys
    assert keys.pin_key.hex() not in repr(keys)


def test_published_keys() -> None:
    vector = SECURITY["sign_on_field_62"]
    pin_key, mac_key, track_key = WorkingKeys62.parse(bytes.fromhex(vector["field"])).unwrap(
        bytes.fromhex(vector["master_key"])
    )
    assert (pin_key.hex().upper(), mac_key.hex().upper()) == ("807A23AD32B36D457AE91FDF927570EA", "5BB5C72CD00B7338")
    assert track_key == b""


@pytest.mark.parametrize(("pin", "mac", "track"), [(8, 8, 0), (16, 8, 0), (16, 16, 0), (16, 8, 16), (16, 16, 16)])
def test_every_layout(pin: int, mac: int, track: int) -> None:
    clear = (bytes(range(pin)), bytes(range(20, 20 + mac)), bytes(range(40, 40 + track)))
    field = WorkingKeys62.wrap(KEYS["TMK"], *clear)
    assert WorkingKeys62.parse(field.to_bytes()) == field
    assert field.unwrap(KEYS["TMK"]) == clear


def test_hosts_that_leave_out_the_zero_bytes() -> None:
    with_zeros = KEYS["F62"]
    short = with_zeros[:28] + with_zeros[36:]
    assert len(short) == 52
    assert WorkingKeys62.parse(short) == WorkingKeys62.parse(with_zeros)
    assert WorkingKeys62.parse(short[:32]) == WorkingKeys62.parse(with_zeros[:40])


@pytest.mark.parametrize(("at", "part"), [(16, "62.1"), (36, "62.2"), (56, "62.3")])
def test_a_wrong_check_value_names_its_key(at: int, part: str) -> None:
    damaged = KEYS["F62"][:at] + bytes([KEYS["F62"][at] ^ 1]) + KEYS["F62"][at + 1 :]
    assert refused(WorkingKeys62.parse(damaged).unwrap, KEYS["TMK"]).field == part


@pytest.mark.parametrize("length", [0, 12, 23, 25, 44, 59, 61])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(Iso8583Error):
        WorkingKeys62.parse(bytes(length))


def test_keys_that_fit_no_layout_cannot_be_written() -> None:
    wrapped = wrap_key(KEYS["TMK"], bytes(24))
    with pytest.raises(Iso8583Error):
        WorkingKeys62(wrapped, key_check_value(bytes(24)), b"", b"").to_bytes()


# --- parameters and status --------------------------------------------------------------------------------------------

NAME = "测试商户 No. 1"
PHONES = b"".join(tag + b"02165432100   " for tag in (b"14", b"15", b"16")) + b"17" + b" " * 14
ALL_PARAMETERS = b"".join(
    [b"1160", b"1245", b"133", PHONES, b"181", b"1910", b"200", b"211", b"22" + NAME.encode("gbk").ljust(40), b"233",
     b"241", b"251", b"26\xf0\x00\x00\x80"]
)  # fmt: skip


def test_parameters_that_we_use_are_taken_out_of_all_that_a_host_may_send() -> None:
    assert Parameters62.parse(ALL_PARAMETERS) == Parameters62(45, NAME)
    assert Parameters62.parse(b"") == Parameters62()


@pytest.mark.parametrize(
    "parameters", [Parameters62(), Parameters62(0), Parameters62(99, "A"), Parameters62(None, NAME)]
)
def test_parameters_are_the_same_after_the_wire(parameters: Parameters62) -> None:
    assert Parameters62.parse(parameters.to_bytes()) == parameters


def test_parameters_as_a_host_words_them() -> None:
    assert Parameters62(5, "商户").to_bytes() == b"120522" + "商户".encode("gbk") + b" " * 36


@pytest.mark.parametrize(
    ("data", "field", "offset"),
    [
        (b"1", "62", 0),
        (b"0145", "62", 0),
        (b"12451299", "62", 4),
        (b"124\xa3", "62/12", 2),
        (b"12-5", "62/12", 2),
        (b"12", "62/12", 2),
        (b"14 2165432100   ", "62/14", 2),
        (b"22" + b"A" * 39, "62/22", 2),
        (b"22" + b"A" * 39 + b"\xb2", "62/22", 39),
        (b"22" + b"A\x1b".ljust(40), "62/22", 0),
        (b"22" + b"A\r\n".ljust(40), "62/22", 0),
        (b"22" + bytes(40), "62/22", 0),
    ],
)
def test_parameters_that_are_nonsense_are_refused_where_they_are(data: bytes, field: str, offset: int) -> None:
    error = refused(Parameters62.parse, data)
    assert (error.field, error.offset) == (field, offset)


@pytest.mark.parametrize(
    "parameters",
    [Parameters62(100), Parameters62(-1), Parameters62(None, "商" * 21), Parameters62(None, "\U0001f600"),
     Parameters62(None, "A\x07"), Parameters62(None, "\u0085")],
)  # fmt: skip
def test_parameters_that_do_not_fit_cannot_be_written(parameters: Parameters62) -> None:
    assert refused(parameters.to_bytes).field in {"62/12", "62/22"}


def test_status_of_a_terminal_in_the_field_is_read() -> None:
    """In the form that a public terminal program writes, with numbers made up."""
    parameters = [b"1160", b"1260", b"133", PHONES, b"180", b"1900", b"201", b"211", b"233", b"251", b"2720"]
    sent = b"".join([b"011021031040051", *parameters, b"51007200999980"])
    assert Status62.parse(sent) == Status62(True, True, False, "60", 60)


@pytest.mark.parametrize("status", [Status62(), Status62(False, True, None, "60", 30), Status62(None, None, True)])
def test_status_is_the_same_after_the_wire(status: Status62) -> None:
    assert Status62.parse(status.to_bytes()) == status


@pytest.mark.parametrize(
    ("data", "field"), [(b"042", "62/04"), (b"041041", "62"), (b"22" + b"A" * 40, "62"), (b"0", "62")]
)
def test_status_that_is_nonsense_is_refused(data: bytes, field: str) -> None:
    assert refused(Status62.parse, data).field == field


@pytest.mark.parametrize(
    "status", [Status62(application="6"), Status62(application="六零"), Status62(reply_timeout_s=100)]
)
def test_status_that_does_not_fit_cannot_be_written(status: Status62) -> None:
    assert refused(status.to_bytes).field in {"62/11", "62/12"}


@pytest.mark.parametrize("lengths", [PARAMETER_LENGTHS, STATUS_LENGTHS])
def test_every_part_together_fits_into_one_message(lengths: dict[str, int]) -> None:
    assert sum(2 + length for length in lengths.values()) <= 512


TAGGED = st.sampled_from(sorted({*STATUS_LENGTHS, *PARAMETER_LENGTHS})).flatmap(
    lambda tag: st.text("0123456789 A\x00商", min_size=1, max_size=40).map(lambda v: (tag + v).encode("gbk"))
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | st.lists(TAGGED, max_size=3).map(b"".join))
def test_whatever_comes_is_read_or_refused_and_what_was_read_can_be_written(data: bytes) -> None:
    for kind in (Parameters62, Status62):
        with suppress(Iso8583Error):
            parsed = kind.parse(data)
            assert kind.parse(parsed.to_bytes()) == parsed
