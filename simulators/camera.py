"""Cameras that are none: frames handed over one by one, a film, and a stream over HTTP as network cameras send it.

    python -m simulators.camera --port 8790 62…

serves a stream that shows the given codes in turn, two seconds each with a pause, until it is stopped.
"""

import argparse
import asyncio
import itertools
import queue
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from simulators.camera_frames import HEIGHT, WIDTH, Frame, View, draw_qr, seen

FRAMES_PER_S = 15
SHOWN_S = 2.0
PAUSE_S = 1.0
LOOPBACK = "127.0.0.1"
_BOUNDARY = b"frame"
_WAITING_MAX = 64


def showing(code: str, *, side: float = 360.0, inverted: bool = False) -> Frame:
    """A frame with a code as QR in it; without one if `code` is empty."""
    chance = np.random.default_rng(7)
    if not code:
        return np.full((HEIGHT, WIDTH), 120, np.uint8)
    return seen(draw_qr(code), View(side=side, angle=5.0, inverted=inverted), chance)


class HandFed:
    """A camera that sees what it is given, and every frame of it: a `FrameSource` for tests. Any thread may feed it."""

    live = False

    def __init__(self) -> None:
        self._frames: queue.Queue[Frame | None] = queue.Queue(_WAITING_MAX)

    def see(self, *frames: Frame) -> None:
        """Let it see frames, after those that still wait."""
        for frame in frames:
            self._frames.put(frame)

    def unplug(self) -> None:
        """Pull the plug, after those that still wait."""
        self._frames.put(None)

    def read(self) -> Frame | None:
        """Wait for the next frame; None when unplugged."""
        return self._frames.get()

    def interrupt(self) -> None:
        """Let a `read` that waits return."""
        self._frames.put(None)

    def release(self) -> None:
        """Nothing is held."""


def write_film(path: Path, frames: Iterable[Frame], frames_per_s: float = FRAMES_PER_S) -> None:
    """Write frames as a Motion-JPEG film; the path ends in ``.avi``. Raises OSError if it cannot be written."""
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), frames_per_s, (WIDTH, HEIGHT), isColor=False)
    if not film.isOpened():
        raise OSError(f"cannot write a film to {path.name}")
    for frame in frames:
        film.write(frame)
    film.release()


class StreamCamera:
    """A network camera: sends what it sees to whoever connects, as ``multipart/x-mixed-replace`` JPEGs over HTTP."""

    def __init__(self, frames_per_s: float = FRAMES_PER_S) -> None:
        self._pause_s = 1 / frames_per_s
        self._server: asyncio.Server | None = None
        self._moves = asyncio.Event()
        self._viewers: set[asyncio.Task[None]] = set()
        self._picture = b""
        self.show("")
        self.resume()

    async def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the address to open. Raises OSError if the port is taken."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, port)
        return f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}/camera.mjpg"

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for viewer in self._viewers:
            viewer.cancel()
        await asyncio.gather(*self._viewers, return_exceptions=True)

    def show(self, code: str) -> None:
        """Hold a code before the camera; an empty one takes it away."""
        self.see(showing(code))

    def see(self, frame: Frame) -> None:
        """Let it see a frame from now on."""
        encoded, picture = cv2.imencode(".jpg", frame)
        assert encoded, "a frame is always a picture"
        self._picture = picture.tobytes()

    def stall(self) -> None:
        """Stop sending without hanging up, as a camera that has crashed."""
        self._moves.clear()

    def resume(self) -> None:
        """Send again."""
        self._moves.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._viewers.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            kind = b"multipart/x-mixed-replace; boundary=" + _BOUNDARY
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
            while True:
                await self._moves.wait()
                length = b"%d" % len(self._picture)
                head = b"--" + _BOUNDARY + b"\r\nContent-Type: image/jpeg\r\nContent-Length: " + length + b"\r\n\r\n"
                writer.write(head + self._picture + b"\r\n")
                await writer.drain()
                await asyncio.sleep(self._pause_s)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return
        finally:
            self._viewers.discard(task)
            writer.close()


async def _show_in_turn(codes: list[str], port: int) -> None:
    camera = StreamCamera()
    address = await camera.start(port)
    sys.stdout.write(address + "\n")
    sys.stdout.flush()
    for code in itertools.cycle(codes):
        camera.show(code)
        await asyncio.sleep(SHOWN_S)
        camera.show("")
        await asyncio.sleep(PAUSE_S)


def main() -> None:
    """Serve a stream until stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators.camera", description="A network camera that shows codes."
    )
    parser.add_argument("codes", nargs="+", help="what it shows, one after the other")
    parser.add_argument("--port", type=int, default=0, help="where it listens; any free port by itself")
    options = parser.parse_args()
    try:
        asyncio.run(_show_in_turn(options.codes, options.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
