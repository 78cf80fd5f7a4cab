"""What the voice says: amounts in words, and of which results; never of a card, and never twice."""

import pytest

from terminal.cashier.spoken_amounts import in_words
from terminal.cashier.texts import texts_in
from terminal.cashier.voice import Announcements, sentence
from terminal.events import BalanceRequested, CardCompleted, CodePresented
from terminal.view import view_of
from tests.terminal.rig import CARD, CODE, PAN, PROFILE, Till, answer, from_host, ready_till


@pytest.mark.parametrize(
    ("amount", "zh", "en"),
    [
        (0, "零元整", "zero yuan"),
        (5, "五分", "five fen"),
        (50, "五角", "fifty fen"),
        (2500, "二十五元整", "twenty-five yuan"),
        (2550, "二十五元五角", "twenty-five yuan and fifty fen"),
        (2505, "二十五元零五分", "twenty-five yuan and five fen"),
        (1000, "十元整", "ten yuan"),
        (11_000, "一百一十元整", "one hundred and ten yuan"),
        (100_500, "一千零五元整", "one thousand five yuan"),
        (1_001_000, "一万零一十元整", "ten thousand ten yuan"),
        (1_000_001_000, "一千万零一十元整", "ten million ten yuan"),
        (10_000_001_99, "一千万零一元九角九分", "ten million one yuan and ninety-nine fen"),
        (10_000_000_500_00, "一百亿零五百元整", "ten billion five hundred yuan"),
        (12_345_678, "十二万三千四百五十六元七角八分",
         "one hundred and twenty-three thousand four hundred and fifty-six yuan and seventy-eight fen"),
    ],
)  # fmt: skip
def test_amounts_in_words(amount: int, zh: str, en: str) -> None:
    assert (in_words(amount, "156", "zh"), in_words(amount, "156", "en")) == (zh, en)


def test_amounts_of_other_currencies_say_their_figures() -> None:
    assert in_words(2550, "840", "zh") == "二十五点五零美元"
    assert in_words(2505, "978", "en") == "twenty-five point zero five euros"
    assert in_words(120, "392", "zh") == "一百二十日元"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_two_amounts_sound_the_same(language: str) -> None:
    amounts = [*range(30_000), *range(0, 10**11, 123_456_789)]
    assert len({in_words(amount, "156", language) for amount in amounts}) == len(set(amounts))


def announcements(till: Till) -> Announcements:
    return Announcements(view_of(till.counter, {}))


def said(found: Announcements, till: Till) -> str:
    return found.newest(view_of(till.counter, {}))


def test_a_sale_is_said_when_it_is_certain_and_once() -> None:
    till = ready_till()
    found = announcements(till)
    request = till.sell(2500, CARD)
    assert said(found, till) == ""
    till.on(from_host(answer(request)))
    assert said(found, till) == "", "the chip must agree"
    till.on(CardCompleted(agreed=True))
    assert said(found, till) == "收款二十五元整。"
    assert said(found, till) == ""


def test_a_decline_and_an_unknown_result_and_its_end_are_said() -> None:
    till = ready_till()
    found = announcements(till)
    till.on(from_host(answer(till.sell(means=CARD), "51")))
    assert said(found, till) == "交易被拒绝，没有扣款。"
    till.sell(means=CodePresented(CODE))
    till.wait(31)
    assert said(found, till) == "结果未知，请勿再次收款。"
    till.on(from_host(answer(till.sent())))
    assert said(found, till) == "冲正成功，没有扣款。"


def test_of_several_results_the_newest_is_said() -> None:
    till = ready_till()
    found = announcements(till)
    for amount in (100, 200):
        till.on(from_host(answer(till.sell(amount, CodePresented(CODE)))))
    assert said(found, till) == "收款二元整。"


def test_what_had_ended_before_is_not_said_again() -> None:
    till = ready_till()
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    again = till.restart()
    assert said(announcements(again), again) == ""


def test_a_balance_is_nobodys_business() -> None:
    till = ready_till()
    found = announcements(till)
    till.on(BalanceRequested("b", "01"))
    till.on(CARD)
    till.on(from_host(answer(till.sent(), f54="1002156C000000012345")))
    assert said(found, till) == ""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_neither_card_nor_code_nor_reference_is_said(language: str) -> None:
    till = ready_till()
    till.on(from_host(answer(till.sell(means=CARD))))
    till.on(CardCompleted(agreed=True))
    (payment,) = view_of(till.counter, {})["payments"]
    words = sentence(payment, texts_in(language))
    assert words and not any(character.isdigit() for character in words) and PAN not in words


def test_an_amount_that_has_no_words_is_not_said() -> None:
    till = Till(profile=PROFILE.model_copy(update={"currency": "999"})).sign_on()
    found = announcements(till)
    till.on(from_host(answer(till.sell(means=CodePresented(CODE)))))
    assert said(found, till) == ""
