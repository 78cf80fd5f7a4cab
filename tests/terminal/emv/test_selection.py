"""Which application is used: the card's directory, the terminal's list, priorities, and the customer's choice."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from iso8583.tlv import build_tlv
from simulators.cards import Card
from terminal.emv import Application, Candidate, ChooseApplication
from tests.terminal.emv.rig import GOOD, PARAMETERS, Counter, Reply

DEBIT, CREDIT = "A000000333010101", "A000000333010102"


def ok(objects: Mapping[int, bytes]) -> str:
    return build_tlv(objects).hex() + "9000"


def entry(aid: str, priority: int, label: str = "", **more: bytes) -> bytes:
    objects = {0x4F: bytes.fromhex(aid), 0x50: label.encode(), 0x87: bytes((priority,))}
    return build_tlv({0x61: build_tlv(objects | {int(tag[1:], 16): value for tag, value in more.items()})})


def directory(*records: bytes) -> dict[str, Reply]:
    """A directory in file 5, so that its records are not those of the application."""
    control = ok({0x6F: build_tlv({0x84: b"1PAY.SYS.DDF01", 0xA5: build_tlv({0x88: b"\x05"})})})
    replies: dict[str, Reply] = {"00A404000E": control}
    replies |= {f"00B2{at:02X}2C": ok({0x70: record}) for at, record in enumerate(records, 1)}
    return replies | {"00B2": lambda apdu: b"\x6a\x83"} if not records else replies


def application(aid: str, **more: bytes) -> str:
    objects = {0x50: b"PBOC", **{int(tag[1:], 16): value for tag, value in more.items()}}
    return ok({0x6F: build_tlv({0x84: bytes.fromhex(aid), 0xA5: build_tlv(objects)})})


def offered(sale: Counter) -> list[tuple[Candidate, ...]]:
    sale.run()
    return [step.candidates for step in sale.steps if isinstance(step, ChooseApplication)]


def selected(sale: Counter) -> list[str]:
    return [command[10:-2] for command in sale.commands if command.startswith("00A4040008")]


def test_directory_is_asked_first_and_a_single_application_is_taken() -> None:
    sale = Counter(Card(GOOD))
    assert offered(sale) == []
    assert selected(sale) == [DEBIT]


def test_highest_priority_comes_first_and_none_comes_last() -> None:
    records = (entry(DEBIT, 0, "NONE") + entry(CREDIT, 2, "SECOND"), entry(DEBIT + "01", 1, "FIRST"))
    (candidates,) = offered(Counter(Card(GOOD), replies=directory(*records), choice=2))
    assert [candidate.label for candidate in candidates] == ["FIRST", "SECOND", "NONE"]


def test_customers_choice_is_opened() -> None:
    sale = Counter(Card(GOOD), replies=directory(entry(CREDIT, 1) + entry(DEBIT, 2)), choice=1)
    assert sale.run().kind == "approved"
    assert selected(sale) == [DEBIT]


def test_single_application_that_wants_confirmation_is_offered() -> None:
    (candidates,) = offered(Counter(Card(GOOD), replies=directory(entry(DEBIT, 0x81, "ASK ME"))))
    assert candidates == (Candidate(bytes.fromhex(DEBIT), "ASK ME", 1, needs_confirmation=True),)


def test_preferred_name_is_shown_where_its_alphabet_is_known() -> None:
    records = entry(DEBIT, 1, "LABEL", t9F12=b"Caf\xe9", t9F11=b"\x01") + entry(
        CREDIT, 2, "LABEL", t9F12=b"\xbf", t9F11=b"\x05"
    )
    (candidates,) = offered(Counter(Card(GOOD), replies=directory(records)))
    assert [candidate.label for candidate in candidates] == ["Café", "LABEL"]


def test_label_loses_what_cannot_be_shown() -> None:
    (candidates,) = offered(Counter(Card(GOOD), replies=directory(entry(DEBIT, 0x81, "A\x07B\x1b\n"))))
    assert candidates[0].label == "AB"


def test_foreign_applications_are_not_offered() -> None:
    sale = Counter(Card(GOOD), replies=directory(entry("A0000000031010", 1) + entry(DEBIT, 2)))
    assert offered(sale) == []
    assert selected(sale) == [DEBIT]


@pytest.mark.parametrize(
    "broken",
    [
        {"00A404000E": "6A82"},
        {"00A404000E": "9000"},
        {"00A404000E": ok({0x6F: build_tlv({0x84: b"1PAY.SYS.DDF01"})})},
        {"00A404000E": ok({0x6F: build_tlv({0x84: b"1PAY.SYS.DDF01", 0xA5: build_tlv({0x88: b"\x0b"})})})},
        {**directory(b""), "00B2012C": "70059000"},
        {**directory(b""), "00B2012C": "6F009000"},
        {**directory(b""), "00B2012C": ok({0x70: build_tlv({0x61: b"\x4f"})})},
        directory(entry("A0000000031010", 1)),
    ],
    ids=["absent", "empty", "no file", "file 11", "cut", "no record", "no entry", "nothing of ours"],
)
def test_without_a_usable_directory_the_terminals_list_is_tried(broken: dict[str, Reply]) -> None:
    sale = Counter(Card(GOOD), replies=broken)
    assert sale.run().kind == "approved"
    assert selected(sale) == [DEBIT, CREDIT, "A000000333010103", "A000000333010106", DEBIT]


def test_longer_names_are_found_by_asking_for_the_next() -> None:
    longer = DEBIT + "01"
    replies: dict[str, Reply] = {
        "00A404000E": "6A82",
        f"00A4040008{DEBIT}": application(longer, t87=b"\x02"),
        f"00A4040208{DEBIT}": application(DEBIT, t87=b"\x01"),
    }
    (candidates,) = offered(Counter(Card(GOOD), replies=replies))
    assert [candidate.aid.hex().upper() for candidate in candidates] == [DEBIT, longer]


def test_a_card_that_always_has_a_next_is_not_asked_for_ever() -> None:
    sale = Counter(Card(GOOD), replies={"00A404000E": "6A82", "00A404": application(DEBIT + "01")})
    sale.run()
    assert len([command for command in sale.commands if command.startswith("00A40402")]) < 40


def test_without_partial_match_a_longer_name_is_another_application() -> None:
    strict = replace(PARAMETERS, applications=(Application(bytes.fromhex(DEBIT), partial_match=False),))
    replies: dict[str, Reply] = {"00A404000E": "6A82", "00A404": application(DEBIT + "01")}
    assert Counter(Card(GOOD), strict, replies=replies).run().reason == "no_application"


def test_application_that_will_not_open_is_taken_off_and_the_choice_made_again() -> None:
    sale = Counter(Card(GOOD), replies=directory(entry(CREDIT, 1) + entry(DEBIT, 2)))
    assert sale.run().kind == "approved"
    assert selected(sale) == [CREDIT, DEBIT]


def test_application_that_refuses_the_conditions_is_taken_off_and_leaves_nothing_behind() -> None:
    replies = directory(entry(CREDIT, 1) + entry(DEBIT, 2))
    replies |= {f"00A4040008{CREDIT}": application(CREDIT, t9F12=b"GHOST", t9F11=b"\x01"), "80A80000028300": "6985"}
    sale = Counter(Card(GOOD), replies=replies)
    outcome = sale.run()
    assert outcome.kind == "approved"
    assert outcome.receipt["AID"] == DEBIT
    assert outcome.receipt["APPNAME"] == "PBOC DEBIT"
