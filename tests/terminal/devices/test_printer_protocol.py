"""What only ill or foreign printers do: whatever they answer, a slip that may not be on paper raises."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from terminal.devices import DeviceHealth
from terminal.devices.printer_protocol import Patience
from terminal.devices.printer_tcp import tcp_printer
from tests.in_a_loop import in_a_loop
from tests.terminal.devices.printer_rig import IMPATIENT, JOB, trouble


@in_a_loop
async def test_a_connection_that_takes_too_long_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_connection(full.getsockname()):
        driver = tcp_printer("127.0.0.1", full.getsockname()[1], Patience(connect_s=0.05))
        assert await trouble(driver) == "no_connection"


@in_a_loop
async def test_close_ends_a_job_in_progress() -> None:
    async with scripted_printer(READY, finishes=False) as (asked, port):
        driver = tcp_printer("127.0.0.1", port)
        job = asyncio.create_task(trouble(driver))
        await asked.wait()
        await driver.close()
        assert await job == "connection_lost"


READY = {1: b"\x12", 2: b"\x12", 4: b"\x12"}


@asynccontextmanager
async def scripted_printer(*moods: dict[int, bytes], finishes: bool = True) -> AsyncIterator[tuple[asyncio.Event, int]]:
    """Serve a printer that answers DLE EOT from its first mood until a job comes, then from the next ones, thrice each.

    The last mood lasts. The event says that a job has come.
    """
    job_came, clients = asyncio.Event(), set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(asyncio.current_task())
        queries = 0
        while command := await reader.read(3):
            if command[:2] == b"\x10\x04":
                mood = min(1 + queries // 3 if job_came.is_set() else 0, len(moods) - 1)
                queries += job_came.is_set()
                writer.write(moods[mood][command[2]])
            elif command[:2] == b"\x10\x14":
                await reader.readexactly(7)
            elif command == b"\x1da\x0e":
                continue  # it knows no automatic status
            else:
                rest = await reader.readuntil(b"\x1dr\x01")
                assert command + rest == b"\x1da\x00" + JOB + b"\x1dr\x01"
                job_came.set()
                writer.write(b"\x00" if finishes else b"")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield job_came, server.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, clients), return_exceptions=True)


REASONS = [
    (1, b"\x1a", "offline"),
    (2, b"\x16", "cover_open"),
    (2, b"\x32", "paper_out"),
    (2, b"\x52", "printer_error"),
    (4, b"\x72", "paper_out"),
    (4, b"", "no_answer"),
]


@pytest.mark.parametrize(("number", "answer", "reason"), REASONS)
@pytest.mark.parametrize("finishes", [False, True])
@in_a_loop
async def test_each_trouble_is_seen_before_and_after_the_job(
    number: int, answer: bytes, reason: str, finishes: bool
) -> None:
    ill = READY | {number: answer}
    async with scripted_printer(ill) as (job_came, port):
        assert await trouble(tcp_printer("127.0.0.1", port, IMPATIENT)) == reason
        assert not job_came.is_set()
    patient_job = Patience(answer_s=0.3, ask_again_s=0.01)
    async with scripted_printer(READY, ill, finishes=finishes) as (job_came, port):
        assert await trouble(tcp_printer("127.0.0.1", port, patient_job)) == reason
        assert job_came.is_set()


@in_a_loop
async def test_trouble_while_the_job_is_under_way_is_seen_although_it_was_ready_before() -> None:
    async with scripted_printer(READY, READY, READY | {2: b"\x16"}, finishes=False) as (_, port):
        assert await trouble(tcp_printer("127.0.0.1", port, Patience(ask_again_s=0.01))) == "cover_open"


@in_a_loop
async def test_a_job_that_the_printer_never_says_is_done_is_not_done() -> None:
    async with scripted_printer(READY, finishes=False) as (_, port):
        driver = tcp_printer("127.0.0.1", port, IMPATIENT)
        assert await trouble(driver) == "not_finished"
        assert driver.health() == DeviceHealth("unknown", "not_finished")


@in_a_loop
async def test_bytes_that_nobody_asked_for_are_not_taken_for_an_answer() -> None:
    """Flow control, an automatic status before the job, the answer to a cleared buffer."""
    chatty = {number: b"\x11\x13\x10\x00\x00\x0f\x37\x25\x00" + answer for number, answer in READY.items()}
    async with scripted_printer(chatty, READY, finishes=False) as (_, port):
        assert await trouble(tcp_printer("127.0.0.1", port, IMPATIENT)) == "not_finished"
    async with scripted_printer(chatty, READY) as (_, port):
        await tcp_printer("127.0.0.1", port).print(JOB)
