"""Nothing that the kernel hands out shows card data when it is printed, logged or thrown."""

from dataclasses import replace

from simulators.cards import Card
from terminal.emv import AskPin, OnlineAnswer, Outcome, Transmit
from tests.terminal.emv.rig import ENTERED, GOOD, PIN_BLOCK, Counter

PAN = "6299991357924680"
CARD = replace(GOOD, pan=PAN)
SECRETS = (PAN, PAN[6:12], PIN_BLOCK.hex(), repr(PIN_BLOCK)[2:-1], "301222")


def whole_sale() -> tuple[Counter, Outcome]:
    sale = Counter(Card(CARD))
    return sale, sale.run()


def test_no_step_answer_or_outcome_shows_a_secret() -> None:
    sale, outcome = whole_sale()
    shown = repr([*sale.steps, outcome, outcome.card, ENTERED, OnlineAnswer("00", True, bytes.fromhex(PAN)), CARD])
    assert [secret for secret in SECRETS if secret.lower() in shown.lower()] == []


def test_masked_number_is_first_six_and_last_four() -> None:
    sale, outcome = whole_sale()
    asked = next(step for step in sale.steps if isinstance(step, AskPin))
    assert outcome.card is not None
    assert asked.masked == outcome.card.masked == "629999******4680"


def test_command_shows_its_header_only() -> None:
    assert repr(Transmit(bytes.fromhex("00200080082412345FFFFFFFFF"))) == "Transmit(00200080…)"


def test_receipt_lines_have_no_card_number() -> None:
    _, outcome = whole_sale()
    assert PAN not in str(outcome.receipt)


def test_faults_name_places_only() -> None:
    outcome = Counter(Card(CARD), replies={"00B20114": f"7005{PAN}9000"}).run()
    assert outcome.reason == "malformed"
    assert PAN[:8] not in repr(outcome)
