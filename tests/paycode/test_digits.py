"""Codes of 24 digits: what they pay, and every way in which one is refused."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import paycode
from paycode import Accepted, Reason, Refused, Trust, digits
from paycode.digits import DigitFacts, DigitRules, DigitTrust, DigitWallet, TerminalFacts, UserFacts
from tests.paycode.issuing import NOW

ISSUER = ("7710", bytes(range(16)))
USER = 123_456_789
SEED = bytes(range(32))
RULES = DigitRules()


def refreshed(user: int = USER, slots: range = range(8), seed: bytes = SEED) -> tuple[DigitWallet, UserFacts]:
    return digits.refresh(ISSUER, user, slots, seed, NOW)


WALLET, FACTS = refreshed()
CODE, _ = paycode.issue(WALLET, NOW)


def verdict(
    code: str, now: int = NOW, user: UserFacts | None = FACTS, terminal: TerminalFacts | None = None
) -> paycode.Verdict:
    users = {} if user is None else {user.user: user}
    trust = DigitTrust(dict([ISSUER]), users, terminal or TerminalFacts())
    return paycode.verify(code, now, Trust(digits=trust))


def refused(code: str, now: int = NOW, user: UserFacts | None = FACTS, **others: TerminalFacts) -> Refused:
    found = verdict(code, now, user, **others)
    assert isinstance(found, Refused), found
    return found


def test_a_code_says_who_pays_with_which_slot_and_is_used_up() -> None:
    found = verdict(CODE)
    assert isinstance(found, Accepted)
    assert found.says == digits.DigitCode(USER, 0, NOW // RULES.step_s)
    assert found.facts == DigitFacts(replace(FACTS, used=frozenset({0})), TerminalFacts())


def test_a_code_looks_like_any_payment_code_of_24_digits() -> None:
    assert len(CODE) == 24
    assert CODE.isdigit()
    assert CODE.startswith("7710")


def test_the_host_can_tell_whose_facts_to_load() -> None:
    assert digits.holder(CODE, dict([ISSUER])) == USER
    assert digits.holder("9999" + CODE[4:], dict([ISSUER])) is None
    assert digits.holder(CODE[:-1], dict([ISSUER])) is None


def test_no_two_codes_of_a_user_share_what_only_the_issuer_can_undo() -> None:
    codes, wallet = list[str](), WALLET
    while wallet.handles:
        code, wallet = paycode.issue(wallet, NOW)
        codes.append(code)
    handles = {code[4:18] for code in codes}
    assert len(handles) == len(codes) == 8
    # Not even the digits in one place are alike more often than chance has it.
    alike = [sum(a == b for a, b in zip(one[4:18], other[4:18], strict=True)) for one, other in pairwise(codes)]
    assert max(alike) < 8
    with pytest.raises(ValueError, match="online"):
        paycode.issue(wallet, NOW)


# Refusals, each by an attack that has a name -------------------------------------------------------------------------


def test_replayed_at_once_and_a_step_later() -> None:
    spent = replace(FACTS, used=frozenset({0}))
    assert refused(CODE, NOW, spent).reason is Reason.SLOT_USED
    again = WALLET.prefix + WALLET.handles[0] + digits.password(SEED, WALLET.handles[0], NOW // RULES.step_s + 1)
    assert refused(again, NOW + RULES.step_s, spent).reason is Reason.SLOT_USED


@pytest.mark.parametrize("late_s", [0, 29, 30, 59])
def test_a_code_lives_for_a_minute(late_s: int) -> None:
    assert isinstance(verdict(CODE, NOW + late_s), Accepted)


@pytest.mark.parametrize(
    ("late_s", "reason"), [(60, Reason.EXPIRED), (600, Reason.EXPIRED), (700, Reason.PASSWORD_WRONG)]
)
def test_expired(late_s: int, reason: Reason) -> None:
    assert refused(CODE, NOW + late_s).reason is reason


def test_from_a_phone_whose_clock_is_fast() -> None:
    assert isinstance(verdict(paycode.issue(WALLET, NOW + 30)[0]), Accepted)
    assert refused(paycode.issue(WALLET, NOW + 60)[0]).reason is Reason.FUTURE


@pytest.mark.parametrize("place", range(24))
def test_any_other_digit_in_any_place_is_refused(place: int) -> None:
    for digit in "0123456789".replace(CODE[place], ""):
        changed = CODE[:place] + digit + CODE[place + 1 :]
        wanted = {Reason.ISSUER_UNKNOWN} if place < 4 else {Reason.USER_UNKNOWN, Reason.SLOT_NOT_ISSUED}
        assert refused(changed).reason in (wanted if place < 18 else {Reason.PASSWORD_WRONG})


@pytest.mark.parametrize("code", [CODE[:-1], CODE + "0", "", CODE[:-1] + "x", "７" * 24])
def test_cut_too_long_or_no_digits(code: str) -> None:
    assert refused(code).reason is Reason.FORM_UNKNOWN


def test_password_of_another_users_seed() -> None:
    thief, _ = refreshed(seed=bytes(32))
    assert refused(paycode.issue(thief, NOW)[0]).reason is Reason.PASSWORD_WRONG


def test_password_of_another_handle() -> None:
    second, _ = paycode.issue(paycode.issue(WALLET, NOW)[1], NOW)
    assert refused(second[:-6] + CODE[-6:]).reason is Reason.PASSWORD_WRONG


def test_handle_of_another_issuer() -> None:
    other, _ = digits.refresh(("7710", bytes(16)), USER, range(8), SEED, NOW)
    assert refused(paycode.issue(other, NOW)[0]).reason in {Reason.USER_UNKNOWN, Reason.SLOT_NOT_ISSUED}


def test_a_user_who_is_not_known_here() -> None:
    assert refused(CODE, user=None).reason is Reason.USER_UNKNOWN


def test_a_slot_of_before_the_last_refresh() -> None:
    _, now_known = refreshed(slots=range(8, 16))
    assert refused(CODE, user=now_known).reason is Reason.SLOT_NOT_ISSUED


def test_a_phone_that_was_offline_for_too_long() -> None:
    late = NOW + RULES.seed_age_max_s
    assert isinstance(verdict(paycode.issue(WALLET, late)[0], late), Accepted)
    assert refused(paycode.issue(WALLET, late + 1)[0], late + 1).reason is Reason.SEED_TOO_OLD


def test_a_host_whose_clock_was_set_back() -> None:
    assert refused(paycode.issue(WALLET, NOW - 61)[0], NOW - 61).reason is Reason.SEED_FUTURE


# Limits on trying ----------------------------------------------------------------------------------------------------


def wrong(number: int) -> str:
    right = int(CODE[-6:])
    return CODE[:-6] + f"{(right + 1 + number) % 10**6:06d}"


def test_wrong_passwords_lock_the_user_until_the_first_has_passed() -> None:
    user, terminal = FACTS, TerminalFacts()
    for number in range(RULES.user_failures_max):
        found = refused(wrong(number), NOW + number, user, terminal=terminal)
        assert found.reason is Reason.PASSWORD_WRONG
        assert found.facts is not None and found.facts.user is not None
        user, terminal = found.facts.user, found.facts.terminal
    assert user.failed_at == (NOW, NOW + 1, NOW + 2, NOW + 3, NOW + 4)
    locked = refused(CODE, NOW + 5, user)
    assert locked.reason is Reason.USER_LOCKED
    assert locked.facts is not None and locked.facts.user == user
    later = NOW + RULES.failures_s
    freed = verdict(paycode.issue(WALLET, later)[0], later, user)
    assert isinstance(freed, Accepted)


def test_failed_tries_of_any_kind_lock_the_terminal_and_stay_bounded() -> None:
    terminal = TerminalFacts()
    for number in range(RULES.terminal_failures_max):
        found = refused(f"7710{number:020d}", NOW, terminal=terminal)
        assert found.facts is not None
        terminal = found.facts.terminal
    locked = refused(CODE, NOW, terminal=terminal)
    assert locked.reason is Reason.TERMINAL_LOCKED
    assert locked.facts is not None and len(locked.facts.terminal.failed_at) == RULES.terminal_failures_max
    assert isinstance(verdict(CODE, NOW, terminal=TerminalFacts((NOW - RULES.failures_s,) * 99)), Accepted)


def test_a_clock_set_back_opens_no_lock() -> None:
    terminal = TerminalFacts((NOW + 10_000,) * RULES.terminal_failures_max)
    assert refused(CODE, NOW, terminal=terminal).reason is Reason.TERMINAL_LOCKED


def test_an_honest_code_forgives_the_users_failures_but_not_the_terminals() -> None:
    found = verdict(CODE, NOW, replace(FACTS, failed_at=(NOW - 1,)), TerminalFacts((NOW - 1,)))
    assert isinstance(found, Accepted)
    assert found.facts == DigitFacts(replace(FACTS, used=frozenset({0})), TerminalFacts((NOW - 1,)))


def test_a_late_code_is_no_wrong_password() -> None:
    found = refused(CODE, NOW + 120)
    assert found.facts == DigitFacts(FACTS, TerminalFacts((NOW + 120,)))


# The password --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "password"),
    [(59, "46119246"), (1111111109, "68084774"), (1234567890, "91819424"), (20000000000, "77737706")],
)
def test_a_mac_is_cut_as_rfc_6238_shows_it_for_sha_256(time: int, password: str) -> None:
    import hmac

    mac = hmac.digest(b"12345678901234567890123456789012", (time // 30).to_bytes(8, "big"), "sha256")
    assert digits.cut(mac, 8) == password


@settings(max_examples=50)
@given(
    st.integers(0, 10**10 - 1), st.integers(0, 10**4 - 1), st.binary(min_size=32, max_size=32), st.integers(NOW, 2**40)
)
def test_whatever_is_issued_is_accepted(user: int, slot: int, seed: bytes, now: int) -> None:
    wallet, facts = digits.refresh(ISSUER, user, range(slot, slot + 1), seed, now)
    found = verdict(paycode.issue(wallet, now)[0], now, facts)
    assert isinstance(found, Accepted)
    assert found.says == digits.DigitCode(user, slot, now // 30)


@pytest.mark.parametrize(
    ("issuer", "user", "slots", "seed", "told"),
    [
        (("771", bytes(16)), 1, range(1), SEED, "prefix"),
        (("77１0", bytes(16)), 1, range(1), SEED, "prefix"),
        (ISSUER, -1, range(1), SEED, "user's number"),
        (ISSUER, 10**10, range(1), SEED, "user's number"),
        (ISSUER, 1, range(65), SEED, "slots"),
        (ISSUER, 1, range(0), SEED, "slots"),
        (ISSUER, 1, range(9_999, 10_001), SEED, "slots"),
        (ISSUER, 1, range(0, 4, 2), SEED, "slots"),
        (ISSUER, 1, range(1), SEED[1:], "seed"),
    ],
)
def test_an_issuer_is_told_what_it_cannot_give(
    issuer: tuple[str, bytes], user: int, slots: range, seed: bytes, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        digits.refresh(issuer, user, slots, seed, NOW)


def test_nothing_shows_a_seed_a_handle_or_a_whole_user() -> None:
    shown = repr((WALLET, FACTS, verdict(CODE), refused(CODE, NOW + 90), DigitTrust(dict([ISSUER]), {USER: FACTS})))
    for secret in (SEED.hex(), repr(SEED)[2:10], str(USER), ISSUER[1].hex(), *WALLET.handles, CODE):
        assert secret not in shown
    assert "6789" in shown
