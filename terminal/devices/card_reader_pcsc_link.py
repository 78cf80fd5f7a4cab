"""The thread that speaks to one PC/SC reader: it sees cards come and go, and carries out one command after another.

PC/SC has no time-outs: a card that hangs blocks the thread, and nothing else. Whoever waits for an answer gives up by
its own clock (`PcscLink.give_up`); when the blocked call returns at last, the thread drops the connection. After any
error the connection is dropped, too: a handle that has seen one may silently speak to the next card. When the service
or the reader has gone, the thread begins anew with a context of its own until `close`.

pcscd itself looks at a reader without an interrupt only every 0.4 s, and three things follow from it.

- Whether a card has come or gone is told by its count of them, and by nothing else. After an error the thread waits
  until the service must have looked; if it has counted nothing by then, a card is in: the same, or another.
- A card is never switched off when it is let go: switched off in the moment in which it is pulled out, it makes the
  service forget it without counting, and then overlook the next one. The service itself switches off what nobody uses.
- Only a card that has just been counted is on. Any other is switched off and on again, by a way that also wakes a
  service which overlooks it.

Faults that it tells of: ``service_missing`` (no pcscd), ``reader_missing``, ``reader_ambiguous`` (several readers have
such a name).
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from smartcard import scard

LOOK_EVERY_S = 0.1
"""How often the thread looks after a card that is in, and for a reader that is not there. An empty one is waited on."""

_COUNTED_WITHIN_S = 0.5
"""By then pcscd has looked at the reader, and counted if a card has come or gone."""
_COUNT_LOOKS = 10
_CLOSE_AGAIN_S = 0.02

_PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
_REASONS = {
    scard.SCARD_W_UNRESPONSIVE_CARD: "card_mute", scard.SCARD_W_UNPOWERED_CARD: "card_mute",
    scard.SCARD_W_UNSUPPORTED_CARD: "card_mute", scard.SCARD_E_PROTO_MISMATCH: "card_mute",
    scard.SCARD_E_SHARING_VIOLATION: "reader_in_use",
}  # fmt: skip
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
    """A command that the card did not answer; `reason` as in `CardGone`, or ``reader_in_use`` by another program."""

    reason: str


Reply = Callable[[bytes | Failed], None]


@dataclass(frozen=True, slots=True)
class _Command:
    """What somebody asks for; without an APDU, that the card is switched on anew."""

    reply: Reply
    apdu: bytes = field(default=b"", repr=False)


class _LostError(Exception):
    """The reader cannot be attended; `args[0]` is the fault."""


class PcscLink:
    """One reader's thread. `tell` and the replies are called in it."""

    def __init__(self, name: str, tell: Callable[[Sight], None]) -> None:
        self._name = name
        self._tell = tell
        self._changed = threading.Condition()  # guards what is asked for, and `_seen`
        self._asked: _Command | None = None
        self._seen = Sight()
        self._given_up = threading.Event()
        self._closing = threading.Event()
        self._context: Any = None
        self._reader = ""
        self._known = int(scard.SCARD_STATE_UNAWARE)
        self._fresh = False  # the card has just been counted, and is on
        self._handle: Any = None
        self._protocol = 0
        # A daemon: a card that hangs for ever must not keep the terminal from ending.
        self._thread = threading.Thread(target=self._run, name=f"pcsc {name}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def connect(self, reply: Reply) -> None:
        """Switch the card on anew, as soon as one is in; the reply is its answer to reset."""
        with self._changed:
            self._asked = _Command(reply)
            self._changed.notify()

    def transmit(self, apdu: bytes, reply: Reply) -> None:
        """Send a command APDU to the card that is in; the reply is the response APDU."""
        with self._changed:
            if self._seen.card:
                self._asked = _Command(reply, apdu)
                self._changed.notify()
                return
        reply(Failed("card_removed"))

    def give_up(self) -> None:
        """Nobody waits any more: a command not yet begun is not, the connection of one under way not used again."""
        with self._changed:
            self._asked = None
            self._given_up.set()

    def close(self, within_s: float) -> None:
        """Let the card go and end. A call under way is waited for so long, then left: the thread ends with it."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        until = time.monotonic() + within_s
        while self._thread.is_alive() and time.monotonic() < until:
            if self._context is not None:
                scard.SCardCancel(self._context)  # ends a wait, but not one that is only about to begin: so, again
            self._thread.join(_CLOSE_AGAIN_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._attend()
            except _LostError as lost:
                self._see(Sight(fault=lost.args[0]))
                self._closing.wait(LOOK_EVERY_S)
        self._see(Sight())

    def _attend(self) -> None:
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        _demand(code)
        self._context = context
        try:
            self._reader = self._found()
            self._known = int(scard.SCARD_STATE_UNAWARE)
            self._look(0)
            while not self._closing.is_set():
                if not self._seen.card:
                    self._look(None)
                elif not self._serve(LOOK_EVERY_S):
                    self._look(0)
        finally:
            self._let_go()
            scard.SCardReleaseContext(self._context)

    def _found(self) -> str:
        code, names = scard.SCardListReaders(self._context, [])
        _demand(code)
        return chosen(self._name, names)

    def _look(self, wait_s: int | None) -> None:
        """See what has changed; wait for it without end if `wait_s` is None."""
        before = self._known
        if self._counted(wait_s):
            self._take_stock()
        elif _holds_card(before) != _holds_card(self._known):
            self._wait_for_count()

    def _counted(self, wait_s: int | None) -> bool:
        """Learn the reader's state; return whether a card has come or gone since the last time, or it is the first."""
        wait_ms = scard.INFINITE if wait_s is None else 1000 * wait_s
        code, states = scard.SCardGetStatusChange(self._context, wait_ms, [(self._reader, self._known)])
        if code in (scard.SCARD_E_TIMEOUT, scard.SCARD_E_CANCELLED):
            return False
        _demand(code)
        state: int = states[0][1]
        if state & _READER_GONE:
            raise _LostError("reader_missing")
        before, self._known = self._known, state & ~int(scard.SCARD_STATE_CHANGED)
        return before == scard.SCARD_STATE_UNAWARE or before >> 16 != state >> 16

    def _take_stock(self) -> None:
        """A card has come or gone: begin anew with what is in now. A quick exchange is told as one, too."""
        self._let_go()
        self._see(Sight())
        self._fresh = _holds_card(self._known)
        if self._fresh:
            self._see(Sight(card=True))

    def _wait_for_count(self) -> None:
        """Wait until pcscd must have looked; if it has counted nothing by then, a card is in, whatever it says."""
        self._fresh = False
        for _ in range(_COUNT_LOOKS):
            if self._closing.wait(_COUNTED_WITHIN_S / _COUNT_LOOKS):
                return
            if self._counted(0):
                self._take_stock()
                return
        self._see(Sight(card=True))

    def _serve(self, wait_s: float) -> bool:
        """Carry out what is asked for within so long, if anything is; return whether it was."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked is not None or self._closing.is_set(), wait_s)
            command, self._asked = self._asked, None
            self._given_up.clear()
        if command is None:
            return False
        answer = self._transmit(command.apdu) if command.apdu else self._connect()
        if self._given_up.is_set():
            self._let_go()
        command.reply(answer)
        if isinstance(answer, Failed):
            self._recover(was_read=command.apdu != b"" and answer.reason == "card_removed")
        return True

    def _recover(self, *, was_read: bool) -> None:
        """After an error, find out what is in the reader. The card that was being read is not, or is put in anew."""
        self._let_go()
        if was_read:
            self._see(Sight())
        self._wait_for_count()

    def _connect(self) -> bytes | Failed:
        code = scard.SCARD_S_SUCCESS
        if self._handle is None:
            mode = scard.SCARD_SHARE_EXCLUSIVE if self._fresh else scard.SCARD_SHARE_DIRECT
            code, handle, self._protocol = scard.SCardConnect(self._context, self._reader, mode, _PROTOCOLS)
            self._handle = handle if code == scard.SCARD_S_SUCCESS else None
        if code == scard.SCARD_S_SUCCESS and not self._fresh:
            code, self._protocol = scard.SCardReconnect(
                self._handle, scard.SCARD_SHARE_EXCLUSIVE, _PROTOCOLS, scard.SCARD_UNPOWER_CARD
            )
        self._fresh = False
        if code != scard.SCARD_S_SUCCESS:
            return _failed(code)
        code, *_, answer_to_reset = scard.SCardStatus(self._handle)
        return bytes(answer_to_reset) or Failed("card_removed") if code == scard.SCARD_S_SUCCESS else _failed(code)

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
        """Close the connection. Explicitly: a handle that is only forgotten stays open in the service."""
        if self._handle is not None:
            scard.SCardDisconnect(self._handle, scard.SCARD_LEAVE_CARD)
            self._handle = None

    def _see(self, sight: Sight) -> None:
        """Tell what is seen; without a card nothing is transmitted, whatever was asked in the meantime."""
        with self._changed:
            changed, self._seen = sight != self._seen or not sight.fault, sight
            dropped = self._asked if self._asked and self._asked.apdu and not sight.card else None
            self._asked = None if dropped else self._asked
        if dropped:
            dropped.reply(Failed("card_removed"))
        if changed:
            self._tell(sight)


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


def _holds_card(state: int) -> bool:
    return bool(state & scard.SCARD_STATE_PRESENT)


def _demand(code: int) -> None:
    if code != scard.SCARD_S_SUCCESS:
        raise _LostError("reader_missing" if code in _READER_CODES else "service_missing")


def _failed(code: int) -> Failed:
    return Failed(_REASONS.get(code, "card_removed"))
