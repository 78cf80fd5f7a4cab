"""Two paths, one meaning: compiled plans give what the reference codec gives, and planted bugs in them are noticed.

A slice of `make fuzz`, with its generator. Then what plans are made for, how many there are, and what they are made of.
"""

import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from threading import Barrier
from typing import Any

import pytest

from iso8583 import Iso8583Error, Message, decode_plan, encode_plan, fields, load_dialect
from iso8583 import dialect as dialect_module
from iso8583.dialect import PLANS_MAX, Dialect
from iso8583.dialects import NAMES
from iso8583.plan_source import Source
from iso8583.table import Field, Table
from tests.fuzz.both_paths import Tally, compare, compare_on, of_any_shape, outcome
from tests.fuzz.drawn import odd_table, shapes
from tests.iso8583.refusals import refused
from tests.iso8583.vectors import GOLDEN

ODD_TABLES = range(1, 41, 2)  # odd seeds give odd tables
TRIES = 10  # seeds to find a planted bug in
POS, ASCII, EBCDIC = (load_dialect(name).table for name in ("unionpay_pos", "iso87_ascii", "iso87_ebcdic"))
SALE = GOLDEN["sale"]


def fresh(table: Table = POS) -> Dialect:
    """A dialect that knows no plan."""
    return Dialect(replace(table, messages=()))


# Both paths ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_both_paths_of_a_dialect_agree(name: str) -> None:
    tally = compare_on(load_dialect(name).table, Random(name), 480)
    assert tally.told == []
    assert tally.counts["other exceptions"] == 0


def test_both_paths_agree_on_tables_that_nobody_would_ship() -> None:
    tally = Tally()
    for seed in ODD_TABLES:
        tally.add(compare(seed, 80))
    assert tally.told == []


def test_the_cases_are_worth_comparing() -> None:
    """Neither are all refused nor all accepted, and most are asked of a plan, which answers most of the good ones."""
    counts = compare_on(ASCII, Random(1), 480).counts
    assert counts["cases"] == 480
    assert counts["planned"] > 0.6 * counts["cases"]
    assert counts["accepted"] > 0.3 * counts["cases"]
    assert counts["accepted by a plan"] > 0.6 * counts["accepted"]
    assert counts["refused in a field"] > 0.25 * counts["cases"]


# Planted bugs: each must be found by the comparison ------------------------------------------------------------------


def _trusting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Source, "surprise_unless", lambda self, condition: self.line(f"({condition})"))


def _digits_may_be_letters(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(decode_plan.GLANCE, "n", "encode().isalnum()")


def _digits_may_be_any_digits(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(decode_plan.GLANCE, "n", "isdigit()")
    patch.setattr(encode_plan._Encoder, "_converted", lambda self, kind, chunk: f"{chunk}.encode('latin-1')")


def _one_length_more_is_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decode_plan, "prefixes_read", _longer(fields.prefixes_read))


def _one_length_more_is_written(patch: pytest.MonkeyPatch) -> None:
    for name in ("prefixes_as_text", "prefixes_written"):
        patch.setattr(encode_plan, name, _longer(getattr(fields, name)))


def _longer(table_of: Callable[[Field], Any]) -> Callable[[Field], Any]:
    return lambda field: table_of(replace(field, length=field.length + 1))


def _pad_nibbles_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    right = Source.line
    patch.setattr(
        Source, "line", lambda self, text: right(self, re.sub(r"    if .* != .*: return None", "    pass", text))
    )


def _small_letters_in_hex(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decode_plan, "NIBBLES", b"0123456789ABCDEFabcdef")


def _another_character_set(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(encode_plan, "LATIN1_TO_EBCDIC", bytes(range(256)).decode("latin-1").encode("cp037", "replace"))


def _unknown_bits_are_passed_over(patch: pytest.MonkeyPatch) -> None:
    right = Source.surprise_unless
    patch.setattr(
        Source, "surprise_unless", lambda self, condition: None if "not x &" in condition else right(self, condition)
    )


def _runs_have_no_end(patch: pytest.MonkeyPatch) -> None:
    right = encode_plan._Encoder._end_runs
    patch.setattr(
        encode_plan._Encoder, "_end_runs", lambda self, besides="bytes": right(self) if besides == "bytes" else None
    )


def _result(change: Callable[[Any], Any], compiler: str = "compile_decoder") -> Callable[[pytest.MonkeyPatch], None]:
    """Decoding plans whose result is changed in passing."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        right = getattr(dialect_module, compiler)

        def compile_wrong(*arguments: Any) -> Callable[[bytes], Any]:
            plan = right(*arguments)
            return lambda wire: change(plan(wire))

        patch.setattr(dialect_module, compiler, compile_wrong)

    return plant


def _in_another_order(message: Message) -> Message:
    return Message.of(message.mti, dict(reversed(list(message.fields.items()))), message._rows)


def _of_another_type(message: Message) -> Message:
    return message.with_({number: bytearray(value) for number, value in message.items() if isinstance(value, bytes)})  # type: ignore[misc]


def _shown_by_other_rows(message: Message) -> Message:
    return Message(message.mti, message.fields)


def _of_another_mti(message: Message) -> Message:
    return Message.of("0000", dict(message.fields), message._rows)


def _broken(message: Message) -> Message:
    raise RuntimeError(str(len(message)))


PLANTED: dict[str, tuple[Table, Callable[[pytest.MonkeyPatch], None]]] = {
    "no check is made": (ASCII, _trusting),
    "digits may be letters": (ASCII, _digits_may_be_letters),
    "digits may be any digits": (ASCII, _digits_may_be_any_digits),
    "one length more is read": (POS, _one_length_more_is_read),
    "one length more is written": (POS, _one_length_more_is_written),
    "pad nibbles are not looked at": (POS, _pad_nibbles_are_not_looked_at),
    "small letters in hex": (ASCII, _small_letters_in_hex),
    "another character set": (EBCDIC, _another_character_set),
    "fields in another order": (POS, _result(_in_another_order)),
    "values of another type": (POS, _result(_of_another_type)),
    "messages shown by other rows": (POS, _result(_shown_by_other_rows)),
    "messages of another type": (ASCII, _result(_of_another_mti)),
    "of any shape: fields in another order": (POS, _result(_in_another_order, "compile_any_decoder")),
    "of any shape: bits that the table lacks are passed over": (POS, _unknown_bits_are_passed_over),
    "of any shape: a run of digits goes on behind a text": (POS, _runs_have_no_end),
    "another exception": (POS, _result(_broken)),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table, plant = PLANTED[name]
    plant(monkeypatch)
    tallies = (compare_on(replace(table, messages=()), Random(seed), 400) for seed in range(TRIES))
    caught = next(tally for tally in tallies if tally.told)
    assert (caught.counts["other exceptions"] > 0) == (name == "another exception")


# What plans are made for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_declared_messages_have_their_plans_at_load(name: str) -> None:
    table = load_dialect(name).table
    dialect = Dialect(table)
    heads = {dialect._reference.written_mti(mti) + dialect._reference.written_bitmaps(n) for mti, n in table.messages}
    assert dialect._decoders.keys() == heads
    assert dialect._encoders.keys() == {numbers for _, numbers in table.messages}


@pytest.mark.parametrize("name", ["iso87_ascii", "unionpay_pos"])
def test_some_messages_are_declared(name: str) -> None:
    assert load_dialect(name).table.messages


def test_messages_that_are_accepted_teach_plans() -> None:
    dialect = fresh()
    dialect.encode(dialect.decode(SALE.message))
    assert (len(dialect._decoders), len(dialect._encoders)) == (1, 1)


def test_messages_that_are_refused_teach_nothing() -> None:
    dialect = fresh()
    for at in range(10, len(SALE.message)):
        refused(dialect.decode, SALE.message[:at])
    for number in SALE.fields:
        refused(dialect.encode, Message("0200", SALE.fields | {number: "x"}))
    refused(dialect.encode, Message("1200", SALE.fields))
    assert (len(dialect._decoders), len(dialect._encoders)) == (0, 0)


def test_plans_are_capped_and_beyond_the_cap_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PLANS_MAX == 512
    monkeypatch.setattr(dialect_module, "PLANS_MAX", 5)
    dialect, chance = fresh(), Random(5)
    for shape in shapes(chance, POS, 12):
        message = shape.message(chance)
        assert dialect.decode(dialect.encode(message)) == message
    assert (len(dialect._decoders), len(dialect._encoders)) == (5, 5)
    assert dialect._decode_any is not None
    assert dialect._encode_any is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_plans_of_any_shape_answer_themselves(name: str) -> None:
    """Else they would give up, and the reference codec would hide it. A third bitmap alone is left to it."""
    dialect, chance = of_any_shape(load_dialect(name).table), Random(name)
    for shape in shapes(chance, dialect.table, 40):
        message = shape.message(chance)
        wire = dialect._reference.encode(message)
        third = max(message, default=0) > 128
        assert dialect._decode_any
        assert dialect._encode_any
        assert dialect._decode_any(wire) == (None if third else message)
        assert dialect._encode_any(dialect._mtis[message.mti], message._fields) == (None if third else wire)


@pytest.mark.parametrize("name", NAMES)
def test_no_plan_takes_a_second_bitmap_that_announces_nothing(name: str) -> None:
    dialect = of_any_shape(load_dialect(name).table)
    head = dialect._reference.written_mti(f"{dialect.table.version}800")
    for first in (b"\x80", b"\xa0"):
        bits = first + bytes(7), bytes(8)
        wire = head + b"".join(map(dialect._reference._write_bitmap, bits)) + b"000000"
        assert outcome(dialect.decode, wire) == outcome(dialect._reference.decode, wire)
        assert outcome(dialect.decode, wire)[0] == "refused"


def test_messages_with_their_fields_in_other_orders_share_a_plan() -> None:
    dialect, chance = fresh(), Random(6)
    for _ in range(5):
        numbers = list(SALE.fields)
        chance.shuffle(numbers)
        assert dialect.encode(Message("0200", {number: SALE.fields[number] for number in numbers})) == SALE.message
    assert len({id(plan) for plan in dialect._encoders.values()}) == 1


def test_threads_may_share_a_dialect_while_it_learns() -> None:
    dialect, chance, threads = fresh(EBCDIC), Random(8), 4
    messages = [shape.message(chance) for shape in shapes(chance, EBCDIC, 40)]
    wires = [dialect._reference.encode(message) for message in messages]
    together = Barrier(threads)

    def work() -> bool:
        together.wait()
        there = [dialect.encode(message) for _ in range(3) for message in messages]
        back = [dialect.decode(wire) for _ in range(3) for wire in wires]
        return there == wires * 3 and back == [dialect._reference.decode(wire) for wire in wires] * 3

    kept = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            assert all(done.result() for done in [pool.submit(work) for _ in range(threads)])
    finally:
        sys.setswitchinterval(kept)


# What plans are made of ----------------------------------------------------------------------------------------------

_WORDS = (
    "if|else|not|and|or|is|None|return|pass|def|plan|len|map|join|hex|upper|encode|decode|translate|replace|"
    "isdigit|isalpha|isalnum|isprintable|isascii|append|mti|__class__|_mti|_rows|_fields|[bcdehkmpqstvwxyz]|"
    "[Kcfx]\\d+|tf\\d+"
)
_QUOTED = "''|'ascii'|'latin-1'|'='|'D'"
# A word, a number, one of five texts, or a mark: nothing that a table could bring along.
_ALLOWED = re.compile(rf"(?:\b(?:{_WORDS}|\d+)\b|{_QUOTED}|[-+*&=!<>:;.,()\[\]{{}} ])*")
HOSTILE = '"); import os #'


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of all plans that are made meanwhile."""
    written: list[str] = []
    right = Source.function

    def noting(self: Source) -> Callable[..., Any]:
        written.extend(self._lines)
        return right(self)

    monkeypatch.setattr(Source, "function", noting)
    return written


def strange_lines(lines: list[str]) -> list[str]:
    return [line for line in lines if not _ALLOWED.fullmatch(line)]


def test_plans_are_made_of_few_words_and_numbers(lines: list[str]) -> None:
    chance = Random(9)
    for table in [load_dialect(name).table for name in NAMES] + [odd_table(chance, f"odd{n}") for n in range(30)]:
        dialect = fresh(table)
        for shape in shapes(chance, table, 4):
            dialect.decode(dialect.encode(shape.message(chance)))
        of_any_shape(table)
    assert len(lines) > 1000
    assert strange_lines(lines) == []


@pytest.mark.parametrize("line", ["    import os", f"    f2 = '{HOSTILE}'", "    x = 'else'", "    os.system('')"])
def test_a_line_of_other_words_would_be_noticed(line: str) -> None:
    assert strange_lines([line]) == [line]


@pytest.fixture
def _unchecked_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of tables refuses the texts below; plans do not rely on it."""
    monkeypatch.setattr(dialect_module, "check_table", lambda _table: None)


def hostile(field: Field, column: str) -> Field:
    return replace(field, **{column: HOSTILE})  # type: ignore[arg-type]


@pytest.mark.usefixtures("_unchecked_tables")
@pytest.mark.parametrize("column", ["name", "name_zh", "pad", "pad_nibble", "mask"])
def test_no_text_of_a_row_becomes_source(column: str, lines: list[str]) -> None:
    rows = {number: hostile(field, column) for number, field in POS.fields.items()}
    loaded = Dialect(replace(POS, name=HOSTILE, title=HOSTILE, fields=rows))
    assert lines
    for golden in GOLDEN.values():
        outcome(loaded.encode, Message(golden.mti, golden.fields))
        outcome(loaded.decode, golden.message)
    assert strange_lines(lines) == []


@pytest.mark.usefixtures("_unchecked_tables")
@pytest.mark.parametrize("column", ["content", "encoding", "length", "minimum", "prefix"])
def test_text_where_a_row_needs_something_else_never_becomes_source(column: str, lines: list[str]) -> None:
    for number in (2, 4, 41, 55):
        try:
            Dialect(replace(POS, fields={**POS.fields, number: hostile(POS.fields[number], column)}))
        except (AttributeError, KeyError, TypeError, ValueError):
            continue  # it is no dialect
    assert strange_lines(lines) == []


class Number(int):
    """A number that says something else of itself."""

    def __str__(self) -> str:
        return HOSTILE

    def __repr__(self) -> str:
        return HOSTILE

    def __format__(self, _: str) -> str:
        return HOSTILE


def test_a_number_cannot_bring_text_along(lines: list[str]) -> None:
    dialect = fresh()
    for number in (11, 41):
        dialect.encode(Message("0800", {Number(number): "0" * POS.fields[number].length}))
    assert lines
    assert strange_lines(lines) == []


def test_a_peer_cannot_bring_text_along(lines: list[str]) -> None:
    dialect = fresh()
    for mti in (HOSTILE, "020x", "02\x00\x00"):
        refused(dialect.encode, Message(mti, SALE.fields))
    message = Message("0200", {41: HOSTILE[:8], 58: HOSTILE, 59: HOSTILE, 63: HOSTILE})
    assert dialect.decode(dialect.encode(message)) == message
    assert isinstance(outcome(dialect.encode, Message("0200", {HOSTILE: "x"}))[1], str)  # type: ignore[dict-item]
    assert lines
    assert strange_lines(lines) == []


def test_errors_of_both_paths_are_the_same_in_text_and_pickle() -> None:
    dialect = fresh()
    dialect.decode(SALE.message)
    wire = SALE.message[:15] + b"\xff" + SALE.message[16:]
    one, other = (refused(decode, wire) for decode in (dialect.decode, dialect._reference.decode))
    assert isinstance(one, Iso8583Error)
    assert (str(one), one.__reduce__()) == (str(other), other.__reduce__())
