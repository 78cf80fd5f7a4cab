"""Codes that a phone has made without a network: accepted once, refused with a reason of its own, counted once."""

import pytest

from host_switch.events import Decision, Persist, PhoneGiven, PhoneTaken
from host_switch.frames import decoded
from host_switch.invariants import breaches, codes_pay_once
from host_switch.phone_codes import ATTACKS, REFUSALS, RULES, one_time_part, wallet_of
from host_switch.records import CodeSpent, Leg, Outcome
from host_switch.store import Books
from iso8583.response_codes import RESPONSE_CODES
from paycode import digits
from tests.host_switch.phone import SEED, USER, failures_at, phone_of, user_of, with_password
from tests.host_switch.room import CODE_KEYS, POLICY, Room
from tests.host_switch.till import PAN, Till

BALANCE = 10_000 * 100
DAY_S = 86_400


def tried(room: Room, till: Till, code: str, amount: int = 1234) -> str:
    """What a sale with a code is answered."""
    return room.talk(till, till.qr_sale(code, amount)).text(39)


def kinds(room: Room) -> list[str]:
    return [event.kind for event in room.events()]


# --- a code that is good ----------------------------------------------------------------------------------------------


def test_a_code_pays_from_its_users_account(room: Room, till: Till) -> None:
    phone = phone_of(room)
    answer = room.talk(till, till.qr_sale(phone.code()))
    assert answer[39] == "00" and 2 not in answer
    assert room.issuer.balance(PAN) == BALANCE - 1234
    assert room.owed_to_merchant() == 1234
    assert (len(phone.user.codes.used), kinds(room)) == (1, [])


def test_the_issuer_is_asked_for_the_account_and_never_sees_the_code(room: Room, till: Till) -> None:
    room.frame(till, till.qr_sale(phone_of(room).code()))
    (call,) = room.take_calls()
    assert (call.pan, call.code, call.kind, call.pin_block, call.track2) == (PAN, "", "qr_sale", b"", "")


def test_only_first_and_last_digits_of_a_code_are_kept(room: Room, till: Till) -> None:
    code = phone_of(room).code()
    sale = till.qr_sale(code)
    room.talk(till, sale)
    row = room.row(sale)
    assert (row.masked, row.pan) == (f"77{'*' * 18}{code[-4:]}", "")
    assert code not in repr(room.books()) and code[4:18] not in repr(room.books())


def test_what_pays_is_written_before_the_issuer_is_called(room: Room, till: Till) -> None:
    """All in one commit: the process may die before it, and nothing has happened, or after it, and all has."""
    phone = phone_of(room)
    code = phone.code()
    persist, _ = room.frame(till, till.qr_sale(code)).effects
    assert isinstance(persist, Persist)
    row, user, spent = persist.changes
    assert (row.outcome, row.leg) == (Outcome.PENDING, Leg.CALLED)  # type: ignore[union-attr]
    assert user == phone.user
    assert spent == CodeSpent(one_time_part(code, POLICY.content_key), 1)


def test_a_sale_by_code_is_voided_refunded_and_reversed_like_any_other(room: Room, till: Till) -> None:
    phone = phone_of(room)
    for undo in ("void", "refund", "reversal"):
        sale = till.qr_sale(phone.code())
        reference = room.talk(till, sale).text(37)
        ways = {
            "void": till.void(sale, reference), "refund": till.refund(sale, reference, 1234),
            "reversal": till.reversal(sale),
        }  # fmt: skip
        room.frame(till, ways[undo])
        room.issue()
    assert room.issuer.balance(PAN) == BALANCE
    assert room.owed_to_merchant() == 0


def test_a_code_whose_sale_was_reversed_does_not_pay_again(room: Room, till: Till) -> None:
    code = phone_of(room).code()
    sale = till.qr_sale(code)
    room.talk(till, sale)
    room.frame(till, till.reversal(sale))
    room.issue()
    assert tried(room, till, code) == "P7"


def test_a_code_of_a_reversal_that_came_first_is_not_even_looked_at(room: Room, till: Till) -> None:
    phone = phone_of(room)
    code = phone.code()
    late = till.qr_sale(code)
    room.frame(till, till.reversal(late))
    assert room.talk(till, late)[39] == "94"
    assert tried(room, till, code) == "00"


def test_what_the_issuer_declines_uses_the_code_up(room: Room, till: Till) -> None:
    code = phone_of(room).code()
    assert tried(room, till, code, BALANCE + 1) == "51"
    assert tried(room, till, code) == "P7"


def test_what_the_host_refuses_before_looking_at_the_code_leaves_it_good(room: Room, till: Till) -> None:
    code = phone_of(room).code()
    assert tried(room, till, code, 0) == "13"
    assert tried(room, till, code) == "00"


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_every_reason_has_a_response_code_of_its_own_with_words() -> None:
    assert len(set(REFUSALS.values())) == len(REFUSALS) == 11
    assert REFUSALS.keys() >= ATTACKS.keys()
    assert RESPONSE_CODES.keys() >= set(REFUSALS.values())


def test_a_code_works_for_a_minute_and_not_before_its_time(room: Room, till: Till) -> None:
    phone = phone_of(room)
    room.now += DAY_S
    answers = {late_s: tried(room, till, phone.code(late_s=late_s)) for late_s in (30, -30, 60, -60, 600, -600, 700)}
    assert answers == {30: "00", -30: "00", 60: "P9", -60: "PA", 600: "P9", -600: "PA", 700: "P8"}


def test_a_code_with_a_wrong_password_is_refused_and_told(room: Room, till: Till) -> None:
    phone = phone_of(room)
    code = phone.code()
    assert tried(room, till, with_password(code)) == "P8"
    (event,) = room.events()
    assert (event.severity, event.kind) == ("security", "payment code with a wrong password")
    assert event.text == "******0001"
    assert tried(room, till, code) == "00", "a wrong password spends nothing"
    assert phone.user.codes.failed_at == (), "and a payment clears the failures of its user"


def test_a_handle_that_was_made_up_is_of_nobody(room: Room, till: Till) -> None:
    phone_of(room)
    assert tried(room, till, "7710" + "1" * 20) == "P2"
    assert kinds(room) == ["payment code of nobody"]


def test_a_generation_that_the_host_has_no_key_for_is_unknown(room: Room, till: Till) -> None:
    assert tried(room, till, "7719" + "1" * 20) == "P1"
    assert kinds(room) == []


def test_other_wallets_codes_of_24_digits_go_to_the_issuer(room: Room, till: Till) -> None:
    room.frame(till, till.qr_sale("28" + "1" * 22))
    assert room.take_calls()[0].code == "28" + "1" * 22


def test_handles_that_were_given_before_end_when_the_phone_goes_online(room: Room, till: Till) -> None:
    before = phone_of(room)
    after = phone_of(room, seed=bytes(32))
    assert tried(room, till, before.code()) == "P3"
    assert kinds(room) == ["payment code with a handle that is not valid"]
    assert tried(room, till, after.code()) == "00"


def test_a_phone_that_is_lost_pays_nothing_until_it_is_given_new_handles(room: Room, till: Till) -> None:
    phone = phone_of(room)
    room.decide(PhoneTaken(USER))
    assert tried(room, till, phone.code()) == "P3"
    room.decide(PhoneGiven(USER, bytes(32), int(room.now)))
    assert tried(room, till, phone.code()) == "P3"
    assert phone.user.codes.slots == range(64, 128)


def test_a_phone_must_go_online_once_a_week(room: Room, till: Till) -> None:
    phone = phone_of(room)
    room.now += RULES.seed_age_max_s
    assert tried(room, till, phone.code()) == "00"
    room.now += 1
    assert tried(room, till, phone.code()) == "P5"


def test_a_seed_from_the_future_pays_nothing(room: Room, till: Till) -> None:
    """The host's clock was set back, or the order came from a machine whose clock is wrong."""
    phone = phone_of(room)
    room.now -= DAY_S
    assert tried(room, till, phone.code()) == "P6"


@pytest.mark.parametrize("name", ["12345678", "87654321"])
def test_a_code_is_good_once_at_whatever_terminal_it_comes_again(name: str, room: Room, till: Till) -> None:
    again = till if name == till.id else room.till(name)
    code = phone_of(room).code()
    assert tried(room, till, code) == "00"
    assert tried(room, again, code) == "P7"
    assert kinds(room) == ["payment code used again"]
    assert room.issuer.balance(PAN) == BALANCE - 1234


# --- once, however often it is asked ----------------------------------------------------------------------------------


def test_the_same_request_again_is_answered_from_the_store_and_counts_nothing(room: Room, till: Till) -> None:
    phone = phone_of(room)
    wrong = till.qr_sale(with_password(phone.code()))
    good = till.qr_sale(phone.code())
    first = [room.talk(till, wrong), room.talk(till, good)]
    assert [room.talk(till, wrong), room.talk(till, good)] == first
    assert [answer[39] for answer in first] == ["P8", "00"]
    assert failures_at(room, decoded("line", till.frame(wrong))) == 1
    assert room.issuer.balance(PAN) == BALANCE - 1234
    assert len(kinds(room)) == 1


def test_two_terminals_with_one_code_get_in_each_others_way(room: Room, till: Till) -> None:
    """So they never share a batch, and the second is decided on what the first has left."""
    other = room.till("87654321")
    phone = phone_of(room)
    code = phone.code()
    frames = [decoded("a", till.frame(till.qr_sale(code))), decoded("b", other.frame(other.qr_sale(code)))]
    one, two = room.store.facts_for(frames)
    assert one.touched.clashes_with(two.touched)
    next_code = decoded("b", other.frame(other.qr_sale(phone.code())))
    order = PhoneGiven(USER, SEED, int(room.now))
    for event in (next_code, order):
        assert one.touched.clashes_with(room.store.facts_for([event])[0].touched), "nor does anything of that user"


def test_two_users_at_two_terminals_do_not(room: Room, till: Till) -> None:
    other = room.till("87654321")
    first, second = phone_of(room), phone_of(room, USER + 1)
    frames = [
        decoded("a", till.frame(till.qr_sale(first.code()))), decoded("b", other.frame(other.qr_sale(second.code()))),
    ]  # fmt: skip
    one, two = room.store.facts_for(frames)
    assert not one.touched.clashes_with(two.touched)


# --- tries are counted ------------------------------------------------------------------------------------------------


def test_five_wrong_passwords_lock_the_user_at_every_terminal_for_an_hour(room: Room, till: Till) -> None:
    other = room.till("87654321")
    phone = phone_of(room)
    code = phone.code()
    answers = [tried(room, (till, other)[change % 2], with_password(code, change)) for change in range(1, 6)]
    assert answers == ["P8"] * 5
    assert kinds(room)[-1] == "payment codes of a user locked"
    told = len(kinds(room))
    assert tried(room, other, phone.code()) == "P4"
    assert len(kinds(room)) == told, "what is tried at a closed lock is not told again"
    room.now += RULES.failures_s
    assert tried(room, other, phone.code()) == "00"


def test_going_online_does_not_open_a_users_lock(room: Room, till: Till) -> None:
    code = phone_of(room).code()
    for change in range(1, 6):
        tried(room, till, with_password(code, change))
    assert tried(room, till, phone_of(room, seed=bytes(32)).code()) == "P4"


def test_thirty_failed_tries_lock_a_terminal_for_every_user_and_no_other_terminal(room: Room, till: Till) -> None:
    other = room.till("87654321")
    phone = phone_of(room)
    for number in range(RULES.terminal_failures_max):
        assert tried(room, till, f"7710{number:020d}") == "P2"
    assert kinds(room)[-1] == "payment codes at a terminal locked"
    told = len(kinds(room))
    assert tried(room, till, phone.code()) == "P0"
    assert len(kinds(room)) == told
    assert tried(room, other, phone.code()) == "00"
    room.now += RULES.failures_s
    assert tried(room, till, phone.code()) == "00"


# --- orders, handles, generations -------------------------------------------------------------------------------------


def test_a_user_without_an_account_is_not_made(room: Room) -> None:
    assert room.decide(PhoneGiven(USER, SEED, int(room.now))) == Decision()
    assert room.decide(PhoneTaken(USER)) == Decision()
    assert user_of(room, USER) is None


def test_no_slot_is_ever_given_twice(room: Room) -> None:
    given = [phone_of(room, seed=bytes([number] * 32)).wallet.handles for number in range(5)]
    assert len({handle for handles in given for handle in handles}) == 5 * digits.HANDLES_MAX


def test_when_the_slots_are_used_up_the_next_generation_begins(room: Room, till: Till) -> None:
    phone = phone_of(room)
    rounds = -(-digits.SLOTS // digits.HANDLES_MAX)
    for _ in range(rounds):
        phone = phone_of(room)
    assert (phone.wallet.prefix, phone.user.codes.slots) == ("7711", range(digits.HANDLES_MAX))
    assert tried(room, till, phone.code()) == "00"
    for _ in range(rounds):
        room.decide(PhoneGiven(USER, SEED, int(room.now)))
    assert len(phone.user.codes.slots) == 0, "with the last generation it ends"
    with pytest.raises(ValueError, match="slots"):
        wallet_of(phone.user, CODE_KEYS)


# --- the books --------------------------------------------------------------------------------------------------------


def test_the_books_tell_a_code_that_has_paid_twice(room: Room, till: Till) -> None:
    phone = phone_of(room)
    for _ in range(2):
        assert tried(room, till, phone.code()) == "00"
    books = room.books()
    spent = tuple(CodeSpent(b"the same handle", row.number) for row in books.transactions)
    twice = Books(books.terminals, books.transactions, books.records, books.batches, books.events, spent)
    assert [breach.validation for breach in breaches(twice)] == ["codes pay once"] * 2
    missing = Books((), (), (), (), (), spent[:1])
    assert [breach.text for breach in codes_pay_once(missing)] == ["a code was spent for what is no scanned sale"]
