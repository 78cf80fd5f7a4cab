"""The thread that speaks to one PC/SC reader: it sees cards come and go, and carries out one command after another.

PC/SC has no time-outs: a card that hangs blocks the thread, and nothing else. Whoever waits for an answer gives up by
its own clock (`PcscLink.give_up`); when the blocked call returns at last, the thread drops the connection. After any
error the connection is dropped, too: a handle that has seen one may silently speak to the next card. When the service
or the reader has gone, the thread begins anew with a context of its own until `close`.

Faults that it tells of: ``service_missing`` (no pcscd), ``reader_missing``, ``reader_ambiguous`` (several readers have
such a name).
"""

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from smartcard import scard

LOOK_EVERY_S = 0.1
"""How long a thread that waits for one thing may be blind for the other: commands, and the card's coming and going."""

_COMMANDS_MAX = 4
_CONNECT = b""
_MUTE_CODES = {scard.SCARD_W_UNRESPONSIVE_CARD, scard.SCARD_W_UNPOWERED_CARD, scard.SCARD_W_UNSUPPORTED_CARD}
_READER_CODES = {
    scard.SCARD_E_UNKNOWN_READER, scard.SCARD_E_READER_UNAVAILABLE, scard.SCARD_E_NO_READERS_AVAILABLE
}  # fmt: skip
_READER_GONE = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE


@dataclass(frozen=True, slots=True)
class Sight:
    """What the thread sees: whether a card is in, and what is wrong with the reader or its service."""

    card: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A command that the card did not answer; `reason` as in `CardGone`."""

    reason: str


Reply = Callable[[bytes | Failed], None]


class _LostError(Exception):
    """The reader cannot be attended; `args[0]` is the fault."""


class PcscLink:
    """One reader's thread. `tell` and the replies are called in it."""

    def __init__(self, name: str, tell: Callable[[Sight], None]) -> None:
        self._name = name
        self._tell = tell
        self._commands: queue.Queue[tuple[bytes, Reply]] = queue.Queue(_COMMANDS_MAX)
        self._given_up = threading.Event()
        self._closing = threading.Event()
        self._handle: Any = None
        self._protocol = 0
        self._seen = Sight()
        # A daemon: a card that hangs for ever must not keep the terminal from ending.
        self._thread = threading.Thread(target=self._run, name=f"pcsc {name}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def connect(self, reply: Reply) -> None:
        """Switch the card on anew; the reply is its answer to reset. Raises queue.Full."""
        self._commands.put_nowait((_CONNECT, reply))

    def transmit(self, apdu: bytes, reply: Reply) -> None:
        """Send a command APDU; the reply is the response APDU. Raises queue.Full."""
        self._commands.put_nowait((apdu, reply))

    def give_up(self) -> None:
        """Nobody waits any more for the command under way: its connection is not to be used again."""
        self._given_up.set()

    def close(self) -> None:
        """Let the card go and end, as soon as the call under way has returned."""
        self._closing.set()

    def ended(self, within_s: float) -> bool:
        """Wait for the end; False if a call is still under way."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._attend()
            except _LostError as lost:
                self._see(Sight(fault=lost.args[0]))
                self._turn_away(LOOK_EVERY_S)
        self._see(Sight())

    def _attend(self) -> None:
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        _demand(code)
        try:
            reader = self._find(context)
            known = self._look(context, reader, scard.SCARD_STATE_UNAWARE, 0)
            while not self._closing.is_set():
                connected = self._handle is not None
                if not self._serve(context, reader, LOOK_EVERY_S if connected else 0):
                    known = self._look(context, reader, known, 0 if connected else LOOK_EVERY_S)
        finally:
            self._let_go()
            scard.SCardReleaseContext(context)

    def _find(self, context: Any) -> str:
        code, names = scard.SCardListReaders(context, [])
        _demand(code)
        return chosen(self._name, names)

    def _look(self, context: Any, reader: str, known: int, timeout_s: float) -> int:
        """Wait for a change; the upper half of a state counts the cards, so that a quick exchange is seen as well."""
        code, states = scard.SCardGetStatusChange(context, int(timeout_s * 1000), [(reader, known)])
        if code == scard.SCARD_E_TIMEOUT:
            return known
        _demand(code)
        state: int = states[0][1]
        if state & _READER_GONE:
            raise _LostError("reader_missing")
        card = bool(state & scard.SCARD_STATE_PRESENT)
        if known == scard.SCARD_STATE_UNAWARE or state >> 16 != known >> 16 or card != self._seen.card:
            self._let_go()
            self._see(Sight())
            if card:
                self._see(Sight(card=True))
        return state & ~int(scard.SCARD_STATE_CHANGED)

    def _serve(self, context: Any, reader: str, timeout_s: float) -> bool:
        """Carry out a command, if one comes in time."""
        try:
            apdu, reply = self._commands.get(timeout_s > 0, timeout_s or None)
        except queue.Empty:
            return False
        self._given_up.clear()
        answer = self._transmit(apdu) if apdu else self._connect(context, reader)
        if isinstance(answer, Failed) or self._given_up.is_set():
            self._let_go()
        reply(answer)
        return not isinstance(answer, Failed)

    def _connect(self, context: Any, reader: str) -> bytes | Failed:
        self._let_go()
        protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        code, handle, self._protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_EXCLUSIVE, protocols)
        if code != scard.SCARD_S_SUCCESS:
            return _failed(code)
        self._handle = handle
        code, *_, answer_to_reset = scard.SCardStatus(handle)
        return bytes(answer_to_reset) if code == scard.SCARD_S_SUCCESS else _failed(code)

    def _transmit(self, apdu: bytes) -> bytes | Failed:
        if self._handle is None:
            return Failed("card_removed")
        by_t0 = self._protocol == scard.SCARD_PROTOCOL_T0
        header = scard.SCARD_PCI_T0 if by_t0 else scard.SCARD_PCI_T1
        code, answer = scard.SCardTransmit(self._handle, header, list(t0_command(apdu) if by_t0 else apdu))
        if code != scard.SCARD_S_SUCCESS:
            return _failed(code)
        if len(answer) < 2:  # how some drivers tell of a card that was pulled out under the command
            return Failed("card_removed")
        return bytes(octet & 0xFF for octet in answer)

    def _let_go(self) -> None:
        """Switch the card off. Explicitly: a handle that is only forgotten stays open in the service."""
        if self._handle is not None:
            scard.SCardDisconnect(self._handle, scard.SCARD_UNPOWER_CARD)
            self._handle = None

    def _see(self, sight: Sight) -> None:
        if sight != self._seen or sight.fault == "":
            self._seen = sight
            self._tell(sight)

    def _turn_away(self, pause_s: float) -> None:
        """Without a reader nothing can be done; look again after a pause."""
        if self._closing.wait(pause_s):
            return
        while not self._commands.empty():
            _, reply = self._commands.get_nowait()
            reply(Failed("card_removed"))


def chosen(wanted: str, names: Iterable[str]) -> str:
    """The reader with this name, else the only one whose name contains it: a name ends in numbers that change."""
    names = list(names)
    if wanted in names:
        return wanted
    alike = [name for name in names if wanted in name]
    if len(alike) != 1:
        raise _LostError("reader_ambiguous" if alike else "reader_missing")
    return alike[0]


def t0_command(apdu: bytes) -> bytes:
    """A short command as T=0 carries it (ISO/IEC 7816-3 §12.2): P3 always there, and no Le behind data."""
    if len(apdu) == 4:
        return apdu + b"\x00"
    return apdu[:-1] if apdu[4] and len(apdu) == 6 + apdu[4] else apdu


def _demand(code: int) -> None:
    if code != scard.SCARD_S_SUCCESS:
        raise _LostError("reader_missing" if code in _READER_CODES else "service_missing")


def _failed(code: int) -> Failed:
    return Failed("card_mute" if code in _MUTE_CODES else "card_removed")
