"""What a printer sends back, for a fuzzer: any bytes are survived, mean the same in pieces, and little is kept."""

from terminal.devices.printer_answers import BLOCK_BYTES, PRINTER_SAYS, Answers, reason_of, reason_of_block

SEEDS = [
    b"\x12\x12\x12",
    b"\x1a\x16\x32\x72",
    b"\x10\x00\x00\x0f",
    b"\x38\x6c\x0c\x0f\x00",
    b"\x37\x25\x00\x12",
    b"\x11\x13\x10\x13\x00\x00\x0f\x00",
]


def run(data: bytes) -> None:
    """Return if all is well with some bytes, raise if not."""
    whole, pieces = Answers(), Answers()
    whole.receive(data)
    for at in range(len(data)):
        pieces.receive(data[at : at + 1])
    assert _said(whole) == _said(pieces), "in pieces it means something else"
    assert whole.real_time is None or 0 <= whole.real_time <= 0xFF
    assert whole.block is None or len(whole.block) == BLOCK_BYTES
    assert len(whole._unfinished) < BLOCK_BYTES
    answers = dict.fromkeys((1, 2, 4), whole.real_time or 0)
    reasons = {reason_of(answers), reason_of_block(whole.block or bytes(BLOCK_BYTES))}
    assert reasons <= PRINTER_SAYS | {""}


def swollen(size: int) -> list[bytes]:
    """Inputs of about so many bytes that take it long."""
    return [filler * (size // len(filler) + 1) for filler in (b"\x10", b"\x10\x13", b"\x37", b"\x12", b"\x00", b"\xff")]


def _said(answers: Answers) -> tuple[int | None, bytes | None, bool]:
    return answers.real_time, answers.block, answers.job_done
