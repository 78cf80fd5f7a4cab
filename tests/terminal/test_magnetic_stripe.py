"""What a swipe says: every fault by its name, check characters bit by bit, and what the service code allows."""

import pytest

from terminal.magnetic_stripe import SWIPE_LENGTH_MAX, Chip, Stripe, SwipeFailed, lrc_of, read_swipe, refusal_of

PAN = "6299990000000017"
TRACK1, TRACK2 = f"%B{PAN}^TEST/CARD ^3012220123?", f";{PAN}=3012220123?"
TRACK3 = f"99{PAN}=156156=000"
GOOD = Stripe(PAN, "3012", "220", f"{PAN}D3012220123")


def parity_of(characters: str, first: str, bits: int) -> str:
    """ISO/IEC 7811-6: each bit of the check character makes the number of ones in its row even; counted, not XORed."""
    values = [ord(character) - ord(first) for character in characters]
    return chr(ord(first) + sum(1 << bit for bit in range(bits) if sum(value >> bit & 1 for value in values) % 2))


LRC1 = parity_of(TRACK1, " ", 6)
LRC2 = parity_of(TRACK2, "0", 4)
LRC3 = parity_of(f";{TRACK3}?", "0", 4)


@pytest.mark.parametrize("line", [TRACK2, TRACK1 + TRACK2, "%E?" + TRACK2, "%?" + TRACK2 + "+E?", TRACK2 + "+?"])
def test_track_2_is_what_a_payment_needs(line: str) -> None:
    assert read_swipe(line) == GOOD


@pytest.mark.parametrize("start", [";", "+"])
def test_track_3_goes_along(start: str) -> None:
    stripe = read_swipe(f"{TRACK1}{TRACK2}{start}{TRACK3}?")
    assert stripe == Stripe(PAN, "3012", "220", GOOD.track2, TRACK3.replace("=", "D"))


def test_track_3_of_another_kind_stays_behind_and_so_does_track_1() -> None:
    assert read_swipe(f"%AOTHER KIND?{TRACK2}+0123456789?") == GOOD
    assert read_swipe(f"{TRACK2}+99{PAN}=?") == GOOD


def test_check_characters_are_taken_where_they_are_handed_out() -> None:
    assert read_swipe(f"{TRACK1}{LRC1}{TRACK2}{LRC2}+{TRACK3}?{LRC3}", with_lrc=True) == read_swipe(
        f"{TRACK1}{TRACK2}+{TRACK3}?"
    )
    assert read_swipe(f"%E?{TRACK2}{LRC2}+?", with_lrc=True) == GOOD


def test_a_check_character_that_looks_like_a_sentinel_is_none() -> None:
    for filler in range(10_000):
        data = f"{PAN}=3012220{filler:04d}"
        if lrc_of(2, data) in ";?":
            assert read_swipe(f"%E?;{data}?{lrc_of(2, data)}+E?", with_lrc=True) == Stripe(
                PAN, "3012", "220", data.replace("=", "D")
            )
            return
    raise AssertionError("there is such a check character")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "swipe_unreadable"),
        (TRACK1, "swipe_unreadable"),
        (TRACK1 + ";E?", "swipe_unreadable"),
        (";?", "swipe_unreadable"),
        ("%E?;E?+E?", "swipe_unreadable"),
        (PAN, "swipe_garbled"),
        (TRACK2 + "x", "swipe_garbled"),
        (TRACK2 + TRACK1, "swipe_garbled"),
        (TRACK2 * 3, "swipe_garbled"),
        (TRACK2.replace("=", "A"), "swipe_garbled"),
        (TRACK1.replace("T", "t") + TRACK2, "swipe_garbled"),
        (TRACK2.replace("3", "\x00"), "swipe_garbled"),
        (TRACK2.replace("3", "\xb3"), "swipe_garbled"),
        (TRACK2[:-1], "swipe_broken_off"),
        (TRACK2 + "+99", "swipe_broken_off"),
        (f";{PAN}=3012220{'0' * 14}?", "swipe_too_long"),
        (TRACK2 + f"+{'0' * 105}?", "swipe_too_long"),
        (f"%B{PAN}^{'A' * 59}?" + TRACK2, "swipe_too_long"),
        ("%" * (SWIPE_LENGTH_MAX + 1), "swipe_too_long"),
        (";0123456789?", "swipe_no_bank_card"),
        (f";{PAN}=301222?", "swipe_no_bank_card"),
        (f";{PAN[:12]}=3012220?", "swipe_no_bank_card"),
        (f";{PAN}=3012220=1?", "swipe_no_bank_card"),
        (f";{PAN}=3013220?", "swipe_no_date"),
        (f";{PAN}=3000220?", "swipe_no_date"),
        (";6299990000000018=3012220123?", "swipe_number_wrong"),
        (TRACK1.replace("0017", "0009") + TRACK2, "swipe_contradicts_itself"),
        (TRACK1.replace("3012220", "3012120") + TRACK2, "swipe_contradicts_itself"),
        (TRACK2 + f"+{TRACK3.replace('0017', '0009')}?", "swipe_contradicts_itself"),
    ],
)
def test_every_fault_has_its_name(line: str, reason: str) -> None:
    assert read_swipe(line) == SwipeFailed(reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{TRACK2}{LRC2}".replace("0123?", "0124?"), "swipe_check_failed"),
        (f"{TRACK1}{LRC1}{TRACK2}>", "swipe_check_failed"),
        (f"{TRACK1}{TRACK2}", "swipe_check_failed"),
        (TRACK2, "swipe_broken_off"),
    ],
)
def test_a_check_character_that_is_wrong_or_missing_refuses_the_swipe(line: str, reason: str) -> None:
    assert LRC2 != ">"
    assert read_swipe(line, with_lrc=True) == SwipeFailed(reason)


def test_the_longest_tracks_are_taken() -> None:
    longest = f"{PAN}=3012220{'0' * 13}"
    assert isinstance(read_swipe(f"%B{PAN}^{'A' * 26}^3012220{'0' * 24}?;{longest}?+99{PAN}={'0' * 85}?"), Stripe)


@pytest.mark.parametrize(
    ("service_code", "chip", "reason"),
    [
        ("220", Chip.NOT_TRIED, "swipe_insert_chip"),
        ("601", Chip.NOT_TRIED, "swipe_insert_chip"),
        ("220", Chip.FAILED, ""),
        ("601", Chip.FAILED, ""),
        ("201", Chip.NONE_READ_HERE, ""),
        ("101", Chip.NOT_TRIED, ""),
        ("520", Chip.NOT_TRIED, ""),
        ("103", Chip.NOT_TRIED, "swipe_not_for_goods"),
        ("204", Chip.FAILED, "swipe_not_for_goods"),
    ],
)
def test_a_chip_goes_before_its_stripe(service_code: str, chip: Chip, reason: str) -> None:
    assert refusal_of(Stripe(PAN, "3012", service_code, ""), chip) == reason


@pytest.mark.parametrize(
    ("service_code", "amount", "pin"),
    [
        ("120", 1, "required"), ("125", 1, "required"), ("128", 1, "required"), ("129", 1, "required"),
        ("121", 1000, "none"), ("122", 1000, "none"), ("121", 1001, "asked"), ("122", 1001, "asked"),
        ("126", 1, "asked"), ("127", 1, "asked"), ("120", 1001, "required"),
    ],
)  # fmt: skip
def test_service_code_and_amount_say_whether_a_pin_is_wanted(service_code: str, amount: int, pin: str) -> None:
    assert Stripe(PAN, "3012", service_code, "").pin_for(amount, signature_amount_max=1000) == pin


def test_a_stripe_shows_nothing_but_its_service_code() -> None:
    stripe = read_swipe(f"{TRACK1}{TRACK2}+{TRACK3}?")
    assert isinstance(stripe, Stripe)
    assert repr(stripe) == "Stripe(service_code='220')"
    assert stripe.masked == "629999******0017"
