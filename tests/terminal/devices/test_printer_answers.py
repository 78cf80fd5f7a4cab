"""Each answer is told from the others by its fixed bits, and any bytes are survived."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal.devices.printer_answers import Answers, reason_of, reason_of_block
from tests.fuzz import printer_answers as fuzzed


def heard(data: bytes) -> tuple[int | None, bytes | None, bool]:
    answers = Answers()
    answers.receive(data)
    return answers.real_time, answers.block, answers.job_done


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x16", (0x16, None, False)),
        (b"\x12\x1a", (0x1A, None, False)),
        (b"\x00", (None, None, True)),
        (b"\x03", (None, None, True)),
        (b"\x18\x00\x00\x0f", (None, b"\x18\x00\x00\x0f", False)),
        (b"\x18\x00\x13\x0c\x0f\x12", (0x12, b"\x18\x00\x0c\x0f", False)),
        (b"\x10\x00\x00", (None, None, False)),
        (b"\x37\x25\x00", (None, None, False)),
        (b"\x37\x25\x00\x00", (None, None, True)),
        (b"\x11\x13\xff\x80", (None, None, False)),
    ],
)
def test_answers_are_told_apart(data: bytes, said: tuple[int | None, bytes | None, bool]) -> None:
    assert heard(data) == said


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({1: 0x12, 2: 0x12, 4: 0x12}, ""),
        ({1: 0x1A, 2: 0x16, 4: 0x72}, "cover_open"),
        ({1: 0x1A, 2: 0x12, 4: 0x72}, "paper_out"),
        ({1: 0x1A, 2: 0x52, 4: 0x12}, "printer_error"),
        ({1: 0x1A, 2: 0x12, 4: 0x12}, "offline"),
        ({1: 0x12, 2: 0x12, 4: 0x1E}, ""),
    ],
)
def test_what_a_person_should_look_after_first_comes_first(answers: dict[int, int], reason: str) -> None:
    assert reason_of(answers) == reason


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("10 00 00 0F", ""),
        ("14 00 03 0F", ""),
        ("38 00 0C 0F", "cover_open"),
        ("18 00 0C 0F", "paper_out"),
        ("18 08 00 0F", "printer_error"),
        ("18 00 00 0F", "offline"),
    ],
)
def test_the_automatic_status_says_the_same(block: str, reason: str) -> None:
    assert reason_of_block(bytes.fromhex(block)) == reason


@given(st.binary(max_size=64) | st.lists(st.sampled_from(fuzzed.SEEDS)).map(b"".join))
def test_any_bytes_are_survived(data: bytes) -> None:
    fuzzed.run(data)


def test_long_nonsense_is_survived_too() -> None:
    for data in fuzzed.swollen(10_000):
        fuzzed.run(data)
