"""Whose codes are taken, on disk: installed whole, old or new, and nothing that this terminal has not signed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from paycode.lists import CompactList, publish, state
from paycode.verdict import CodeRefused
from simulators.signed_phones import CodeIssuer, key_of
from terminal.code_store import FILE, OFFERED_MAX, CodeStore, CodeStoreError
from terminal.events import CodeTrustLoaded
from terminal.key_frames import VaultError
from terminal.key_link import KeyLink
from terminal.key_store import KeyStore
from tests.terminal.key_rig import new_vault
from tillgate import main

ISSUER, OTHER = CodeIssuer(), CodeIssuer("other", b"\x02")
LOST = bytes(32)


def store_in(folder: Path) -> CodeStore:
    """The store of a terminal that has just started."""
    vault = folder / "vault.json"
    return CodeStore(folder, KeyStore(vault if vault.exists() else new_vault(folder)))


def installed(folder: Path) -> CodeStore:
    store = store_in(folder)
    store.trust(ISSUER.issuer_file().encode())
    return store


def first_list(name: str = "revoked") -> tuple[bytes, CompactList]:
    return publish(ISSUER.key, CompactList(name), [LOST])


def takes(trust: CodeTrustLoaded, issuer: CodeIssuer = ISSUER) -> bool:
    """Whether a phone of this issuer may pay by what was loaded."""
    if trust.issuers is None:
        return False
    phone = issuer.phone("Li", 1_800_000_000)
    try:
        trust.issuers.certificate(phone.wallet.certificate)
    except CodeRefused:
        return False
    return True


def test_before_anything_is_installed_no_code_is_taken(tmp_path):
    assert store_in(tmp_path).load() == CodeTrustLoaded() and store_in(tmp_path).known() is None


def test_what_was_installed_is_in_force_after_a_restart(tmp_path):
    store = installed(tmp_path)
    delta, revoked = first_list()
    assert store.apply("revoked", delta) == revoked
    trust = store_in(tmp_path).load()
    assert takes(trust) and not takes(trust, OTHER) and not trust.refused
    assert trust.revoked is not None and LOST in trust.revoked and trust.quota is None


def test_other_issuers_take_the_place_of_those_before(tmp_path):
    store = installed(tmp_path)
    store.trust(OTHER.issuer_file().encode())
    assert takes(store.load(), OTHER) and not takes(store.load())


def test_lists_stay_with_the_issuers_installed_anew_if_their_signer_does(tmp_path):
    store = installed(tmp_path)
    store.apply("revoked", first_list()[0])
    store.trust(ISSUER.issuer_file().encode())
    assert store.load().revoked is not None
    store.trust(OTHER.issuer_file().encode())
    assert store.load().revoked is None and not list(tmp_path.glob("code_list_*"))


def test_a_whole_list_and_the_change_after_it(tmp_path):
    store = installed(tmp_path)
    whole = CompactList("quota").changed(41, [b"\1" * 6], [])
    assert store.adopt("quota", state(ISSUER.key, whole), bytes(whole.fingerprints)).version == 41
    delta, after = publish(ISSUER.key, whole, [LOST])
    assert store.apply("quota", delta) == after
    assert [path.name for path in tmp_path.glob("code_list_*")] == ["code_list_quota_42.bin"]
    loaded = store_in(tmp_path).load().quota
    assert loaded is not None and (loaded.version, len(loaded)) == (42, 2)


def _list_of_a_stranger(store: CodeStore) -> None:
    delta, _ = publish(key_of("a stranger"), CompactList("revoked"), [LOST])
    store.apply("revoked", delta)


def _list_twice(store: CodeStore) -> None:
    for _ in range(2):
        store.apply("revoked", first_list()[0])


def _list_of_another_name(store: CodeStore) -> None:
    store.apply("quota", first_list("revoked")[0])


def _list_with_other_fingerprints(store: CodeStore) -> None:
    store.adopt("revoked", state(ISSUER.key, first_list()[1]), b"\2" * 6)


@pytest.mark.parametrize(
    "take", [_list_of_a_stranger, _list_twice, _list_of_another_name, _list_with_other_fingerprints]
)
def test_a_list_that_was_not_signed_for_this_is_not_taken(tmp_path: Path, take: Callable[[CodeStore], None]) -> None:
    store = installed(tmp_path)
    with pytest.raises(CodeStoreError):
        take(store)
    assert takes(store_in(tmp_path).load())


def test_without_a_list_signer_no_list_is_taken(tmp_path):
    said = json.loads(ISSUER.issuer_file())
    del said["list_signer"]
    store = store_in(tmp_path)
    with pytest.raises(CodeStoreError, match="install the issuers first"):
        store.apply("revoked", first_list()[0])
    store.trust(json.dumps(said).encode())
    with pytest.raises(CodeStoreError, match="list signer"):
        store.apply("revoked", first_list()[0])


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", ISSUER.issuer_file().encode() * 300])
def test_what_is_no_file_of_issuers_leaves_all_as_it_was(tmp_path, content):
    store = installed(tmp_path)
    with pytest.raises(CodeStoreError):
        store.trust(content)
    assert takes(store_in(tmp_path).load())


# --- damaged ----------------------------------------------------------------------------------------------------------


def refused(folder: Path) -> bool:
    return store_in(folder).load() == CodeTrustLoaded(refused=True)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"\n",
        lambda data: data.replace(b"issuers", b"issuerz"), lambda data: b"\xff" + data, lambda data: data + b" ",
        lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data.partition(b"\n")[2],
        lambda data: data.replace(b"bank", b"bonk"),
    ],
)  # fmt: skip
def test_a_file_that_was_changed_or_cut_is_refused_and_no_code_is_taken(tmp_path, damage):
    installed(tmp_path)
    path = tmp_path / FILE
    path.write_bytes(damage(path.read_bytes()))
    assert refused(tmp_path)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b""),
                                    lambda path: path.write_bytes(bytes(6))])  # fmt: skip
def test_a_list_that_is_lost_makes_no_lost_phone_good_again(tmp_path, damage):
    installed(tmp_path).apply("revoked", first_list()[0])
    damage(tmp_path / "code_list_revoked_1.bin")
    assert refused(tmp_path)


def test_what_another_terminal_has_signed_is_refused(tmp_path):
    installed(tmp_path)
    (tmp_path / "vault.json").unlink()
    new_vault(tmp_path)
    assert refused(tmp_path)


def test_what_is_damaged_can_be_installed_again(tmp_path):
    store = installed(tmp_path)
    store.apply("revoked", first_list()[0])
    (tmp_path / "code_list_revoked_1.bin").write_bytes(b"")
    store.trust(ISSUER.issuer_file().encode())
    assert takes(store.load()) and store.load().revoked is None
    store.apply("revoked", first_list()[0])
    assert store.load().revoked is not None


def test_without_a_key_process_nobody_can_tell_and_no_code_is_taken(tmp_path):
    installed(tmp_path)
    assert CodeStore(tmp_path, KeyLink(tmp_path / "vault.json")).load() == CodeTrustLoaded()


class _Unwilling:
    """Keys that sign nothing."""

    def __getattr__(self, name: str) -> Callable[..., bytes]:
        def refuse(*_: object) -> bytes:
            raise VaultError("no")

        return refuse


def test_what_cannot_be_signed_leaves_all_as_it_was(tmp_path):
    installed(tmp_path)
    with pytest.raises(VaultError):
        CodeStore(tmp_path, _Unwilling()).trust(OTHER.issuer_file().encode())  # type: ignore[arg-type]
    assert takes(store_in(tmp_path).load())


def test_whoever_looks_sees_that_something_was_installed(tmp_path):
    store = store_in(tmp_path)
    assert store.has_changed()
    store.load()
    assert not store.has_changed()
    installed(tmp_path)
    assert store.has_changed()
    store.load()
    assert not store.has_changed()


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    new_vault(tmp_path)
    (tmp_path / "issuers.json").write_text(ISSUER.issuer_file(), "utf-8")
    return tmp_path


def codes(folder: Path, *words: str) -> int:
    return main(["terminal", "codes", *words, "--data", str(folder)])


def test_a_technician_installs_issuers_and_lists_and_sees_them(folder, capsys):
    delta, after = first_list()
    (folder / "1.cose").write_bytes(delta)
    whole = after.changed(9, [b"\1" * 6], [])
    (folder / "9.cose").write_bytes(state(ISSUER.key, whole))
    (folder / "9.bin").write_bytes(bytes(whole.fingerprints))
    assert codes(folder, "trust", str(folder / "issuers.json")) == 0
    assert ISSUER.public_key.data.hex() in capsys.readouterr().out
    assert codes(folder, "delta", "revoked", str(folder / "1.cose"), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"list": "revoked", "version": 1, "entries": 1}
    files = ("--statement", str(folder / "9.cose"), "--fingerprints", str(folder / "9.bin"))
    assert codes(folder, "list", "revoked", *files, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"list": "revoked", "version": 9, "entries": 2}
    assert codes(folder, "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lists"] == {"revoked": 9, "quota": None}


def test_before_anything_is_installed_that_is_said(folder, capsys):
    assert codes(folder, "show") == 0
    assert "no code is taken" in capsys.readouterr().out


def test_what_cannot_be_installed_is_refused_in_one_sentence(folder, capsys):
    (folder / "bad.json").write_text("{}")
    assert codes(folder, "trust", str(folder / "bad.json")) == 1
    assert "not a file of issuers" in capsys.readouterr().err
    (folder / "vault.json").unlink()
    assert codes(folder, "trust", str(folder / "issuers.json")) == 1
    assert capsys.readouterr().err.count("\n") == 1


# --- what the courier offers ------------------------------------------------------------------------------------------


def changes(count: int, signer: CodeIssuer = ISSUER) -> list[bytes]:
    """The first changes of the list of revoked keys; the first of all revokes a lost phone."""
    current, deltas = CompactList("revoked"), list[bytes]()
    for number in range(count):
        delta, current = publish(signer.key, current, [LOST if number == 0 else bytes([number]) * 32])
        deltas.append(delta)
    return deltas


def version(store: CodeStore) -> int:
    known = store.load().revoked
    return 0 if known is None else known.version


def test_changes_are_followed_in_whatever_order_they_come_and_are_durable_before_they_serve(tmp_path):
    store = installed(tmp_path)
    for delta in reversed(changes(5)):
        store.offer(delta)
    store.follow()
    assert store.has_changed() and version(store) == 5
    revoked = store_in(tmp_path).load().revoked
    assert revoked is not None and LOST in revoked


def test_a_change_waits_for_the_one_before_it_also_if_a_technician_brings_that(tmp_path):
    store = installed(tmp_path)
    first, second, third = changes(3)
    store.offer(third)
    store.follow()
    assert version(store) == 0
    store.offer(second)
    store.follow()
    assert version(store) == 0
    store_in(tmp_path).apply("revoked", first)
    store.follow()
    assert version(store) == 3


def test_changes_that_came_before_the_issuers_serve_when_those_are_installed(tmp_path):
    store = store_in(tmp_path)
    store.offer(changes(1)[0])
    store.follow()
    store_in(tmp_path).trust(ISSUER.issuer_file().encode())
    store.follow()
    assert version(store) == 1


def test_what_a_stranger_has_signed_is_not_followed_and_stands_in_nobodys_way(tmp_path):
    store = installed(tmp_path)
    store.offer(changes(1, OTHER)[0])
    store.follow()
    assert version(store) == 0
    store.offer(changes(1)[0])
    store.follow()
    assert version(store) == 1


def test_what_is_old_or_no_change_of_a_list_changes_nothing(tmp_path):
    store = installed(tmp_path)
    first, second = changes(2)
    store.apply("revoked", first)
    for offered in (first, second[:-1], b"", publish(ISSUER.key, CompactList("others"), [LOST])[0]):
        store.load()
        store.offer(offered)
        store.follow()
        assert not store.has_changed() and version(store) == 1


def test_what_waits_is_bounded_and_the_newest_stay(tmp_path):
    store = installed(tmp_path)
    deltas = changes(OFFERED_MAX + 1)
    store.apply("revoked", deltas[0])
    for delta in deltas[1:]:
        store.offer(delta)
    store.follow()
    assert version(store) == OFFERED_MAX + 1


def test_a_list_that_cannot_be_written_leaves_the_one_that_is_there(tmp_path):
    store = installed(tmp_path)
    first, second = changes(2)
    store.apply("revoked", first)
    (tmp_path / "code_list_revoked_2.new").mkdir()
    store.offer(second)
    store.follow()
    assert version(store) == 1
