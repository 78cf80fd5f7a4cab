"""The phone's wallet: what it shows is used up on disk before, and it survives whatever happens to the phone."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from paycode import Reason, Trust, digits, verify
from paycode.cose import public_key_of
from paycode.digits import DigitTrust
from paycode.signed import Issuers, Memory, Payment, SignedTrust
from simulators.wallet import KINDS, Kind, Wallet, WalletError
from simulators.wallet.issuing import KEY_ID, certified

NOON = 1_800_000_000
ISSUER = ("7710", bytes(16))
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wallet.json"


def given(wallet: Wallet, count: int = 3) -> digits.UserFacts:
    """Give the wallet digits; what the host knows of them."""
    made, facts = digits.refresh(ISSUER, 7, range(count), bytes(32), NOON)
    kept = {"prefix": made.prefix, "seed": made.seed.hex(), "handles": made.handles, "step_s": made.step_s}
    wallet.take_digits(json.dumps(kept).encode())
    return facts


def trust(facts: digits.UserFacts) -> Trust:
    signed = SignedTrust(Issuers({KEY_ID: public_key_of(SIGNER)}), Payment(100, 156, "shop"), Memory([]))
    return Trust(DigitTrust(dict([ISSUER]), {7: facts}), signed)


def test_both_kinds_of_codes_are_accepted_until_they_expire(file: Path) -> None:
    wallet = Wallet(file)
    facts = given(wallet)
    certified(wallet, SIGNER, NOON)
    for kind in KINDS:
        showing = wallet.show(kind, NOON + 7)
        assert verify(showing.code, showing.expires_at - 1, trust(facts)).accepted, kind
        skew_s = 20 if kind == "signed" else 0
        late = verify(showing.code, showing.expires_at + skew_s + (kind == "signed"), trust(facts))
        assert getattr(late, "reason", None) is Reason.EXPIRED, kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_that_was_shown_is_never_shown_again_even_after_a_restart(kind: Kind, file: Path) -> None:
    wallet = Wallet(file)
    given(wallet)
    certified(wallet, SIGNER, NOON)
    codes = [wallet.show(kind, NOON).code, Wallet(file).show(kind, NOON).code, Wallet(file).show(kind, NOON).code]
    assert len(set(codes)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_no_code_is_shown_that_could_not_be_written_off(kind: Kind, file: Path) -> None:
    wallet = Wallet(file)
    given(wallet)
    certified(wallet, SIGNER, NOON)
    before = file.read_bytes()
    in_the_way = file.with_name(f".{file.name}.new")
    in_the_way.mkdir()
    with pytest.raises(OSError, match="new"):
        wallet.show(kind, NOON)
    assert (wallet.handles_left, file.read_bytes()) == (3, before)
    in_the_way.rmdir()
    assert wallet.show(kind, NOON).kind == kind


def test_a_phone_whose_handles_are_used_up_says_to_go_online(file: Path) -> None:
    wallet = Wallet(file)
    given(wallet, 1)
    wallet.show("digits", NOON)
    with pytest.raises(WalletError, match="online once"):
        wallet.show("digits", NOON)


def test_a_phone_that_was_given_nothing_says_so(file: Path) -> None:
    wallet = Wallet(file)
    assert (wallet.kinds, wallet.handles_left, wallet.balance, wallet.airplane) == ((), 0, None, False)
    with pytest.raises(WalletError, match="go online once"):
        wallet.show("digits", NOON)


def test_the_file_is_its_owners_alone_and_keeps_what_the_owner_has_set(file: Path) -> None:
    wallet = Wallet(file)
    given(wallet)
    wallet.airplane, wallet.balance = True, 12345
    assert file.stat().st_mode & 0o777 == 0o600
    again = Wallet(file)
    assert (again.airplane, again.balance, again.kinds) == (True, 12345, ("digits",))


def test_a_new_certificate_is_for_the_same_key_and_its_counter_goes_on(file: Path) -> None:
    wallet = Wallet(file)
    certified(wallet, SIGNER, NOON)
    first = wallet.show("signed", NOON)
    certified(wallet, SIGNER, NOON + 60)
    shown = trust(digits.refresh(ISSUER, 7, range(1), bytes(32), NOON)[1])
    codes = [verify(code, NOON + 60, shown) for code in (first.code, wallet.show("signed", NOON + 60).code)]
    assert [code.says.counter for code in codes] == [0, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"prefix": "7710"}', b'{"prefix": 1, "seed": "zz", "handles": []}'])
def test_what_is_no_wallet_of_the_host_is_not_taken(content: bytes, file: Path) -> None:
    wallet = Wallet(file)
    with pytest.raises(WalletError, match="tillgate host wallet"):
        wallet.take_digits(content)
    assert wallet.kinds == ()


def test_a_broken_file_is_named(file: Path) -> None:
    file.write_text("{")
    with pytest.raises(WalletError, match=r"wallet\.json is no wallet"):
        Wallet(file)
