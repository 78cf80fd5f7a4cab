"""The session with the host: sign-on, echo, and the order to sign on again in the header of the host's answers.

The counter may send payments only while the session is ready: connected, signed on, working keys loaded. A session is
volatile; after a start or when the host asks for it the terminal signs on again, between two payments and never in one.
"""

from enum import StrEnum

from firmware_config.profile import TerminalProfile
from terminal import host_parameters, messages
from terminal.book import Book
from terminal.events import Effect, KeysLoaded, KeysLost, LoadKeys, Persist, Received, Reconnect, Send
from terminal.records import SignedOn

# Seconds between sign-ons that failed: a host that refuses a terminal is not to be hammered by it.
RETRY_S = (2, 5, 10, 30, 60)

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
    """Signs on when the link comes up and when the host asks for it, and keeps the link proven by echoes."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._has_keys = False
        self._keys_lost = ""
        self._sign_on_wanted = False
        self._failures = 0
        self._due: float | None = None
        self._echo_sent = False
        self._sign_on_trace = ""
        self.state = SessionState.DOWN
        self.refusal = ""

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
        return self._echo_sent

    def prove(self, now: float) -> list[Effect]:
        """Somebody wants to know now whether the host answers."""
        return self._echo(now) if self.ready and not self._echo_sent else []

    def link_up(self, now: float) -> list[Effect]:
        """Connected: prove the old keys with an echo, or sign on."""
        if self._has_keys and not self._sign_on_wanted:
            return self._echo(now)
        return self.sign_on(now)

    def link_down(self) -> list[Effect]:
        """Disconnected; the keys stay good until the host says otherwise."""
        self.state, self._due, self._echo_sent = SessionState.DOWN, None, False
        return []

    def sign_on(self, now: float) -> list[Effect]:
        """Ask the host for a session with fresh keys."""
        self._sign_on_wanted = self._has_keys = self._echo_sent = False
        if self._keys_lost:
            return self._out_of_service()
        self.state = SessionState.SIGNING_ON
        self._due = self._answer_due(now)
        request = messages.sign_on(self._profile, self._book.batch, self._book.next_trace, "01")
        self._sign_on_trace = request.text(11)
        return [Send(request)]

    def ask_for_sign_on(self) -> None:
        """The host does not trust our keys, or we do not trust its MAC: sign on when the counter is free."""
        self._sign_on_wanted = True

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

    def heed(self, command: str) -> None:
        """Take the command in the header of any answer (digit 6), if it is ours: `errands` has the others."""
        if command == SIGN_ON_AGAIN and self.ready:
            self.ask_for_sign_on()

    def keys_loaded(self, event: KeysLoaded, now: float) -> list[Effect]:
        """Vault and PIN pad took the keys, or refused them; then none of them may be used."""
        if self.state is not SessionState.LOADING_KEYS:
            return []
        if not event.accepted:
            return self._refused(event.reason, now)
        self.state, self._has_keys, self._failures, self.refusal = SessionState.READY, True, 0, ""
        self._due = now + self._profile.host.echo_interval_s
        return []

    def keys_lost(self, event: KeysLost) -> list[Effect]:
        """Without a key process there is no session: out of service, for as long as there is none."""
        self._keys_lost, self._has_keys = event.reason, False
        return [] if self.state is SessionState.DOWN else self._out_of_service()

    def keys_back(self, now: float) -> list[Effect]:
        """There is a key process again; its working keys come with a sign-on."""
        self._keys_lost = ""
        return [] if self.state is SessionState.DOWN else self.sign_on(now)

    def heard(self, now: float) -> None:
        """Any answer proves the link; the next echo can wait."""
        if self.ready and not self._echo_sent:
            self._due = now + self._profile.host.echo_interval_s

    def tick(self, now: float) -> list[Effect]:
        """Do what time asks for."""
        if self._due is None or now < self._due:
            return []
        match self.state:
            case SessionState.READY if not self._echo_sent:
                return self._echo(now)
            case SessionState.REFUSED:
                return self.sign_on(now)
            case _:
                self.link_down()
                return [Reconnect()]

    def deadline(self) -> float | None:
        """When tick() wants to be called next."""
        return self._due

    def _echo(self, now: float) -> list[Effect]:
        self._echo_sent = True
        self._due = self._answer_due(now)
        return [Send(messages.echo(self._profile, self._book.batch))]

    def _echoed(self, event: Received, now: float) -> list[Effect]:
        if not self._echo_sent:
            return []
        self._echo_sent = False
        if event.message.get(39, "00") != "00" or not self._has_keys:  # they may have gone while it was awaited
            return self.sign_on(now)
        self.state = SessionState.READY
        self._due = now + self._profile.host.echo_interval_s
        return []

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
        self._due = self._answer_due(now)
        return [Persist(self._applied(SignedOn(batch, now))), LoadKeys(keys)]

    def _answer_due(self, now: float) -> float:
        return now + host_parameters.in_force(self._profile, self._book.parameters).host.reply_timeout_s

    def _applied(self, record: SignedOn) -> SignedOn:
        self._book.apply(record)
        return record

    def _out_of_service(self) -> list[Effect]:
        """Nothing that time or the host does can mend it."""
        self.state, self.refusal, self._due, self._echo_sent = SessionState.REFUSED, self._keys_lost, None, False
        return []

    def _refused(self, reason: str, now: float) -> list[Effect]:
        self.state, self.refusal, self._has_keys = SessionState.REFUSED, reason, False
        self._due = now + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        return []
