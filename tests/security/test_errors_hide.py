"""No error, whatever was wrong with the bytes, carries card data: not in its text, its repr, its parts or its trace."""

import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_switch.channels import ChannelCall
from host_switch.channels.iso_issuer import ChannelFault, answer_of, call_message, protect, verified
from host_switch.frames import decoded
from iso8583 import Iso8583Error, Message
from iso8583.tlv import build_text_tlv
from iso8583.unionpay import Frame
from terminal.key_store import KeyStore
from terminal.vault import Vault, VaultError
from tests.host_switch.till import Till
from tests.security.canaries import canary_card, canary_code, canary_pin
from tests.security.scanner import Scanner

CARD = canary_card("in errors")
PIN_BLOCK = bytes.fromhex("C1D0F8FB4958670D")
TRACK = f"{CARD.pan}D30122011234567890"
CODE = canary_code("in errors")
MAC_KEY = bytes(range(1, 17))

SCANNER = Scanner()
SCANNER.know_card("card", CARD, canary_pin("in errors"))
SCANNER.know_bytes("PIN block", PIN_BLOCK)
SCANNER.know_digits("code", CODE[2:15])

SALE = Till().sale().with_({2: CARD.pan, 35: TRACK, 52: PIN_BLOCK, 26: "12", 53: "2600000000000000"})
CODE_SALE = Till().qr_sale(CODE)
UPLOAD = Till().upload(f"0100000001{CARD.pan:0>20}000000002500")
FRAMES = [Till(mac_key=bytes(8)).frame(message) for message in (SALE, CODE_SALE, UPLOAD)]
CALL = ChannelCall(
    reference="000000000001", kind="sale", terminal="10000001", merchant="898110053110001", amount=2500, currency="156",
    at=1.7e9, pan=CARD.pan, track2=TRACK, pin_block=PIN_BLOCK, code=CODE, entry_mode="051",
)  # fmt: skip
TO_ISSUER = protect(call_message(CALL), MAC_KEY)


@st.composite
def damaged(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """A message cut short, or with a few bytes changed, put in or left out."""
    data = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["cut", "change", "insert", "remove"])):
            case "cut":
                del data[max(at, 1) :]
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "insert":
                data.insert(at, draw(st.integers(0, 255)))
            case "remove" if len(data) > 1:
                del data[at]
    return bytes(data)


def all_that_it_says(error: BaseException) -> str:
    """An error as a log, a debugger or a page of crash reports would have it."""
    parts = [str(error), repr(error), repr(getattr(error, "partial", None)), repr(vars(error)), repr(error.args)]
    return "\n".join([*parts, *traceback.format_exception(error)])


def test_the_canaries_are_in_what_is_damaged() -> None:
    found = {find.canary for frame in [*FRAMES, TO_ISSUER] for find in SCANNER.scan("whole", frame)}
    assert found == {"card number", "PIN block", "code"}


@settings(max_examples=600, deadline=None)
@given(damaged(FRAMES))
def test_decoding_a_terminals_message(data: bytes) -> None:
    for decode in (Frame.parse, lambda frame: decoded("line", frame)):
        try:
            shown = repr(decode(data))
        except Iso8583Error as error:
            shown = all_that_it_says(error)
        assert SCANNER.scan("shown", shown) == []


@settings(max_examples=300, deadline=None)
@given(damaged([TO_ISSUER]))
def test_decoding_an_issuers_message(data: bytes) -> None:
    try:
        shown = repr(answer_of(verified(data, MAC_KEY)))
    except ChannelFault as error:
        shown = all_that_it_says(error)
    assert SCANNER.scan("shown", shown) == []


WRONG: dict[int, list[str | bytes]] = {
    2: [CARD.pan + "X", CARD.pan * 2, ""], 35: [TRACK + "Z", TRACK * 3], 52: [PIN_BLOCK * 2, PIN_BLOCK[:3]],
    59: [build_text_tlv({"A3": CODE}) * 30], 48: [f"01{CARD.pan}X"], 4: [CARD.pan], 11: [CODE], 41: [CARD.pan],
    99: [CARD.pan],
}  # fmt: skip


@pytest.mark.parametrize(("number", "value"), [(number, value) for number, values in WRONG.items() for value in values])
def test_encoding_what_does_not_fit(number, value):
    with pytest.raises(Iso8583Error) as caught:
        Frame("6000030000", "603100310006", SALE.with_({number: value})).to_bytes(bytes(8))
    assert SCANNER.scan("error", all_that_it_says(caught.value)) == []


def test_a_sealed_number_that_does_not_open(tmp_path):
    path = tmp_path / "vault.json"
    KeyStore.create(path, bytes(range(16)))
    vault = Vault(KeyStore(path))
    sealed = vault.seal(CARD.pan)
    for broken in (sealed[:-2], sealed[:-2] + "00", sealed[2:], "00" * 40, CARD.pan, CARD.pan + "X"):
        with pytest.raises(VaultError) as caught:
            vault.unseal(broken)
        assert SCANNER.scan("error", all_that_it_says(caught.value)) == []


def test_messages_and_calls_show_nothing():
    shown = [SALE, CODE_SALE, CALL, Message("0320", dict(UPLOAD.items())), Frame("6000030000", "603100310006", SALE)]
    assert SCANNER.scan("reprs", repr(shown) + str(shown)) == []
