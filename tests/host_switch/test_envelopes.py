"""Topics and payloads: whose they are, what is taken, and that a refusal shows nothing of what was refused."""

import json

import pytest

from host_switch.envelopes import AMOUNT_MAX, CARRIED, EnvelopeError, unfolded
from host_switch.events import FrameReceived, PresenceTold, TelemetryTold
from iso8583.framing import FRAME_MAX
from tests.host_switch.till import MERCHANT, PAN, Till

TILL = Till(mac_key=bytes(8), track_key=bytes(range(16)))
SALE = TILL.frame(TILL.offline_sale())


def topic(kind: str = "advice", terminal: str = TILL.id, merchant: str = MERCHANT) -> str:
    return f"tg/{merchant}/{terminal}/up/{kind}"


@pytest.mark.parametrize("kind", ["advice", "reversal", "upload"])
def test_a_frame_is_in_its_topics_name_and_answered_below_it(kind: str) -> None:
    event = unfolded(topic(kind), SALE)
    assert isinstance(event, FrameReceived)
    assert (event.certified, event.connection) == (TILL.id, f"tg/{MERCHANT}/{TILL.id}/down/answer")
    assert event.rules is not None and event.rules.name == "offline_sale"


def test_only_what_carries_a_mac_and_may_come_late_is_carried() -> None:
    assert {"reversal", "refund", "qr_refund", "offline_sale", "offline_code_sale"} == CARRIED


SALE_ONLINE = TILL.sale()
REFUSED = {
    "a fresh sale": (TILL.frame(SALE_ONLINE), "not for the courier"),
    "a void": (TILL.frame(TILL.void(SALE_ONLINE, "000000000001")), "not for the courier"),
    "an inquiry": (TILL.frame(TILL.balance()), "not for the courier"),
    "a sign-on": (TILL.frame(TILL.sign_on()), "not for the courier"),
    "an end of a batch, which has no MAC": (TILL.frame(TILL.upload("0000", "207")), "not for the courier"),
    "an unknown type": (TILL.frame(SALE_ONLINE.with_({3: "990000"})), "malformed or unknown"),
    "another terminal's frame": (TILL.frame(TILL.offline_sale().with_({41: "87654321"})), "another terminal"),
    "another merchant's frame": (TILL.frame(TILL.offline_sale().with_({42: "898110053119999"})), "another merchant"),
    "no terminal": (TILL.frame(TILL.offline_sale().without(41)), "another terminal"),
    "no merchant": (TILL.frame(TILL.offline_sale().without(42)), "another merchant"),
    "nothing": (b"", "no frame"),
    "noise": (bytes(range(256)), "no frame"),
    "half a frame": (SALE[:30], "no frame"),
    "a frame cut short behind its names": (SALE[:-12], "malformed or unknown"),
    "a frame with its length": (len(SALE).to_bytes(2, "big") + SALE, "no frame"),
    "something too large": (SALE + bytes(FRAME_MAX), "too large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_taken_is_refused_with_its_terminal_and_without_its_content(name: str) -> None:
    payload, reason = REFUSED[name]
    with pytest.raises(EnvelopeError, match=reason) as caught:
        unfolded(topic(), payload)
    assert caught.value.terminal == TILL.id
    assert caught.value.severity == ("security" if "another" in caught.value.reason else "note")
    assert PAN not in repr(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize("wrong", [
    "", "tg", topic().replace("tg/", "tx/"), topic() + "/x", topic(terminal="1234567"), topic(terminal="1234 678"),
    topic(merchant="8981"), topic(merchant="8981100531100+1")[:-9], topic().replace("/up/", "/down/"), topic("ADVICE"),
    topic() + "\n", topic(terminal="１２３４５６７８"),
])  # fmt: skip
def test_a_topic_that_is_nobodys_is_refused_as_nobodys(wrong: str) -> None:
    with pytest.raises(EnvelopeError, match="unknown topic") as caught:
        unfolded(wrong, SALE)
    assert caught.value.terminal == ""


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="unknown kind"):
        unfolded(topic("firmware"), SALE)


def test_presence_has_two_words() -> None:
    assert unfolded(topic("presence"), b"online") == PresenceTold(TILL.id, True)
    assert unfolded(topic("presence"), b"offline") == PresenceTold(TILL.id, False)
    for other in (b"", b"ONLINE", b"online\n"):
        with pytest.raises(EnvelopeError):
            unfolded(topic("presence"), other)


def test_telemetry_is_numbers_and_short_words() -> None:
    devices = {"scanner": False, "printer": False, "pin_pad": True}
    told = {"batch": "000007", "owed_count": 3, "owed_amount": 700, "currency": "156", "devices": devices}
    expected = TelemetryTold(TILL.id, "000007", 3, 700, "printer, scanner")
    assert unfolded(topic("telemetry"), json.dumps(told).encode()) == expected


@pytest.mark.parametrize("told", [
    {"devices": {PAN: False, "a card": False}, "batch": PAN, "owed_count": PAN, "owed_amount": [PAN]},
    {"devices": ["printer"], "batch": "１２３４５６", "owed_count": -1, "owed_amount": AMOUNT_MAX + 1},
    {"devices": {"printer": 0}, "batch": 7, "owed_count": True, "owed_amount": 1.5}, {},
])  # fmt: skip
def test_what_is_no_number_or_word_of_telemetry_is_left_out(told: dict[str, object]) -> None:
    assert unfolded(topic("telemetry"), json.dumps(told).encode()) == TelemetryTold(TILL.id)


@pytest.mark.parametrize("payload", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 4000, b'{"owed_count": 1e', b"9" * 4000])
def test_what_is_no_telemetry_is_refused(payload: bytes) -> None:
    with pytest.raises(EnvelopeError, match="no telemetry"):
        unfolded(topic("telemetry"), payload)
