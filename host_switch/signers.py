"""What operators do about signed codes: make issuers and phones' keys known, revoke a key, look at the evidence."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from host_switch.events import SignerGiven
from host_switch.facts import reference_number
from host_switch.records import CodeIssuer, SignedKey
from host_switch.start import HostError, carry_out, opened_store
from host_switch.wallets import user_of
from paycode.cose import ED25519, ES256, public_key
from paycode.issuer_file import FILE_BYTES_MAX, IssuerFileError, parse_issuers
from paycode.signed import name_of
from paycode.verdict import CodeRefused


def add_issuers(directory: Path, file: Path) -> list[CodeIssuer]:
    """Make the issuers in a file known.

    Raises:
        DoorError, HostError, KeyRoomError, StoreError: the file cannot be used, or the order was not carried out.
    """
    try:
        with file.open("rb") as opened:
            said = parse_issuers(opened.read(FILE_BYTES_MAX))
    except OSError as error:
        raise HostError(f"cannot read {file}: {error.strerror}") from None
    except IssuerFileError as error:
        raise HostError(f"{file.name} cannot be used: {error}") from None
    issuers = [CodeIssuer(one.key_id, one.key.algorithm, one.key.data, one.name) for one in said.issuers]
    for issuer in issuers:
        carry_out(directory, SignerGiven(issuer))
    return issuers


def add_key(directory: Path, key: str, user: int) -> SignedKey:
    """Let the account of a user who is known pay for what a key has signed. Raises as `add_issuers` does.

    A key that is known stays its user's, and one that is revoked stays so: another phone has another key.
    """
    user_of(directory, user)
    given = SignedKey(_key_in(key), user)
    before = next((one for one in known(directory)[1] if one.key == given.key), given)
    if before != given:
        raise HostError("this key is revoked, or another user's: let the phone draw a new one, and add that")
    carry_out(directory, SignerGiven(given))
    return given


def revoke_key(directory: Path, key: str) -> SignedKey:
    """From now on a key's owner has not signed what it signs; a key that is revoked stays so. Raises as `add_key`."""
    wanted = _key_in(key)
    found = next((one for one in known(directory)[1] if one.key == wanted), None)
    if found is None:
        raise HostError("no such key: tillgate host code-user list shows those that are known")
    return _revoke(directory, found)


def revoke_keys_of(directory: Path, user: int) -> int:
    """A user's phone is lost: revoke all its keys; how many there are. Raises as `add_key`."""
    return len([_revoke(directory, key) for key in known(directory)[1] if key.user == user])


def _revoke(directory: Path, key: SignedKey) -> SignedKey:
    revoked = replace(key, revoked_at=time.time() if key.revoked_at is None else key.revoked_at)
    carry_out(directory, SignerGiven(revoked))
    return revoked


def known(directory: Path) -> tuple[list[CodeIssuer], list[SignedKey]]:
    """All issuers and keys. Raises HostError, KeyRoomError or StoreError."""
    with opened_store(directory, to_write=False) as store:
        return store.signers()


def evidence(directory: Path, reference: str) -> list[dict[str, Any]]:
    """The codes that came under one key and counter, by the reference of one of them. Raises as `known`."""
    number = reference_number(reference)
    with opened_store(directory, to_write=False) as store:
        uses = store.evidence(number) if number else []
    if not uses:
        raise HostError("no signed code came with that reference: tillgate host events names those that came twice")
    return [
        {
            "reference": f"{use.number:012d}", "paid": use.paid, "key": use.key.hex(), "counter": use.counter,
            "code": use.code,
        }
        for use in uses
    ]  # fmt: skip


def shown_issuer(issuer: CodeIssuer) -> dict[str, Any]:
    """An issuer in words."""
    known_as = {ES256: "ES256", ED25519: "Ed25519"}[issuer.algorithm]
    return {"key_id": issuer.key_id.hex(), "name": issuer.name, "algorithm": known_as, "key": issuer.key.hex()}


def shown_key(key: SignedKey) -> dict[str, Any]:
    """A phone's key in words."""
    return {"name": name_of(key.key), "user": key.user, "key": key.key.hex(), "revoked_at": key.revoked_at}


def _key_in(text: str) -> bytes:
    """A phone's public key in hexadecimal: 32 bytes of Ed25519, or 33 of a point of P-256."""
    try:
        data = bytes.fromhex(text)
        return public_key(ED25519 if len(data) == 32 else ES256, data).data
    except (ValueError, CodeRefused):
        raise HostError("a phone's public key has 64 hexadecimal digits (Ed25519) or 66 (P-256)") from None
