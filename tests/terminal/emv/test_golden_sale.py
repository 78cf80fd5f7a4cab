"""The golden card through a whole sale: every command, every answer and every cryptogram is known, byte for byte."""

from dataclasses import replace

import pytest
from pyemv import mac

from iso8583.emv_crypto import session_key
from iso8583.tlv import parse_tlv
from simulators.cards import Card, load_card
from terminal.emv import AskPin, Outcome, SaleFacts
from tests.terminal.emv.rig import FACTS, GOLDEN, PARAMETERS, PIN_BLOCK, VECTORS, Counter

# pyemv calls the library in ways that it will drop
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

UDK = bytes.fromhex("3F83DF6F47623A34E7B54362D40AEF8F")
SESSION_KEY = bytes.fromhex("5A6234548A10770566028C85287F3822")
TVR = "0000048000"
CDOL1 = f"0000000012340000000000000156{TVR}0156260115001A2B3C4D10304554455354204D45524348414E5420202020202020"
CDOL2 = f"30300000000012340000000000000156{TVR}0156260115001A2B3C4D103045"
CRYPTOGRAM_INPUT = f"0000000012340000000000000156{TVR}0156260115001A2B3C4D7D000007"
GOLDEN_F55 = (
    "9F2608E59D6F475599E75D9F2701809F100807010103A00000019F37041A2B3C4D9F36020007950500000480009A032601159C01009F0206"
    "0000000012345F2A02015682027D009F1A0201569F03060000000000009F3303E0E1C89F34034203009F3501229F1E08534E303030303031"
    "8408A0000003330101019F090200309F410400000003"
)


def cryptogram(verification: str) -> str:
    """An application cryptogram by another implementation: ISO 9797-1 algorithm 3, padding 2."""
    data = bytes.fromhex(CRYPTOGRAM_INPUT + verification)
    return mac.mac_iso9797_3(SESSION_KEY[:8], SESSION_KEY[8:], data, 2).hex().upper()


@pytest.fixture(scope="module")
def sale() -> tuple[Counter, Outcome]:
    parameters = replace(PARAMETERS, capabilities=bytes.fromhex("E0E1C8"))
    golden = Counter(Card(GOLDEN), parameters)
    return golden, golden.run()


def test_session_key_is_the_published_one() -> None:
    assert session_key(UDK, b"\x00\x07") == SESSION_KEY


def test_commands(sale: tuple[Counter, Outcome]) -> None:
    assert sale[0].commands == [
        "00A404000E315041592E5359532E444446303100",
        "00B2010C00",
        "00B2020C00",
        "00A4040008A00000033301010100",
        "80A800000B830900000000001234015600",
        *("00B2010C00", "00B2011400", "00B2021400", "00B2031400", "00B2041400", "00B2011C00", "00B2021C00"),
        f"80AE900034{CDOL1}00",
        "008200000ADEF730A40E8071213030",
        f"80AE500022{CDOL2}00",
    ]


def test_field_55_is_the_golden_one(sale: tuple[Counter, Outcome]) -> None:
    assert sale[0].online.card.f55.hex().upper() == GOLDEN_F55


def test_cryptograms_are_those_of_another_implementation() -> None:
    assert (cryptogram("03A00000"), cryptogram("03600000")) == ("E59D6F475599E75D", "C71ECC17AD90CB46")


def test_a_terminal_without_cda_gets_the_golden_plain_answers() -> None:
    golden = Counter(Card(GOLDEN), replace(PARAMETERS, capabilities=bytes.fromhex("E0E1C0")))
    assert golden.run().reason == "approved_online"
    answers = dict(zip(golden.commands, golden.answers, strict=True))
    assert answers["0088000004" + "1A2B3C4D" + "00"] == "8070" + VECTORS["SDAD_DDA"] + "9000"
    assert answers[f"80AE800034{CDOL1}00"] == VECTORS["GAC1_resp"] + "9000"
    assert answers[f"80AE400022{CDOL2}00"] == VECTORS["GAC2_resp"] + "9000"


def test_a_terminal_with_cda_gets_the_golden_signed_answer(sale: tuple[Counter, Outcome]) -> None:
    answers = dict(zip(sale[0].commands, sale[0].answers, strict=True))
    assert answers[f"80AE900034{CDOL1}00"] == VECTORS["GAC1_CDA_resp"] + "9000"


def test_card_data(sale: tuple[Counter, Outcome]) -> None:
    card = sale[0].online.card
    assert (card.pan, card.psn, card.expiry) == ("6299990000000009", "001", "3012")
    assert card.track2 == "6299990000000009D301222000000000"
    assert (card.entry_mode, card.cvm, card.pin_block) == ("051", "online_pin", PIN_BLOCK)
    assert (card.aid, card.label) == ("A000000333010101", "PBOC DEBIT")
    assert card.reversal_f55.hex().upper() == "950500000480009F1E08534E3030303030319F100807010103A00000019F36020007"


def test_pin_is_asked_for_this_card_and_amount(sale: tuple[Counter, Outcome]) -> None:
    assert AskPin("6299990000000009", 1234) in sale[0].steps


def test_outcome(sale: tuple[Counter, Outcome]) -> None:
    outcome = sale[1]
    assert (outcome.kind, outcome.reason, outcome.response_code) == ("approved", "approved_online", "00")
    assert outcome.script_f55 == b""
    final = parse_tlv(outcome.f55)
    assert (final[0x9F26].hex().upper(), final[0x9F27]) == (cryptogram("03600000"), b"\x40")


def test_receipt_lines(sale: tuple[Counter, Outcome]) -> None:
    assert list(sale[0].online.card.receipt.items()) == [
        ("ARQC", cryptogram("03A00000")),
        ("TVR", TVR),
        ("AID", "A000000333010101"),
        ("PAN SN", "01"),
        ("TSI", "E800"),
        ("ATC", "0007"),
        ("APPLAB", "PBOC DEBIT"),
        ("APPNAME", "PBOC DEBIT"),
    ]
    assert sale[1].receipt["TC"] == cryptogram("03600000")
    assert sale[1].receipt["TSI"] == "F800"


def test_the_honest_default_capabilities_claim_no_offline_pin() -> None:
    golden = Counter(Card(GOLDEN))
    golden.run()
    assert parse_tlv(golden.online.card.f55)[0x9F33] == bytes.fromhex("E068C8")


def test_next_sale_has_the_next_counter() -> None:
    card = Card(load_card("golden"))
    for expected in ("0007", "0008", "0009"):
        card.reset()
        assert Counter(card).run().receipt["ATC"] == expected


def test_a_sale_of_nothing_is_an_inquiry() -> None:
    inquiry = Counter(Card(GOLDEN), facts=replace(FACTS, amount=0, type="31"))
    assert inquiry.run().kind == "approved"
    assert parse_tlv(inquiry.online.card.f55)[0x9C] == b"\x31"


@pytest.mark.parametrize(
    "changes",
    [{"amount": -1}, {"amount": 10**12}, {"date": "2601"}, {"random_percent": 0}, {"unpredictable_number": b"123"}],
)
def test_impossible_facts_are_the_callers_fault(changes: dict[str, object]) -> None:
    fields = {name: getattr(FACTS, name) for name in SaleFacts.__slots__}
    with pytest.raises(ValueError, match=next(iter(changes))):
        SaleFacts(**{**fields, **changes})
