"""The virtual card alone: the golden card's answers byte for byte, and its manners."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.cards import DECK, Card, PulledOutError, load_card
from simulators.cards.personalisation import personalise

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "emv_golden_card.json").read_text("utf-8"))["EMV"]
GOLDEN = load_card("golden")
OK = "9000"
CONTROL = (
    "6F3D8408A000000333010101A531500A50424F432044454249548701019F38099F7A019F02065F2A025F2D027A689F1101019F120A50424F43"
    "204445424954"
)
RECORDS = {
    "1.1": "701F57106299990000000009D3012220000000005F200A544553542F4341524420",
    "2.1": "70505F24033012315F25032501015A0862999900000000095F3401019F0702FF008E0E000000000000000042031E031F009F0D05D8"
    "609CA8009F0E0500100000009F0F05D8689CF8005F280201569F4A0182",
    "2.2": "70488C1B9F02069F03069F1A0295055F2A029A039C019F37049F21039F4E148D1A8A029F02069F03069F1A0295055F2A029A039C01"
    "9F37049F21039F080200305F300202209F42020156",
    "3.2": "70279F4701039F481ACE0F997C474AC0498CCD957318F382C62E9260181B0692EE22E39F49039F3704",
}
SELECT = "00A4040008A00000033301010100"
OPTIONS = "80A800000B830900000000001234015600"
FIRST = (
    "80AE800034000000001234000000000000015600000480000156260115001A2B3C4D10304554455354204D45524348414E5420202020202020"
    "00"
)
FIRST_ANSWER = "8013800007E59D6F475599E75D07010103A0000001"
AUTHENTICATE = "008200000ADEF730A40E8071213030"
SECOND = "80AE4000223030000000001234000000000000015600000480000156260115001A2B3C4D10304500"
SECOND_ANSWER = "8013400007C71ECC17AD90CB460701010360000001"


def answers(card: Card, *commands: str) -> list[str]:
    return [card.process(bytes.fromhex(command)).hex().upper() for command in commands]


def test_golden_sale() -> None:
    card = Card(GOLDEN)
    assert answers(card, SELECT, OPTIONS) == [CONTROL + OK, "800E7D00080101001001040118010200" + OK]
    assert answers(card, FIRST, AUTHENTICATE, SECOND) == [FIRST_ANSWER + OK, OK, SECOND_ANSWER + OK]


def test_golden_signatures() -> None:
    card = Card(GOLDEN)
    answers(card, SELECT, OPTIONS)
    assert answers(card, "0088000004" + "1A2B3C4D" + "00") == ["8070" + VECTORS["SDAD_DDA"] + OK]
    assert answers(card, FIRST.replace("80AE80", "80AE90")) == [VECTORS["GAC1_CDA_resp"] + OK]


def test_offline_pin_is_compared_counted_and_blocked() -> None:
    card = Card(GOLDEN)
    right, wrong = ("0020008008" + block for block in ("26123456FFFFFFFF", "26111111FFFFFFFF"))
    assert answers(card, wrong, right, wrong, wrong, wrong, right) == ["63C2", OK, "63C2", "63C1", "63C0", "6983"]
    assert answers(card, "80CA9F1700") == ["9F170100" + OK]


@pytest.mark.parametrize("record", RECORDS)
def test_golden_records(record: str) -> None:
    sfi, number = map(int, record.split("."))
    card = Card(GOLDEN)
    answers(card, SELECT)
    assert answers(card, f"00B2{number:02X}{sfi << 3 | 4:02X}00") == [RECORDS[record] + OK]


def test_golden_certificates_have_the_lengths_of_their_keys() -> None:
    lengths = {key: len(record) for key, record in GOLDEN.certificates.items()}
    assert lengths == {(2, 3): 179, (2, 4): 134, (3, 1): 135, (3, 2): 41}


def test_counter_goes_up_with_every_sale_and_stays_over_resets() -> None:
    card = Card(GOLDEN)
    for expected in ("9F36020007", "9F36020008"):
        card.reset()
        answers(card, SELECT, OPTIONS)
        assert answers(card, "80CA9F3600") == [expected + OK]


def test_last_online_counter_follows_a_good_issuer() -> None:
    card = Card(GOLDEN)
    assert answers(card, "80CA9F1300") == ["9F13020000" + OK]
    answers(card, SELECT, OPTIONS, FIRST, AUTHENTICATE, SECOND)
    assert answers(card, "80CA9F1300") == ["9F13020007" + OK]


def test_worn_out_counter_ends_the_card() -> None:
    assert answers(Card(replace(GOLDEN, counter=0xFFFF)), SELECT, OPTIONS)[1] == "6985"


def test_wrong_issuer_is_refused_and_marked() -> None:
    card = Card(GOLDEN)
    wrong = AUTHENTICATE.replace("DEF7", "DEF8")
    assert answers(card, SELECT, OPTIONS, FIRST, wrong, AUTHENTICATE)[3:] == ["6300", "6985"]
    (answer,) = answers(card, SECOND)
    assert answer[4:6] == "00"
    assert "0701010328000001" in answer


def test_without_issuer_there_is_no_approval() -> None:
    (*_, answer) = answers(Card(GOLDEN), SELECT, OPTIONS, FIRST, SECOND)
    assert answer[4:6] == "00"
    assert "0701010320040001" in answer


def test_refusing_card_refuses_a_good_issuer() -> None:
    card = Card(replace(GOLDEN, refuses_approvals=True))
    assert answers(card, SELECT, OPTIONS, FIRST, AUTHENTICATE, SECOND)[4][4:6] == "00"


def test_decline_asked_for_is_a_decline_and_the_end() -> None:
    card = Card(GOLDEN)
    (*_, answer, again) = answers(card, SELECT, OPTIONS, FIRST.replace("80AE80", "80AE00"), SECOND)
    assert answer[4:6] == "00"
    assert "0701010380000001" in answer
    assert again == "6985"


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([OPTIONS], "6985"),
        (["00B2010C00"], "6985"),
        ([FIRST], "6985"),
        ([AUTHENTICATE], "6985"),
        ([SELECT, OPTIONS, OPTIONS], "6985"),
        ([SELECT, OPTIONS, FIRST, AUTHENTICATE, SECOND, SECOND], "6985"),
        ([SELECT, "00B2050C00"], "6A83"),
        ([SELECT, "80A8000003830100" + "00"], "6700"),
        ([SELECT, OPTIONS, "80AE80000400000000" + "00"], "6700"),
        ([SELECT, OPTIONS, FIRST.replace("80AE80", "80AE98")], "6A86"),
        ([SELECT, OPTIONS, FIRST, "008200000100"], "6700"),
        (["00A4040007A000000333010200"], "6A82"),
        (["00A4040208A00000033301010100"], "6A82"),
        (["00A4000002" + "3F0000"], "6A86"),
        (["80CA9F7900"], "6A88"),
        (["0088000000"], "6985"),
        (["0089000000"], "6D00"),
        (["00A4"], "6D00"),
        (["00A40400FF00"], "6700"),
    ],
)
def test_refusals(commands: list[str], status: str) -> None:
    assert answers(Card(GOLDEN), *commands)[-1] == status


def test_directory_leads_to_the_application() -> None:
    card = Card(GOLDEN)
    control, entry = answers(card, "00A404000E315041592E5359532E444446303100", "00B2010C00")
    assert control == "6F15840E315041592E5359532E4444463031A503880101" + OK
    assert entry == "701B61194F08A000000333010101500A50424F43204445424954870101" + OK


def test_pulled_out_at_a_command_and_there_again_after_a_reset() -> None:
    card = Card(replace(GOLDEN, pulled_out_at=2))
    answers(card, SELECT)
    with pytest.raises(PulledOutError):
        answers(card, OPTIONS)
    card.reset()
    answers(card, SELECT)


def test_whole_deck_can_be_read_and_bears_fictional_numbers() -> None:
    cards = [load_card(name) for name in DECK]
    assert {card.pan[:6] for card in cards} == {"629999"}
    assert len({card.pan for card in cards}) == len(DECK) >= 6


def test_unknown_card() -> None:
    with pytest.raises(KeyError):
        load_card("../../pyproject")


def test_unknown_entry_in_a_file() -> None:
    with pytest.raises(TypeError):
        personalise({"pan": "6299990000000017", "colour": "red"})


def test_odd_number_of_digits_is_filled_up() -> None:
    card = replace(GOLDEN, pan="629999000000001", certificates={})
    assert bytes.fromhex("5A08629999000000001F") in card.records[2, 1]


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_commands_are_answered(commands: list[bytes]) -> None:
    card = Card(GOLDEN)
    answers(card, SELECT, OPTIONS, FIRST)
    for command in commands:
        assert len(card.process(command)) >= 2
