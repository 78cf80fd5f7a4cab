"""Commands on their way: the detours of T=0, and the machine's own rules."""

import pytest

from simulators.cards import Card
from terminal.emv import CardRemoved, ContactKernel, Finished, GoOnline, NoAnswer, Step, Transmit
from terminal.emv.apdu import get_processing_options
from terminal.emv.card_session import COMMANDS_MAX
from tests.terminal.emv.rig import FACTS, GOOD, PARAMETERS, Counter


class OldCard(Counter):
    """Speaks T=0: says how much it has, hands it over in pieces of at most `piece` bytes, and minds the length."""

    piece = 200

    def transmit(self, apdu: bytes) -> bytes | CardRemoved:
        if apdu[1] == 0xC0:
            return self.hand_over(apdu[4])
        if apdu[1] == 0xB2 and apdu[4] == 0:
            answer = self.card.process(apdu)
            return answer if answer[-2:] != b"\x90\x00" else bytes((0x6C, len(answer) - 2))
        answer = self.card.process(apdu)
        if apdu[1] == 0xB2 or len(answer) == 2:
            return answer
        self.ready = answer[:-2]
        return bytes((0x61, min(len(self.ready), self.piece)))

    def hand_over(self, length: int) -> bytes:
        piece, self.ready = self.ready[:length], self.ready[length:]
        return piece + (bytes((0x61, min(len(self.ready), self.piece))) if self.ready else b"\x90\x00")


@pytest.mark.parametrize("piece", [200, 10])
def test_t0_card_reads_like_any_other(piece: int) -> None:
    sale = OldCard(Card(GOOD))
    sale.piece = piece
    assert sale.run().kind == "approved"
    assert "00B2011400" in sale.commands
    assert any(command.startswith("00B20114") and command != "00B2011400" for command in sale.commands)


@pytest.mark.parametrize("status", ["6105", "6C05"])
def test_card_that_never_gets_to_the_point_is_left(status: str) -> None:
    sale = Counter(Card(GOOD), replies={"00": status})
    outcome = sale.run()
    assert outcome.kind == "use_stripe"
    assert len(sale.commands) <= COMMANDS_MAX


def test_card_that_hands_over_without_end_is_left() -> None:
    outcome = Counter(Card(GOOD), replies={"00C0": "00" * 100 + "6164", "00A4": "6164"}).run()
    assert (outcome.reason, outcome.where) == ("malformed", "SELECT")


def test_wrong_length_of_a_command_without_answer_is_its_end() -> None:
    sale = Counter(Card(GOOD), replies={"0082": "6C10"})
    assert sale.run().reason == "approval_refused"
    assert len([command for command in sale.commands if command.startswith("0082")]) == 1


def test_long_options_get_a_long_length() -> None:
    assert get_processing_options(bytes(0x80)).hex().upper().startswith("80A8000083838180")


def first_request() -> tuple[ContactKernel, Step]:
    kernel = ContactKernel(PARAMETERS, FACTS)
    return kernel, kernel.start()


def test_answer_of_the_wrong_kind_is_the_callers_fault() -> None:
    sale = Counter(Card(GOOD))
    kernel, step = first_request()
    while not isinstance(step, GoOnline):
        step = kernel.resume(sale.answer(step))
    with pytest.raises(AssertionError, match="OnlineAnswer"):
        kernel.resume(b"\x90\x00")


def test_there_is_nothing_after_the_end() -> None:
    kernel, step = first_request()
    assert isinstance(step, Transmit)
    assert isinstance(kernel.resume(CardRemoved()), Finished)
    with pytest.raises(AssertionError, match="has ended"):
        kernel.resume(NoAnswer())
