"""Keys of test cards: a seed makes them again, a folder keeps an authority, and nothing shows a key."""

import random
import stat
from pathlib import Path

import pytest

from simulators.cards.authority import CA_BITS, PRIVATE_FILE, PUBLIC_FILE, Authority, PrivateKey, new_key
from terminal.emv.ca_keys import parse_ca_keys
from terminal.emv.certificates import RsaKey


def test_a_seed_makes_the_same_key_again_and_another_one_another() -> None:
    first, again, other = (new_key(896, random.Random(seed)) for seed in ("a", "a", "b"))
    assert first == again != other
    assert len(first.modulus) == 112


def test_what_the_private_key_has_signed_the_public_one_opens() -> None:
    made = new_key(1024, random.Random("opens"))
    modulus = int.from_bytes(made.modulus, "big")
    secret = pow(123456789, made.exponent, modulus)
    assert int.from_bytes(RsaKey(made.modulus, 3).apply(secret.to_bytes(128, "big")), "big") == 123456789


def test_an_authority_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "authority"
    made = Authority.in_folder(folder, random.Random("once"))
    assert Authority.in_folder(folder, random.Random("twice")) == made
    assert stat.S_IMODE((folder / PRIVATE_FILE).stat().st_mode) == 0o600
    (public,) = parse_ca_keys((folder / PUBLIC_FILE).read_text("utf-8"))
    assert (public.index, public.key.modulus, len(public.key.modulus) * 8) == (0xED, made.key.modulus, CA_BITS)


def test_a_spoilt_authority_is_named(tmp_path: Path) -> None:
    (tmp_path / PRIVATE_FILE).write_text("{}")
    with pytest.raises(ValueError, match="holds no authority's key"):
        Authority.in_folder(tmp_path, random.Random(0))


def test_a_private_key_is_never_shown() -> None:
    assert repr(Authority(PrivateKey(b"\xca\xfe" * 4, 0xBEEF))).count("PrivateKey(64 bits)") == 1
