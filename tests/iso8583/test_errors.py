"""Iso8583Error: says where and why, and carries no data in what gets logged."""

import pickle
import traceback

import pytest

from iso8583 import Iso8583Error, Message, load_dialect
from tests.iso8583.vectors import GOLDEN


def test_reads_as_a_sentence() -> None:
    assert str(Iso8583Error(4, 19, "needed digits, nibble 5 of 12 is a letter A to F")) == (
        "field 4 at byte 19: needed digits, nibble 5 of 12 is a letter A to F"
    )
    assert (
        str(Iso8583Error("55/9F26", 3, "needed 8 bytes, 2 are left")) == "55/9F26 at byte 3: needed 8 bytes, 2 are left"
    )


def test_seen_from_further_out_only_the_offset_moves() -> None:
    error = Iso8583Error(4, 19, "why", Message("0200", {3: "000000"}))
    moved = error.moved(11)
    assert (moved.field, moved.offset, moved.reason, moved.partial) == (4, 30, "why", error.partial)


def test_no_card_data_in_text_args_repr_traceback_or_pickle() -> None:
    golden = GOLDEN["sale"]
    secrets = [str(golden.fields[2]), str(golden.fields[35]), "02635C2F1B247C28", "9990000000009"]
    with pytest.raises(Iso8583Error) as caught:
        load_dialect("unionpay_pos").decode(golden.message[:-1])
    error = caught.value
    assert error.partial is not None
    assert error.partial[2] == golden.fields[2]  # the data is there for the host
    shown = [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
    shown.append(repr(pickle.dumps(error)))
    for secret in secrets:
        assert not any(secret.lower() in text.lower() for text in shown)


def test_a_card_number_behind_a_wrong_bitmap_is_not_shown_by_the_partial_message() -> None:
    dialect = load_dialect("unionpay_pos")
    announces_3_4_11 = bytes.fromhex("3020000000000000")
    with pytest.raises(Iso8583Error) as caught:
        dialect.decode(bytes.fromhex("0200") + announces_3_4_11 + bytes.fromhex("166299990000000009 00AB00"))
    partial = caught.value.partial
    assert partial is not None
    assert dict(partial) == {3: "166299", 4: "990000000009"}
    hidden = "Message('0200', 3=<6 characters>, 4=<12 characters>)"
    assert repr(partial) == repr(partial.with_({}).without(11)) == hidden


def test_survives_pickling_without_its_partial_message() -> None:
    error = pickle.loads(pickle.dumps(Iso8583Error(4, 19, "why", Message("0200", {2: "6299990000000009"}))))
    assert (error.field, error.offset, error.reason, error.partial) == (4, 19, "why", None)


def test_no_damage_brings_card_data_into_an_error() -> None:
    dialect, golden = load_dialect("unionpay_pos"), GOLDEN["sale"]
    digits = str(golden.fields[2]) + str(golden.fields[35])
    pieces = {digits[at : at + 7] for at in range(len(digits) - 6)} - {"0000000"}
    for at in range(len(golden.message)):
        damaged = bytearray(golden.message)
        damaged[at] ^= 0xFF
        for data in (bytes(damaged), golden.message[:at]):
            try:
                shown = repr(dialect.decode(data).without(2))
            except Iso8583Error as error:
                shown = f"{error} {error!r} {error.args} {error.partial and error.partial.without(2)!r}"
            assert not any(piece in shown for piece in pieces)
