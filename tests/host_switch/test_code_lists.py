"""Changes of lists of keys that do not pay: kept by the host, carried by a real Mosquitto, for terminals."""

import asyncio
import json
from pathlib import Path

import pytest

from host_switch import broker_files
from host_switch.code_lists import SLOTS, CodeListError, CodeLists
from paycode.lists import CARRIED_BYTES_MAX, CompactList, ListClaim, publish
from simulators.signed_phones import CodeIssuer
from tests.host_switch.at_broker import place
from tests.host_switch.till import MERCHANT
from tests.in_a_loop import in_a_loop
from tests.mosquitto import Speaker, certified_terminal, speaking
from tillgate import main

A = "12345678"
ISSUER = CodeIssuer()
LISTS = "tg/lists/+/+"


def changes(count: int, name: str = "revoked") -> list[bytes]:
    current, deltas = CompactList(name), list[bytes]()
    for number in range(count):
        delta, current = publish(ISSUER.key, current, [number.to_bytes(32, "big")])
        deltas.append(delta)
    return deltas


def test_what_was_published_is_kept_by_list_and_version(tmp_path: Path) -> None:
    for delta in (*changes(2), *changes(1, "quota")):
        CodeLists(tmp_path).publish(delta)
    kept = CodeLists(tmp_path)
    assert kept.published() == [ListClaim("quota", 0, 1), ListClaim("revoked", 0, 1), ListClaim("revoked", 1, 2)]
    assert kept.by_topic()["tg/lists/revoked/1"] == changes(2)[1]


def test_the_newest_changes_are_kept_and_no_more_however_many_there_were(tmp_path: Path) -> None:
    lists, deltas = CodeLists(tmp_path), changes(SLOTS + 3)
    for delta in deltas:
        lists.publish(delta)
    assert [claim.before for claim in lists.published()] == list(range(3, SLOTS + 3))
    with pytest.raises(CodeListError, match="long before"):
        lists.publish(deltas[0])


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        (b"", "no signed change"), (changes(1)[0][:-1], "no signed change"), (changes(1, "others")[0], "no signed"),
        (publish(ISSUER.key, CompactList("revoked"), [bytes([n >> 8, n & 255]) for n in range(2000)])[0], "in steps"),
    ],
)  # fmt: skip
def test_what_terminals_could_not_take_is_refused(tmp_path: Path, delta: bytes, said: str) -> None:
    with pytest.raises(CodeListError, match=said):
        CodeLists(tmp_path).publish(delta)
    assert CodeLists(tmp_path).published() == []


def test_a_change_of_a_thousand_entries_still_fits(tmp_path: Path) -> None:
    delta, _ = publish(ISSUER.key, CompactList("revoked"), [n.to_bytes(2, "big") for n in range(1200)])
    assert len(delta) <= CARRIED_BYTES_MAX
    CodeLists(tmp_path).publish(delta)


def test_the_command_publishes_and_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1.cose").write_bytes(changes(1)[0])
    data = ("--data", str(tmp_path / "host"), "--json")
    expected = {"list": "revoked", "before": 0, "version": 1}
    for words in (("publish", str(tmp_path / "1.cose")), ("list",)):
        assert main(["host", "code-list", *words, *data]) == 0
        assert json.loads(capsys.readouterr().out) == expected
    (tmp_path / "1.cose").write_bytes(b"x")
    assert main(["host", "code-list", "publish", str(tmp_path / "1.cose"), *data]) == 1
    assert "docs/paycode.md" in capsys.readouterr().err


async def heard(speaker: Speaker, count: int) -> dict[str, bytes]:
    """So many messages."""
    return dict([await asyncio.to_thread(speaker.hear) for _ in range(count)])


@in_a_loop
async def test_a_terminal_hears_what_was_published_before_it_came_and_afterwards_and_after_the_broker_died(
    tmp_path: Path,
) -> None:
    first, second = changes(2)
    async with place(tmp_path) as here:
        broker_files.write_current(here.host, here.broker.folder, {A: MERCHANT})
        here.broker.stop()
        here.broker.start()
        tls = certified_terminal(tmp_path / A, here.host, A)
        CodeLists(here.host).publish(first)
        async with here.opened():
            with speaking(here.broker.port, tls, A) as terminal:
                await asyncio.to_thread(terminal.listen, LISTS)
                assert await heard(terminal, 1) == {"tg/lists/revoked/0": first}
                CodeLists(here.host).publish(second)
                assert (await heard(terminal, 2))["tg/lists/revoked/1"] == second
                assert terminal.say("tg/lists/revoked/0", b"feigned") == "Not authorized"
            here.broker.kill()
            here.broker.start()
            with speaking(here.broker.port, tls, A) as terminal:
                await asyncio.to_thread(terminal.listen, LISTS)
                assert await heard(terminal, 2) == {"tg/lists/revoked/0": first, "tg/lists/revoked/1": second}
