"""The operators' door: orders go through it as lines, and nothing else does."""

import asyncio
import json
from pathlib import Path

import pytest

from host_switch.door import SOCKET_NAME, DoorError, from_line, open_door, through_door, to_line
from host_switch.events import (
    CommandGiven,
    DownloadGiven,
    MessageRescued,
    Order,
    ParametersGiven,
    PhoneGiven,
    PhoneTaken,
    SignerGiven,
    TerminalRegistered,
)
from host_switch.keys import KeyRoom
from host_switch.listener import Listener
from host_switch.records import CodeIssuer, Download, SignedKey
from host_switch.store import MemoryStore
from iso8583.unionpay_fields.field62 import Parameters62
from tests.host_switch.room import POLICY
from tests.host_switch.till import MASTER_KEY, MERCHANT
from tests.in_a_loop import in_a_loop

ORDERS: list[Order] = [
    CommandGiven("12345678", "3"), ParametersGiven("12345678", Parameters62(45, "测试商户")),
    TerminalRegistered("12345678", MERCHANT, MASTER_KEY), DownloadGiven(Download("black-list", (b"1" * 16, b"2" * 19))),
    DownloadGiven(Download("black-list", ())), MessageRescued("12345678", bytes(40)),
    DownloadGiven(Download("black-list", ())), PhoneTaken(9_999_999_999), PhoneGiven(0, bytes(32), 1),
    PhoneGiven(1_000_000_001, bytes(range(32)), 1_800_000_000, "6" * 16, "王芳"),
    SignerGiven(CodeIssuer(b"\x01", -8, bytes(32), "银行")), SignerGiven(SignedKey(bytes(32), 7)),
    SignerGiven(SignedKey(bytes(33), 7, 1_800_000_000.5)),
]  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_is_the_same_after_its_way_through_the_door(order: Order) -> None:
    assert from_line(to_line(order)) == order


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b'{"order": "dance"}', b'{"order": "register", "key": "zz"}',
        b'{"order": "parameters", "terminal": "1", "parameters": "31"}',
        b'{"order": "phone", "number": "1", "seed": "zz", "at": "1", "account": "", "name": ""}',
        b'{"order": "phone taken", "number": "one"}', b'{"order": "signed key", "key": "zz"}',
    ],
)  # fmt: skip
def test_what_is_no_order_is_not_read_as_one(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        from_line(line)


def test_without_a_running_host_nobody_answers(tmp_path: Path) -> None:
    assert through_door(tmp_path, ORDERS[0]) is None


def test_a_door_that_a_killed_host_left_behind_is_no_host(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / SOCKET_NAME))
    assert through_door(tmp_path, ORDERS[0]) is None


@in_a_loop
async def test_orders_are_carried_out_in_the_running_host(tmp_path: Path) -> None:
    store = MemoryStore(POLICY, KeyRoom(bytes(32)).fresh_keys)
    listener = Listener(store)
    await listener.start("127.0.0.1", 0)
    door = await open_door(listener, tmp_path)
    for order in reversed(ORDERS):
        assert await asyncio.to_thread(through_door, tmp_path, order) is not None
    assert store.books().terminals[0].commands == "317"
    door.close()
    await listener.stop()


@in_a_loop
async def test_what_comes_through_the_door_and_is_no_order_is_refused_in_words(tmp_path: Path) -> None:
    listener = Listener(MemoryStore(POLICY, KeyRoom(bytes(32)).fresh_keys))
    door = await open_door(listener, tmp_path)
    reader, writer = await asyncio.open_unix_connection(tmp_path / SOCKET_NAME)
    for line in (b"nonsense\n", b"[1]\n", b'{"order": "dance"}\n'):
        writer.write(line)
        async with asyncio.timeout(5):
            assert json.loads(await reader.readline()) == {"ok": False, "reason": "not an order"}
    writer.close()
    await writer.wait_closed()
    door.close()


@in_a_loop
async def test_a_host_that_hangs_up_is_an_error_in_words(tmp_path: Path) -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    door = await asyncio.start_unix_server(hang_up, tmp_path / SOCKET_NAME)
    with pytest.raises(DoorError, match="does not answer"):
        await asyncio.to_thread(through_door, tmp_path, ORDERS[0])
    door.close()
