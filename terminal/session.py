"""The session with the host: sign-on, probes, and the order to sign on again in the header of the host's answers.

The counter may send payments only while the session is ready: connected, signed on, working keys loaded, and the host
heard of lately. A session is volatile; after a start or when the host asks for it the terminal signs on again, between
two payments and never in one.

That a line is open proves nothing, and a message that came without a MAC, or may be a recording, proves no more. So
nothing counts but the answer to a probe (`terminal.probe`). A host that is silent for too long is out of reach: what is
asked for next is not sent on such a line. But a payment whose answer is owed already waits for that as long as it
would have: it may yet come, on this line and on no other.
"""

from collections.abc import Callable
from enum import StrEnum

from firmware_config.profile import TerminalProfile
from iso8583 import Message
from terminal import host_parameters, messages
from terminal.book import Book
from terminal.effects import Effect, LoadKeys, Persist, Reconnect, Send
from terminal.events import KeysLoaded, KeysLost, LinkLost, Received
from terminal.probe import Probe
from terminal.records import SignedOn

# Seconds between sign-ons that failed: a host that refuses a terminal is not to be hammered by it.
RETRY_S = (2, 5, 10, 30, 60)
CALM_S = 600.0
"""Who has not asked for a sign-on for so long is heard at once again."""

SIGN_ON_PROBES = 2
"""How many times as long as for a probe's answer is waited for that to a sign-on, for which the host must write."""

SIGN_ON_AGAIN = "3"
FORMAT_ERROR = "30"
BATCH_DIGITS = 6


class SessionState(StrEnum):
    """How far the session is."""

    DOWN = "down"
    SIGNING_ON = "signing on"
    LOADING_KEYS = "loading keys"
    READY = "ready"
    REFUSED = "refused"


class Session:
    """Signs on when the link comes up and when the host asks for it, and keeps the link proven by probes.

    `answer_is_owed`: the host has been asked about money, and its answer is still waited for. `on_time` is told of each
    answer that proves the host, for the time that it brings.
    """

    def __init__(
        self, book: Book, profile: TerminalProfile, answer_is_owed: Callable[[], bool],
        on_time: Callable[[Message, float], list[Effect]],
    ) -> None:  # fmt: skip
        self._on_time = on_time
        self._book = book
        self._profile = profile
        self._answer_is_owed = answer_is_owed
        self._probe = Probe(profile.host.probe_interval_s, profile.host.probe_timeout_s)
        self._has_keys = False
        self._keys_are_proven = False
        self._keys_lost = ""
        self._sign_on_wanted = False
        self._failures = 0
        self._asked = 0
        self._deaf_until = float("-inf")
        self._due: float | None = None
        self._sign_on_trace = ""
        self.state = SessionState.DOWN
        self.refusal = ""
        self.trouble = ""
        """What is wrong with the line, of what was last seen of it; empty while the session is ready."""
        self.down_since: float | None = None
        """Since when the host is not known to be there, UTC seconds; None while it is, or if nobody knows."""

    @property
    def ready(self) -> bool:
        """Payments may be sent."""
        return self.state is SessionState.READY

    @property
    def host_is_out_of_reach(self) -> bool:
        """There is no session, and not because the host or this terminal's keys say no: the line is to blame."""
        return not (self.ready or self.refusal or self._keys_lost)

    @property
    def trusts_keys(self) -> bool:
        """There are working keys that nobody has spoken against: also when the line is dead, a courier may use them."""
        return self._has_keys and not self._sign_on_wanted

    @property
    def wants_sign_on(self) -> bool:
        """The host asked for a new sign-on; it waits for the payment under way to end."""
        return self._sign_on_wanted and self.ready

    @property
    def awaits_echo(self) -> bool:
        """An echo was sent, and its answer has not come."""
        return self._probe.silent_since is not None

    def resume(self, now: float) -> None:
        """From now on the host is looked for."""
        self.down_since = now

    def prove(self, now: float) -> list[Effect]:
        """Somebody wants to know now whether the host answers."""
        return self._ask(now) if self.ready and not self.awaits_echo else []

    def link_up(self, now: float) -> list[Effect]:
        """Connected: prove the old keys with an echo, or sign on."""
        if self._has_keys and not self._sign_on_wanted:
            return self._ask(now)
        return self.sign_on(now)

    def link_down(self, event: LinkLost, now: float) -> list[Effect]:
        """Disconnected, or still not connected; the keys stay good until the host says otherwise.

        That a line is over says less than what was wrong with it before.
        """
        self._goes_down(event.reason or self.trouble or "lost", now)
        return []

    def sign_on(self, now: float) -> list[Effect]:
        """Ask the host for a session with fresh keys."""
        if self._sign_on_wanted:
            self._asked = 0 if now - self._deaf_until > CALM_S else min(self._asked + 1, len(RETRY_S) - 1)
            self._deaf_until = now + RETRY_S[self._asked]
        self._sign_on_wanted = self._has_keys = self._keys_are_proven = False
        self._probe.stop()
        if self._keys_lost:
            return self._out_of_service(now)
        self._leaves_ready(SessionState.SIGNING_ON, now)
        self._due = now + SIGN_ON_PROBES * self._profile.host.probe_timeout_s
        request = messages.sign_on(self._profile, self._book.batch, self._book.next_trace, "01")
        self._sign_on_trace = request.text(11)
        return [Send(request)]

    def ask_for_sign_on(self, now: float) -> None:
        """The host does not trust our keys, or we do not trust its MAC: sign on when the counter is free.

        Who asks again after each sign-on is heard ever more rarely. Each sends all that is owed again at once, so a
        host that gives one advice the same answer for ever would leave time for nothing else.
        """
        self._sign_on_wanted = self._sign_on_wanted or now >= self._deaf_until

    def stop(self, code: str, now: float) -> None:
        """The host does not serve this terminal or merchant: out of service until a sign-on succeeds again."""
        self._failures = len(RETRY_S)
        self._refused(f"host_{code}", now)

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take the answer to a sign-on (0810) or to an echo or sign-off (0830)."""
        if event.message.get(41) != self._profile.terminal_id:
            return []
        if event.message.mti == "0810":
            return self._signed_on(event, now)
        return self._echoed(event, now)

    def heed(self, command: str, now: float) -> None:
        """Take the command in the header of any answer (digit 6), if it is ours: `errands` has the others."""
        if command == SIGN_ON_AGAIN and self.ready:
            self.ask_for_sign_on(now)

    def keys_loaded(self, event: KeysLoaded, now: float) -> list[Effect]:
        """Vault and PIN pad took the keys, or refused them; then none of them may be used."""
        if self.state is not SessionState.LOADING_KEYS:
            return []
        if not event.accepted:
            return self._refused(event.reason, now)
        self._has_keys = True
        self._is_ready(now)
        return []

    def keys_lost(self, event: KeysLost, now: float) -> list[Effect]:
        """Without a key process there is no session: out of service, for as long as there is none."""
        self._keys_lost, self._has_keys = event.reason, False
        return [] if self.state is SessionState.DOWN else self._out_of_service(now)

    def keys_back(self, now: float) -> list[Effect]:
        """There is a key process again; its working keys come with a sign-on."""
        self._keys_lost = ""
        return [] if self.state is SessionState.DOWN else self.sign_on(now)

    def tick(self, now: float) -> list[Effect]:
        """Do what time asks for."""
        if self._probe.is_overdue(now) and not self._answer_is_owed():
            return self._no_answer(now)
        if self._probe.is_due(now):
            return self._ask(now)
        if self._due is None or now < self._due:
            return []
        return self.sign_on(now) if self.state is SessionState.REFUSED else self._no_answer(now)

    def deadline(self) -> float | None:
        """When tick() wants to be called next."""
        times = (self._due, self._probe.deadline(patient=self._answer_is_owed()))
        return min((time for time in times if time is not None), default=None)

    def _ask(self, now: float) -> list[Effect]:
        return [Send(messages.echo(self._profile, self._book.batch, self._probe.ask(now)))]

    def _no_answer(self, now: float) -> list[Effect]:
        since, seen = self._probe.silent_since, self.trouble if self.ready else ""
        self._goes_down(seen or "no_answer", now if since is None else since)
        return [Reconnect()]

    def _echoed(self, event: Received, now: float) -> list[Effect]:
        """Take the answer to a probe; one to another, or to none, changes nothing."""
        number = event.message.text(11, "")
        if not number and self._profile.host.echo_without_mac:  # nor need such a host know numbers
            number = self._probe.oldest
        if not self._probe.awaits(number):
            return []
        if not self._has_keys:  # they may have gone while it was awaited
            return self.sign_on(now)
        doubt = self._doubt_about(event)
        if doubt:
            return self._keys_in_doubt(doubt, now)
        self._probe.answered(number)
        self._keys_are_proven, self._failures = True, 0
        if not self.ready:
            self._is_ready(now)
        return self._on_time(event.message, now) if event.mac == "good" else []

    def _doubt_about(self, event: Received) -> str:
        """Why an answer does not prove that the host has the same keys; empty if it does."""
        code = event.message.text(39, "")
        if event.mac == "bad":
            return "bad_mac"
        if code != "00":
            return f"host_{code}"
        return "" if event.mac == "good" or self._profile.host.echo_without_mac else "no_mac"

    def _keys_in_doubt(self, doubt: str, now: float) -> list[Effect]:
        """Sign on again; not for ever with keys that never proved anything."""
        if self.ready and self._keys_are_proven:
            self.trouble = doubt
            self.ask_for_sign_on(now)
            return []
        if self.ready:
            return self._refused(doubt, now)
        return self.sign_on(now)

    def _signed_on(self, event: Received, now: float) -> list[Effect]:
        answers_another = event.message.get(11, self._sign_on_trace) != self._sign_on_trace
        if self.state is not SessionState.SIGNING_ON or answers_another:
            return []  # that of an earlier sign-on brings old keys, and maybe the number of a batch long closed
        code, keys = event.message.text(39, FORMAT_ERROR), event.message.binary(62, b"")
        batch = event.message.text(60, "")[2:8]
        if code == "00" and not (keys and len(batch) == BATCH_DIGITS):
            code = FORMAT_ERROR
        if code != "00":
            return self._refused(f"host_{code}", now)
        self.state = SessionState.LOADING_KEYS
        self._due = now + host_parameters.in_force(self._profile, self._book.parameters).host.reply_timeout_s
        return [Persist(self._applied(SignedOn(batch, now))), LoadKeys(keys)]

    def _applied(self, record: SignedOn) -> SignedOn:
        self._book.apply(record)
        return record

    # --- how it stands ------------------------------------------------------------------------------------------------

    def _is_ready(self, now: float) -> None:
        self.state, self.refusal, self.trouble, self.down_since, self._due = SessionState.READY, "", "", None, None
        self._probe.wait(now)

    def _leaves_ready(self, state: SessionState, since: float) -> None:
        self.state = state
        if self.down_since is None:
            self.down_since = since

    def _goes_down(self, trouble: str, since: float) -> None:
        self._leaves_ready(SessionState.DOWN, since)
        self._due, self.trouble = None, trouble
        self._probe.stop()

    def _out_of_service(self, now: float) -> list[Effect]:
        """Nothing that time or the host does can mend it."""
        self._leaves_ready(SessionState.REFUSED, now)
        self._probe.stop()
        self.refusal, self._due = self._keys_lost, None
        return []

    def _refused(self, reason: str, now: float) -> list[Effect]:
        self._leaves_ready(SessionState.REFUSED, now)
        self._probe.stop()
        self.refusal, self._has_keys = reason, False
        self._due = now + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        return []
