"""The issuer twin keeps an issuer's promises: idempotent, never in doubt about its own books, strict about cards."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from iso8583 import Message
from iso8583.emv_crypto import arpc, card_key, session_key
from iso8583.security import encrypt_pin_block, pin_block_iso0
from iso8583.tlv import parse_tlv
from iso8583.unionpay import Balance54
from simulators.issuer import (
    GOLDEN_CHIP_KEY,
    ZONE_PIN_KEY,
    Account,
    Issuer,
    Mood,
    default_accounts,
)

PAN = "6299990000000009"
CODE = "6207" + "1" * 15
# The golden card's online request: 12.34, ATC 0007, ARQC E59D6F475599E75D.
CHIP = bytes.fromhex(
    "9F2608E59D6F475599E75D9F2701809F100807010103A00000019F37041A2B3C4D9F36020007950500000480009A032601159C01009F0206"
    "0000000012345F2A02015682027D009F1A0201569F0306000000000000"
)


@pytest.fixture
def bank() -> Issuer:
    return Issuer(default_accounts())


numbers: Iterator[int] = iter(range(1, 10**6))


def request(mti: str = "0200", code: str = "000000", amount: int = 1234, **changed: str | bytes) -> Message:
    number = next(numbers)
    fields: dict[int, str | bytes] = {
        2: PAN, 3: code, 4: f"{amount:012d}", 11: f"{number % 10**6:06d}", 37: f"{number:012d}", 41: "12345678",
        42: "898110053110001", 49: "156",
    }  # fmt: skip
    return Message(mti, fields | {int(name[1:]): value for name, value in changed.items()})


def ask(bank: Issuer, message: Message) -> Message:
    """Ask, make the changes, and take the one answer."""
    verdict = bank.decide(message, 0.0)
    bank.spend_mood(message)
    bank.apply(verdict.changes)
    (answer,) = verdict.answers
    return answer.message


def reversal(message: Message) -> Message:
    return Message("0400", {n: v for n, v in message.items() if n in {3, 4, 11, 37, 41, 42, 49}})


def give_back(kind: str, sale: Message, amount: int) -> Message:
    return request("0220" if kind == "refund" else "0200", "200000", amount, f48=f"OR012{sale.text(37)}")


# --- sales ------------------------------------------------------------------------------------------------------------


def test_a_sale_takes_the_money_and_names_its_authorisation(bank: Issuer) -> None:
    answer = ask(bank, request(f37="000000000042", f11="000042"))
    assert (answer.mti, answer[39], answer[38], answer[44]) == ("0210", "00", "000042", "01020000")
    assert bank.balance(PAN) == 1_000_000 - 1234


def test_the_same_reference_again_gets_the_same_answer_and_moves_nothing(bank: Issuer) -> None:
    message = request(f55=CHIP, f23="001")
    assert ask(bank, message) == ask(bank, message)
    assert bank.balance(PAN) == 1_000_000 - 1234


def test_deciding_alone_changes_nothing(bank: Issuer) -> None:
    bank.decide(request(), 0.0)
    assert bank.balance(PAN) == 1_000_000


DECLINED = {
    "unknown card": ({"f2": "6299990000000504"}, "14"),
    "no card at all": ({"f2": ""}, "14"),
    "insufficient funds": ({"f4": "000001000001"}, "51"),
    "card that is refused": ({"f2": "6299990000000025"}, "51"),
    "lost card": ({"f2": "6299990000000033"}, "41"),
    "wrong expiry": ({"f14": "2912"}, "54"),
    "malformed chip data": ({"f55": b"\x9f\x26\xff"}, "30"),
    "chip data without a cryptogram": ({"f55": bytes.fromhex("9F36020007")}, "30"),
    "unknown original": ({"f3": "200000", "f48": "OR012999999999999"}, "25"),
}


@pytest.mark.parametrize("case", DECLINED)
def test_declines_have_their_codes(case: str, bank: Issuer) -> None:
    changed, code = DECLINED[case]
    assert ask(bank, request(**changed))[39] == code  # type: ignore[arg-type]
    assert bank.balance(PAN) == 1_000_000


def test_a_decline_is_remembered_like_an_approval(bank: Issuer) -> None:
    message = request(amount=2_000_000)
    ask(bank, message)
    bank.apply([replace(Account(PAN, 9_000_000), pin=b"123456", chip_key=GOLDEN_CHIP_KEY)])
    assert ask(bank, message)[39] == "51"


def test_an_inquiry_tells_the_balance(bank: Issuer) -> None:
    answer = ask(bank, request(code="310000", amount=0))
    assert Balance54.parse(answer.text(54)).amount == 1_000_000


# --- PIN and chip -----------------------------------------------------------------------------------------------------


def with_pin(pin: bytes, key: bytes = ZONE_PIN_KEY, pan: str = PAN) -> Message:
    return request(f52=encrypt_pin_block(key, pin_block_iso0(bytearray(pin), pan)))


def test_the_right_pin_is_taken_and_a_wrong_one_is_not(bank: Issuer) -> None:
    assert [ask(bank, with_pin(pin))[39] for pin in (b"123456", b"123457", b"1234")] == ["00", "55", "55"]


def test_after_three_wrong_pins_the_right_one_does_not_help(bank: Issuer) -> None:
    codes = [ask(bank, with_pin(pin))[39] for pin in (b"0000", b"1111", b"2222", b"123456")]
    assert codes == ["55", "55", "55", "75"]


def test_a_right_pin_in_between_forgives_the_wrong_ones(bank: Issuer) -> None:
    for _ in range(2):
        assert [ask(bank, with_pin(pin))[39] for pin in (b"0000", b"1111", b"123456")] == ["55", "55", "00"]


@pytest.mark.parametrize(("key", "pan"), [(bytes(range(16)), PAN), (ZONE_PIN_KEY, "6299990000000017")])
def test_a_pin_block_under_another_key_or_of_another_card_is_a_wrong_pin(key: bytes, pan: str, bank: Issuer) -> None:
    assert ask(bank, with_pin(b"123456", key, pan))[39] == "55"


def test_the_golden_cards_cryptogram_is_good_and_answered_with_the_arpc(bank: Issuer) -> None:
    answer = ask(bank, request(f55=CHIP, f23="001"))
    assert answer[39] == "00"
    assert parse_tlv(answer.binary(55)) == {0x91: bytes.fromhex("DEF730A40E807121") + b"00"}


def test_a_decline_has_an_arpc_of_its_own_code(bank: Issuer) -> None:
    message = request(f55=CHIP, f23="001", f14="2912")
    proof = parse_tlv(ask(bank, message).binary(55))[0x91]
    key = session_key(card_key(GOLDEN_CHIP_KEY, PAN, "001"), bytes.fromhex("0007"))
    assert proof == arpc(key, bytes.fromhex("E59D6F475599E75D"), b"54") + b"54"


def test_a_cryptogram_over_other_data_is_refused(bank: Issuer) -> None:
    changed = CHIP.replace(bytes.fromhex("1A2B3C4D"), bytes.fromhex("1A2B3C4E"))
    assert ask(bank, request(f55=changed, f23="001"))[39] == "59"


def test_a_cryptogram_for_another_amount_is_refused(bank: Issuer) -> None:
    assert ask(bank, request(amount=9999, f55=CHIP, f23="001"))[39] == "59"


# --- reversals, voids, refunds ----------------------------------------------------------------------------------------


def test_a_reversal_gives_the_money_back_once(bank: Issuer) -> None:
    sale = request()
    ask(bank, sale)
    answers = [ask(bank, reversal(sale)) for _ in range(2)]
    assert [(answer.mti, answer[39]) for answer in answers] == [("0410", "00")] * 2
    assert bank.balance(PAN) == 1_000_000


def test_a_reversal_that_overtakes_its_sale_is_remembered(bank: Issuer) -> None:
    sale = request()
    assert ask(bank, reversal(sale))[39] == "00"
    assert ask(bank, sale)[39] == "94"
    assert bank.balance(PAN) == 1_000_000


def test_a_reversed_sale_asked_again_is_told_what_was_told_and_takes_nothing(bank: Issuer) -> None:
    sale = request()
    first = ask(bank, sale)
    ask(bank, reversal(sale))
    assert ask(bank, sale) == first
    assert bank.balance(PAN) == 1_000_000


def test_reversing_a_decline_moves_nothing(bank: Issuer) -> None:
    sale = request(amount=2_000_000)
    ask(bank, sale)
    assert ask(bank, reversal(sale))[39] == "00"
    assert bank.balance(PAN) == 1_000_000


GIVEN_BACK = [("void", 1234, "00"), ("void", 1000, "64"), ("refund", 1000, "00"), ("refund", 1235, "61")]


@pytest.mark.parametrize(("kind", "amount", "code"), GIVEN_BACK)
def test_voids_are_whole_and_refunds_no_more_than_the_sale(kind: str, amount: int, code: str, bank: Issuer) -> None:
    sale = request()
    ask(bank, sale)
    assert ask(bank, give_back(kind, sale, amount))[39] == code
    assert bank.balance(PAN) == 1_000_000 - 1234 + (amount if code == "00" else 0)


def test_refunds_add_up(bank: Issuer) -> None:
    sale = request()
    ask(bank, sale)
    assert [ask(bank, give_back("refund", sale, 500))[39] for _ in range(3)] == ["00", "00", "61"]


def test_a_sale_is_voided_once_and_a_reversed_void_lets_it_be_voided_again(bank: Issuer) -> None:
    sale = request()
    ask(bank, sale)
    void = give_back("void", sale, 1234)
    assert [ask(bank, void)[39], ask(bank, give_back("void", sale, 1234))[39]] == ["00", "12"]
    ask(bank, reversal(void))
    assert bank.balance(PAN) == 1_000_000 - 1234
    assert ask(bank, give_back("void", sale, 1234))[39] == "00"


def test_a_reversed_sale_is_not_refunded(bank: Issuer) -> None:
    sale = request()
    ask(bank, sale)
    ask(bank, reversal(sale))
    assert ask(bank, give_back("refund", sale, 1))[39] == "25"


# --- codes ------------------------------------------------------------------------------------------------------------


def scanned(code: str, amount: int = 1234) -> Message:
    return request(amount=amount, f48=f"A3{len(code):03d}{code}").without(2)


def test_a_code_pays_from_its_users_account_and_names_the_voucher(bank: Issuer) -> None:
    message = scanned(CODE)
    assert ask(bank, message)[48] == f"A4013W{message.text(37)}"
    assert bank.balance("6207") == 1_000_000 - 1234


def test_a_code_is_used_once_also_by_another_terminal(bank: Issuer) -> None:
    ask(bank, scanned(CODE))
    assert ask(bank, scanned(CODE))[39] == "22"
    assert bank.balance("6207") == 1_000_000 - 1234


def test_the_same_request_with_the_same_code_is_the_same_payment(bank: Issuer) -> None:
    message = scanned(CODE)
    assert ask(bank, message) == ask(bank, message)


@pytest.mark.parametrize(("code", "answer"), [("1234567890123456789", "14"), ("62071", "22"), (f"{CODE}1", "22")])
def test_other_codes_are_refused(code: str, answer: str, bank: Issuer) -> None:
    assert ask(bank, scanned(code))[39] == answer


def test_a_code_that_was_declined_may_be_used_later(bank: Issuer) -> None:
    ask(bank, scanned(CODE, 2_000_000))
    assert ask(bank, scanned(CODE))[39] == "00"


# --- moods ------------------------------------------------------------------------------------------------------------


def test_dropping_does_the_work_and_says_nothing(bank: Issuer) -> None:
    bank.mood = Mood("drop")
    verdict = bank.decide(request(), 0.0)
    assert verdict.answers == ()
    bank.apply(verdict.changes)
    assert bank.balance(PAN) == 1_000_000 - 1234


def test_losing_does_nothing(bank: Issuer) -> None:
    bank.mood = Mood("lose")
    verdict = bank.decide(request(), 0.0)
    assert (verdict.changes, verdict.answers) == ((), ())


def test_delaying_answers_later(bank: Issuer) -> None:
    bank.mood = Mood("delay", delay_s=3.0)
    assert [answer.delay_s for answer in bank.decide(request(), 0.0).answers] == [3.0]


def test_contradicting_says_both(bank: Issuer) -> None:
    bank.mood = Mood("contradict", code="05")
    assert [answer.message[39] for answer in bank.decide(request(), 0.0).answers] == ["00", "05"]
    assert [answer.message[39] for answer in bank.decide(request(amount=2_000_000), 0.0).answers] == ["51", "00"]


def test_declining_uses_its_code_and_moves_nothing(bank: Issuer) -> None:
    bank.mood = Mood("decline", code="61")
    assert ask(bank, request())[39] == "61"
    assert bank.balance(PAN) == 1_000_000


def test_a_mood_passes_after_its_times_and_may_be_for_one_kind_of_message(bank: Issuer) -> None:
    bank.mood = Mood("decline", times=1, only="02")
    sale = request()
    assert ask(bank, reversal(request()))[39] == "00"
    assert [ask(bank, sale)[39], ask(bank, request())[39]] == ["05", "00"]


def test_secrets_do_not_show_in_text(bank: Issuer) -> None:
    account = default_accounts()[0]
    assert PAN not in repr(account)
    assert "123456" not in repr(account)
    verdict = bank.decide(scanned(CODE), 0.0)
    assert CODE not in repr(verdict)
