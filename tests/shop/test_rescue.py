"""A terminal that does not start any more: what it owed is taken off its disk, and booked once, whoever brings it."""

import asyncio
import json
from pathlib import Path

import pytest

from iso8583.rescue import Rescue
from terminal.rescue import draw_sheets
from tests.in_a_loop import in_a_loop
from tests.shop.rig import MERCHANT, OPENING_BALANCE, Shop, shop
from tests.shop.test_offline import SETTINGS, cut, sold
from tests.shop.test_parked import SETTINGS as PARKING
from tests.shop.test_parked import drained
from tillgate import main

NEIGHBOUR, NEIGHBOURS_KEY = "10000002", bytes(range(16))


async def command(*arguments: str) -> int:
    return await asyncio.to_thread(main, list(arguments))


def told(capsys) -> list[dict[str, object]]:
    """The lines of JSON on standard output; in one process with the host, its log stands among them."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


async def exported(s: Shop) -> Path:
    """Break the terminal down, and take what it owes off its folder."""
    await s.stop_terminal()
    before = {path.name: path.read_bytes() for path in (s.folder / "terminal").iterdir() if path.name != "vault.json"}
    file = s.folder / "owed.tgq"
    data = str(s.folder / "terminal")
    assert await command("terminal", "queue", "export", "--data", data, "--out", str(file), "--json") == 0
    after = {path.name: path.read_bytes() for path in (s.folder / "terminal").iterdir() if path.name != "vault.json"}
    assert after == before, "a dead terminal's disk stays as it is"
    return file


@in_a_loop
async def test_a_file_brings_its_sales_to_the_host_and_the_terminal_may_come_back(tmp_path: Path, capsys) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        keys = [await sold(s), await sold(s, 3000)]
        file = await exported(s)
        (said,) = told(capsys)
        assert said["messages"] == keys and not said["left"]
        pan = b"6299990000000009"
        assert pan not in file.read_bytes() and bytes.fromhex(pan.decode()) not in file.read_bytes()
        await s.start_host()
        host = ["host", "queue", "import", str(file), "--data", str(s.folder / "host"), "--json"]
        assert await command(*host) == 0
        assert [line["outcome"] for line in told(capsys)] == ["taken", "taken"]
        await s.host_until(lambda books: sum(row.outcome == "approved" for row in books.transactions) == 2)
        assert await command(*host) == 0, "a second import changes nothing"
        await s.restart_terminal()
        for key in keys:
            assert (await s.until_final(key))["state"] == "approved"
        assert s.balance_of("offline") == OPENING_BALANCE - 5500
        assert (await s.settle())["balanced"]
        await s.prove()


@in_a_loop
async def test_what_lies_in_parked_batches_is_taken_off_too_the_oldest_first(tmp_path: Path, capsys) -> None:
    async with shop(tmp_path, settings=PARKING) as s:
        await cut(s)
        keys = [await sold(s, 1000 + number) for number in range(5)]
        assert s.runner.view()["parked"]["batches"] == 2
        file = await exported(s)
        (said,) = told(capsys)
        assert said["messages"] == keys and not said["left"]
        await s.start_host()
        assert await command("host", "queue", "import", str(file), "--data", str(s.folder / "host"), "--json") == 0
        assert [line["outcome"] for line in told(capsys)] == ["taken"] * 5
        await s.restart_terminal()
        await s.until(drained)
        assert s.balance_of("offline") == OPENING_BALANCE - 5010
        assert (await s.settle())["balanced"]
        await s.prove()


@in_a_loop
async def test_a_neighbour_carries_them_over_its_own_line(tmp_path: Path, capsys) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        await cut(s)
        key = await sold(s)
        file = await exported(s)
        file.write_text("\n".join(reversed(Rescue.parse(file.read_bytes()).sheets())))
        await s.start_host()
        await s.add_terminal(NEIGHBOUR, MERCHANT, NEIGHBOURS_KEY)
        neighbour = tmp_path / "neighbour"
        neighbour.mkdir()
        profile = (s.folder / "terminal" / "profile.toml").read_text("utf-8")
        (neighbour / "profile.toml").write_text(profile.replace(key[:8], NEIGHBOUR), "utf-8")
        capsys.readouterr()
        assert await command("terminal", "queue", "import", str(file), "--data", str(neighbour), "--json") == 0
        assert told(capsys) == [{"message": 1, "answer": "00"}]
        await s.restart_terminal()
        assert (await s.until_final(key))["state"] == "approved"
        assert s.balance_of("offline") == OPENING_BALANCE - 2500
        await s.prove()


@in_a_loop
async def test_a_terminal_that_runs_is_not_exported_and_says_what_to_do(tmp_path: Path, capsys) -> None:
    async with shop(tmp_path, settings=SETTINGS) as s:
        data, file = str(s.folder / "terminal"), tmp_path / "owed.tgq"
        assert await command("terminal", "queue", "export", "--data", data, "--out", str(file)) == 1
        assert "stop that one first" in capsys.readouterr().err and not file.exists()
        await s.prove()


def test_a_scanner_reads_the_sheets_that_were_drawn(tmp_path: Path) -> None:
    import zxingcpp
    from PIL import Image

    rescue = Rescue("10000001", (bytes(range(256)) * 3, b"x" * 700))
    codes = [zxingcpp.read_barcode(Image.open(path)) for path in draw_sheets(rescue, tmp_path)]
    scanned = [code.text for code in codes if code]
    assert len(scanned) == 2 and Rescue.parse("\n".join(scanned).encode()) == rescue


@pytest.mark.parametrize("content", [b"", b"TGQ1", b"TGQ1:", b"\xff" * 100, b"TGQ110000001\xff\xff" + bytes(40)])
def test_nonsense_in_place_of_a_file_is_refused_in_a_sentence(tmp_path: Path, capsys, content: bytes) -> None:
    (tmp_path / "owed.tgq").write_bytes(content)
    file = str(tmp_path / "owed.tgq")
    assert main(["host", "queue", "import", file, "--data", str(tmp_path)]) == 1
    assert main(["terminal", "queue", "import", file, "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said and said.count("\n") <= 8
