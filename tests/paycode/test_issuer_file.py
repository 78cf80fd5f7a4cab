"""The file of issuers: read back as it was written, and never in part."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paycode.cose import public_key_of
from paycode.issuer_file import ISSUERS_MAX, IssuerFile, IssuerFileError, NamedIssuer, parse_issuers, write_issuers
from tests.paycode.issuing import ISSUER, KEY_ID, PHONES, code, reason

FILE = IssuerFile(
    (NamedIssuer(KEY_ID, "银行", public_key_of(ISSUER)), NamedIssuer(b"\x09", "B", public_key_of(PHONES["ed25519"]))),
    public_key_of(ISSUER),
)


def said(file: IssuerFile) -> list[tuple[bytes, str, int, bytes]]:
    return [(one.key_id, one.name, one.key.algorithm, one.key.data) for one in file.issuers]


def test_what_is_written_is_read() -> None:
    read = parse_issuers(write_issuers(FILE))
    assert said(read) == said(FILE)
    assert read.list_signer is not None and read.list_signer.data == public_key_of(ISSUER).data
    assert parse_issuers(write_issuers(IssuerFile(FILE.issuers))).list_signer is None


def test_codes_of_the_issuers_in_it_are_good() -> None:
    assert reason(code(), issuers=parse_issuers(write_issuers(FILE)).keys) == ""


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    said: dict[str, Any] = json.loads(write_issuers(FILE))
    change(said)
    return json.dumps(said)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"issuers": []}', '{"issuers": {}}', "\ud800",
        changed(lambda said: said["issuers"][0].update(key="00")),
        changed(lambda said: said["issuers"][0].update(key="zz")),
        changed(lambda said: said["issuers"][0].update(algorithm=-65537)),
        changed(lambda said: said["issuers"][0].update(algorithm="?")),
        changed(lambda said: said["issuers"][0].update(algorithm=float("inf"))), "[" * 100_000,
        changed(lambda said: said["issuers"][0].update(key_id="")),
        changed(lambda said: said["issuers"][0].update(key_id="00" * 9)),
        changed(lambda said: said["issuers"][0].update(name="")),
        changed(lambda said: said["issuers"][0].update(name="\x07")),
        changed(lambda said: said["issuers"][0].update(name=7)),
        changed(lambda said: said["issuers"][0].pop("name")),
        changed(lambda said: said["issuers"][1].update(key_id=KEY_ID.hex())),
        changed(lambda said: said["issuers"].extend([said["issuers"][0]] * ISSUERS_MAX)),
        changed(lambda said: said.update(list_signer={})),
        changed(lambda said: said.update(list_signer=7)),
    ],
)  # fmt: skip
def test_what_is_not_such_a_file_is_refused_whole(text: str) -> None:
    with pytest.raises(IssuerFileError):
        parse_issuers(text)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_else_is_ever_raised(text: str | bytes) -> None:
    with pytest.raises(IssuerFileError):
        parse_issuers(text)
