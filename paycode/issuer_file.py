"""The file by which terminals and hosts learn whose signed codes count: `docs/paycode.md`, 5. It holds no secret.

JSON. Whoever installs it vouches for it: it is not signed itself, so its keys are compared with what the issuer says.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from paycode.cose import KEY_ID_BYTES_MAX, PublicKey, public_key
from paycode.signed import Issuers
from paycode.verdict import CodeRefused

ISSUERS_MAX: Final = 64
FILE_BYTES_MAX: Final = 64 * 1024
NAME_LENGTH_MAX: Final = 40


class IssuerFileError(Exception):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class NamedIssuer:
    """An issuer: the name of its key in certificates, its own name for people, the key."""

    key_id: bytes
    name: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class IssuerFile:
    """Who certifies phones, and who signs the lists of revoked and used-up keys; without that one, no list counts."""

    issuers: tuple[NamedIssuer, ...]
    list_signer: PublicKey | None = field(default=None)

    @property
    def keys(self) -> Issuers:
        """What codes are verified with."""
        return Issuers({issuer.key_id: issuer.key for issuer in self.issuers})


def parse_issuers(text: str | bytes) -> IssuerFile:
    """Read such a file. Raises IssuerFileError; then nothing of it may be used."""
    try:
        said: dict[str, Any] = json.loads(text)
        signer = said.get("list_signer")
        found = IssuerFile(tuple(map(_issuer, said["issuers"])), None if signer is None else _key(signer))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, CodeRefused):
        raise IssuerFileError("this is not a file of issuers as docs/paycode.md, 5, has it") from None
    if not 1 <= len(found.issuers) <= ISSUERS_MAX:
        raise IssuerFileError(f"a file of issuers has 1 to {ISSUERS_MAX} of them")
    if len({issuer.key_id for issuer in found.issuers}) < len(found.issuers):
        raise IssuerFileError("two issuers in the file have keys of one name")
    return found


def write_issuers(file: IssuerFile) -> str:
    """Such a file."""
    issuers = [{"key_id": one.key_id.hex(), "name": one.name, **_said(one.key)} for one in file.issuers]
    signer = {} if file.list_signer is None else {"list_signer": _said(file.list_signer)}
    return json.dumps({"issuers": issuers, **signer}, indent=1, ensure_ascii=False) + "\n"


def _issuer(said: dict[str, Any]) -> NamedIssuer:
    key_id, name = bytes.fromhex(said["key_id"]), said["name"]
    if not 1 <= len(key_id) <= KEY_ID_BYTES_MAX or not isinstance(name, str):
        raise ValueError("no name of a key")
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise ValueError("no name of an issuer")
    return NamedIssuer(key_id, name, _key(said))


def _key(said: dict[str, Any]) -> PublicKey:
    return public_key(int(said["algorithm"]), bytes.fromhex(said["key"]))


def _said(key: PublicKey) -> dict[str, Any]:
    return {"algorithm": key.algorithm, "key": key.data.hex()}
