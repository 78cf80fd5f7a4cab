"""Offline PIN, plain and enciphered, with and without a signature; identity documents. The kernel never sees a PIN."""

from dataclasses import replace

import pytest

from iso8583.tlv import build_tlv, parse_tlv
from simulators.cards import Card, Personalisation
from simulators.cards.authority import key_certificate
from terminal.emv import CheckDocument, OfflinePinResult, VerifyOfflinePin
from terminal.emv.certificates import RsaKey
from terminal.emv.flags import Tvr
from terminal.emv.offline_pin import padding_bytes, verify_command
from tests.terminal.emv.authority import CARD, ISSUER, ISSUER_D, certified
from tests.terminal.emv.rig import GOLDEN, PARAMETERS, Counter, Reply, patched

PIN, WRONG = "123456", "1111"
EVERYTHING = replace(PARAMETERS, capabilities=bytes.fromhex("E0F9C8"))
BYPASSED, CANCELLED, NO_PIN_PAD = (OfflinePinResult(kind) for kind in ("bypassed", "cancelled", "no_pin_pad"))
PLAIN, ENCIPHERED = "41001E00", "44001E00"


def sale(rules: str, *pins: str | OfflinePinResult, card: Personalisation = GOLDEN, **replies: Reply) -> Counter:
    """A sale with a card of these rules, genuine all the same; replies by c and the command's first digits."""
    listed = certified(replace(card, cvm_list=bytes(8) + bytes.fromhex(rules)))
    given = {name[1:]: reply for name, reply in replies.items()}
    return Counter(Card(listed), EVERYTHING, replies=given, offline_pins=list(pins))


def verifying(made: Counter) -> list[VerifyOfflinePin]:
    return [step for step in made.steps if isinstance(step, VerifyOfflinePin)]


@pytest.mark.parametrize("rules", [PLAIN, ENCIPHERED])
def test_right_pin(rules: str) -> None:
    made = sale(rules, PIN)
    assert made.findings() == (Tvr.NONE, f"{rules[:4]}02")
    assert (made.online.card.cvm, made.online.card.entry_mode, made.online.card.pin_block) == (
        "offline_pin",
        "052",
        None,
    )


@pytest.mark.parametrize("rules", ["4300", "4500"])
def test_right_pin_and_a_signature(rules: str) -> None:
    made = sale(rules, PIN)
    assert made.findings() == (Tvr.NONE, f"{rules}00")
    assert made.online.card.cvm == "signature"


@pytest.mark.parametrize("rules", [PLAIN, ENCIPHERED])
def test_wrong_pin_is_asked_for_again_with_the_tries_that_are_left(rules: str) -> None:
    made = sale(rules, WRONG, WRONG, PIN)
    assert made.findings() == (Tvr.NONE, f"{rules[:4]}02")
    assert [step.tries_left for step in verifying(made)] == [3, 2, 1]
    assert verifying(made)[0].amount == 1234


@pytest.mark.parametrize("rules", [PLAIN, ENCIPHERED])
def test_last_try_used_up(rules: str) -> None:
    made = sale(rules, WRONG, WRONG, WRONG)
    assert made.findings() == (Tvr.PIN_TRIES_EXCEEDED, "1E0000")


@pytest.mark.parametrize(
    ("pin", "finding"), [(BYPASSED, Tvr.PIN_NOT_ENTERED), (NO_PIN_PAD, Tvr.PIN_PAD_MISSING)], ids=["bypassed", "no pad"]
)
@pytest.mark.parametrize("rules", [PLAIN, ENCIPHERED])
def test_no_pin(rules: str, pin: OfflinePinResult, finding: Tvr) -> None:
    assert sale(rules, pin).findings() == (finding, "1E0000")


def test_cancelled_pin_ends_the_sale() -> None:
    outcome = sale(PLAIN, CANCELLED).run()
    assert (outcome.kind, outcome.reason) == ("cancelled", "pin_cancelled")


def test_card_that_leaves_while_it_compares() -> None:
    outcome = sale(PLAIN, PIN, c0020=None).run()
    assert (outcome.kind, outcome.reason, outcome.where) == ("card_error", "removed", "VERIFY")


def test_card_without_tries_is_not_asked() -> None:
    made = sale(PLAIN, c80CA9F17="9F1701009000")
    assert made.findings() == (Tvr.PIN_TRIES_EXCEEDED, "1E0000")
    assert verifying(made) == []


@pytest.mark.parametrize("reply", ["6A88", "9F1702 0003 9000", "009000"])
def test_card_that_does_not_tell_its_tries(reply: str) -> None:
    made = sale(PLAIN, PIN, c80CA9F17=reply.replace(" ", ""))
    assert made.findings() == (Tvr.NONE, "410002")
    assert [step.tries_left for step in verifying(made)] == [None]


@pytest.mark.parametrize(
    ("status", "finding"),
    [("6983", Tvr.PIN_TRIES_EXCEEDED), ("6984", Tvr.PIN_TRIES_EXCEEDED), ("63C0", Tvr.PIN_TRIES_EXCEEDED),
     ("6A86", Tvr.NONE), ("6F00", Tvr.NONE)],
)  # fmt: skip
def test_what_else_a_card_may_say(status: str, finding: Tvr) -> None:
    assert sale(PLAIN, PIN, c0020=status).findings() == (finding, "1E0000")


def test_card_that_counts_without_end_is_left() -> None:
    made = sale(PLAIN, *[WRONG] * 20, c0020="63C2")
    assert made.findings() == (Tvr.NONE, "1E0000")
    assert len(verifying(made)) == 15


@pytest.mark.parametrize("reply", ["6985", "01020304059000", "9000"])
def test_enciphered_pin_wants_a_challenge(reply: str) -> None:
    made = sale(ENCIPHERED, PIN, c0084=reply)
    assert made.findings() == (Tvr.NONE, "1E0000")
    assert verifying(made) == []


def test_enciphered_pin_wants_a_good_key() -> None:
    made = Counter(Card(patched(replace(GOLDEN, cvm_list=bytes(8) + bytes.fromhex(ENCIPHERED)), {})), EVERYTHING)
    found, results = made.findings()
    assert (found, results) == (Tvr.CDA_FAILED, "1E0000")
    assert verifying(made) == []


def test_key_that_is_only_for_pins_comes_first() -> None:
    certificate, remainder, exponent = key_certificate(4, GOLDEN.pan, CARD, (ISSUER, ISSUER_D))
    card = certified(replace(GOLDEN, cvm_list=bytes(8) + bytes.fromhex(ENCIPHERED)))
    record = parse_tlv(parse_tlv(card.certificates[3, 2])[0x70]) | {0x9F2E: exponent, 0x9F2F: remainder}
    more = {(3, 2): build_tlv({0x70: build_tlv(record)}), (3, 3): build_tlv({0x70: build_tlv({0x9F2D: certificate})})}
    for broken in (False, True):
        own = dict(more) | ({(3, 3): build_tlv({0x70: build_tlv({0x9F2D: bytes(128)})})} if broken else {})
        made = Counter(Card(replace(card, certificates={**card.certificates, **own})), EVERYTHING, offline_pins=[PIN])
        assert made.findings() == (Tvr.NONE, "1E0000" if broken else "440002")


@pytest.mark.parametrize(("matches", "results"), [(True, "600002"), (False, "1E0000")])
def test_document(matches: bool, results: str) -> None:
    card = patched(GOLDEN, {0x9F61: b"310101199001011234", 0x9F62: b"\x01", 0x8E: bytes(8) + bytes.fromhex("60001E00")})
    made = Counter(Card(replace(card, profile=b"\x1c\x00")), EVERYTHING, document=matches)
    assert made.findings()[1] == results
    asked = next(step for step in made.steps if isinstance(step, CheckDocument))
    assert (asked.kind, asked.number) == ("01", "310101199001011234")
    assert "310101" not in repr(asked)


# --- the shell's command ----------------------------------------------------------------------------------------------


def test_plain_command() -> None:
    command = verify_command(VerifyOfflinePin(1), bytearray.fromhex("26123456FFFFFFFF"), b"")
    assert command.hex().upper() == "002000800826123456FFFFFFFF"


def test_enciphered_command_has_the_length_of_the_key() -> None:
    step = VerifyOfflinePin(1, None, RsaKey(CARD, 3), bytes(8))
    assert padding_bytes(step) == 112 - 17
    command = verify_command(step, bytearray(8), bytes(95))
    assert command[:5].hex().upper() == "0020008870"
    assert len(command) == 117


@pytest.mark.parametrize(("block", "padding"), [(7, 95), (8, 94)])
def test_impossible_command(block: int, padding: int) -> None:
    with pytest.raises(ValueError, match="VERIFY"):
        verify_command(VerifyOfflinePin(1, None, RsaKey(CARD, 3), bytes(8)), bytearray(block), bytes(padding))


@pytest.mark.parametrize(("kind", "status"), [("presented", None), ("bypassed", 0x9000)])
def test_status_belongs_to_a_pin_that_was_presented(kind: str, status: int | None) -> None:
    with pytest.raises(ValueError, match="status"):
        OfflinePinResult(kind, status)  # type: ignore[arg-type]


def test_step_shows_neither_key_nor_challenge() -> None:
    step = VerifyOfflinePin(1, None, RsaKey(CARD, 3), bytes.fromhex("C0FFEE0123456789"))
    assert repr(step) == "VerifyOfflinePin(amount=1, tries_left=None)"
