"""The courier of a simulated world: a broker between terminals and host, and the place that each of them has at it.

What Mosquitto, `terminal/courier.py` and `host_switch/ingest_mqtt.py` do over TCP, this does on virtual time, as QoS 1
has it: a message stays until whoever it is for has acknowledged it, and comes again if the connection ends before. So
it comes at least once, maybe twice, maybe hours late; on one topic in the order in which it was handed over. But
nothing of it is on any disk: when the broker dies, all that it carried is gone. It may refuse what it is handed.

What becomes of a connection does not depend on the line between terminal and host: the two have their own weather.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from host_switch.envelopes import ROOT
from simulators.engine import Node, World

Told = Callable[[bool], None]
"""Hears whether the broker has taken a message. That it has proves nothing."""
Acknowledge = Callable[[], None]
Take = Callable[[str, bytes, Acknowledge], None]
"""Takes a message (topic, frame), and says so when it is in good hands."""
Listen = Callable[[str, str, bytes], None]
Tamper = Callable[[str, bytes], bytes]

RECONNECT_S = (0.5, 2.0, 10.0)  # rarer than true ones try, to save the world the events
KEPT_S = {"host": 300.0}
KEPT_S_OF_TERMINALS = 86_400.0
"""How long a broker that knows MQTT 5 keeps what waits for somebody who is away."""
ANSWER_EXPIRES_S = 600.0
LATE_S = 5.0


@dataclass(slots=True)
class Manners:
    """How a broker behaves: shares from 0 to 1, times in seconds. `expires`: it knows MQTT 5, and drops what is old."""

    random: Random
    expires: bool = True
    late: float = 0.0
    late_max_s: float = 0.0
    twice: float = 0.0
    unheard: float = 0.0
    refuses: float = 0.0

    def delay_s(self) -> float:
        """How long a message takes, to the broker or from it."""
        return self.random.random() * (self.late_max_s if self.happens(self.late) else 0.1)

    def word_s(self) -> float:
        """How long an acknowledgement takes."""
        return self.delay_s()

    def turns_down(self) -> bool:
        """Whether it refuses a message."""
        return self.happens(self.refuses)

    def repeats(self) -> bool:
        """Whether it delivers a message twice."""
        return self.happens(self.twice)

    def misses(self) -> bool:
        """Whether an acknowledgement gets lost."""
        return self.happens(self.unheard)

    def happens(self, share: float) -> bool:
        """Whether something happens that does so in a share of the cases."""
        return self.random.random() < share

    def calm_down(self) -> None:
        """From now on it behaves."""
        self.late = self.twice = self.unheard = self.refuses = 0.0


@dataclass(slots=True)
class _Letter:
    topic: str
    frame: bytes
    good_until: float
    under_way: bool = False
    tries: int = 0


@dataclass(slots=True)
class _Session:
    """What waits for one client. It outlives connections, and no broker."""

    place: "Place"
    connection: int = 0
    left_at: float | None = None
    letters: list[_Letter] = field(default_factory=list)
    free_at: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Keep:
    """Put a message to what waits for somebody."""

    target: str
    letter: _Letter


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell who has handed a message over what became of it (PUBACK)."""

    connection: int
    source: str
    told: Told


class BrokerNode:
    """The broker. Nothing of it is durable. `listeners` hear what is handed over, `tamper` may change what goes out."""

    name = "broker"

    def __init__(self, world: World, manners: Manners) -> None:
        self.life = 0
        self.up = False
        self.manners = manners
        self.listeners: list[Listen] = []
        self.tamper: Tamper = _untouched
        self._world = world
        self._connections = 0
        self._sessions: dict[str, _Session] = {}
        self._way_free_at: dict[str, float] = {}
        self._away_until: dict[str, float] = {}
        self._taken = True

    def boot(self) -> None:
        """Start with nothing."""

    def fall(self) -> None:
        """Forget everything; each client notices after a while."""
        self._world.happened["broker killed"] += 1
        if any(session.letters for session in self._sessions.values()):
            self._world.happened["broker killed with messages"] += 1
        sessions, self._sessions = self._sessions, {}
        self._way_free_at.clear()
        for session in sessions.values():
            self._break(session)

    # --- connections --------------------------------------------------------------------------------------------------

    def connect(self, place: "Place") -> int:
        """Take a connection: its number, or 0. What was on its way and not acknowledged is on its way again."""
        if not self.up or self._away_until.get(place.name, 0.0) > self._world.now:
            return 0
        self._connections += 1
        session = self._session_of(place.name) or self._sessions.setdefault(place.name, _Session(place))
        session.connection, session.left_at = self._connections, None
        session.free_at.clear()
        for letter in session.letters:
            letter.under_way = False
        self._push(session)
        return self._connections

    def hang_up(self, name: str) -> None:
        """A client is gone."""
        session = self._sessions.get(name)
        if session is not None and session.connection:
            session.connection, session.left_at = 0, self._world.now

    def cut_off(self, name: str, seconds: float) -> None:
        """Let a client not come through for a while; both notice."""
        self._world.note(self.name, f"{name} cut off for {seconds:.0f} s")
        self._away_until[name] = self._world.now + seconds
        session = self._sessions.get(name)
        if session is not None:
            self._break(session)
            self.hang_up(name)

    def comes_back_at(self, name: str) -> float:
        """The earliest time at which trying again makes sense."""
        return self._away_until.get(name, 0.0)

    def leave_alone(self) -> None:
        """From now on it behaves, and everybody comes through."""
        self.manners.calm_down()
        self._away_until.clear()
        self.listeners.clear()
        self.tamper = _untouched

    def _break(self, session: _Session) -> None:
        if session.connection:
            notice_s = self._world.chance.notice_s()
            self._world.after(notice_s, None, session.place.cut_off, session.connection)

    def _session_of(self, name: str) -> _Session | None:
        """What is kept for a client, if it has not been away for too long."""
        session = self._sessions.get(name)
        if session is None or session.left_at is None or not self.manners.expires:
            return session
        if self._world.now - session.left_at <= KEPT_S.get(name, KEPT_S_OF_TERMINALS):
            return session
        del self._sessions[name]
        return None

    # --- in -----------------------------------------------------------------------------------------------------------

    def publish(
        self, source: str, connection: int, target: str, topic: str, frame: bytes, good_for_s: float, told: Told
    ) -> None:
        """Carry a message from a client to the broker: behind what it has handed over before, or not at all."""
        at = max(self._way_free_at.get(source, 0.0), self._world.now + self.manners.delay_s())
        self._way_free_at[source] = at
        letter = _Letter(topic, frame, at + good_for_s if self.manners.expires else float("inf"))
        self._world.after(at - self._world.now, self, self._arrived, source, target, letter, connection, told)

    def _arrived(self, source: str, target: str, letter: _Letter, connection: int, told: Told) -> None:
        if self._away_until.get(source, 0.0) > self._world.now:
            return
        self._world.note(source, "=>", letter.topic, letter.frame)
        for listen in self.listeners:
            listen(target, letter.topic, letter.frame)
        steps: tuple[Keep | Tell, ...] = Keep(target, letter), Tell(connection, source, told)
        self._world.perform(self, steps, self._perform)

    def _perform(self, step: Keep | Tell) -> None:
        match step:
            case Keep(target, letter):
                self._taken = self._keep(target, letter)
            case Tell(connection, source, told):
                self._world.after(self.manners.word_s(), self, self._tell, connection, source, told, self._taken)

    def _keep(self, target: str, letter: _Letter) -> bool:
        """Whether it is carried. An older broker does not say so when nobody listens."""
        if self.manners.turns_down():
            self._world.happened["broker refuses"] += 1
            return False
        session = self._session_of(target)
        if session is None:
            self._world.happened["broker finds nobody listening"] += 1
            return not self.manners.expires
        session.letters.append(letter)
        self._push(session)
        return True

    def _tell(self, connection: int, source: str, told: Told, taken: bool) -> None:
        session = self._sessions.get(source)
        if session is not None and session.connection == connection:
            told(taken)

    # --- out ----------------------------------------------------------------------------------------------------------

    def _push(self, session: _Session) -> None:
        """Send what waits and is not under way. Topics overtake each other; what comes twice may overtake its own."""
        if not session.connection:
            return
        now = self._world.now
        session.letters = [letter for letter in session.letters if letter.good_until > now]
        for letter in session.letters:
            if letter.under_way:
                continue
            letter.under_way = True
            at = max(session.free_at.get(letter.topic, 0.0), now + self.manners.delay_s())
            session.free_at[letter.topic] = at
            self._world.after(at - now, self, self._deliver, session, session.connection, letter)
            if self.manners.repeats():
                again_s = self.manners.random.uniform(0.0, 60.0)
                self._world.after(at - now + again_s, self, self._deliver, session, session.connection, letter)

    def _deliver(self, session: _Session, connection: int, letter: _Letter) -> None:
        if session.connection != connection:
            return
        letter.tries += 1
        if letter.tries > 1:
            self._world.happened["broker delivers again"] += 1
        self._world.note(self.name, "=>", session.place.name, letter.frame)
        frame = self.tamper(session.place.name, letter.frame)
        session.place.take(letter.topic, frame, partial(self._acknowledged, session, connection, letter))

    def _acknowledged(self, session: _Session, connection: int, letter: _Letter) -> None:
        """A client has it. That may get lost with the connection; here it is lost without that, now and then."""
        if not self.manners.misses():
            self._world.after(self.manners.word_s(), self, self._forget, session, connection, letter)

    def _forget(self, session: _Session, connection: int, letter: _Letter) -> None:
        if session.connection == connection:
            session.letters = [other for other in session.letters if other is not letter]

    def inject(self, target: str, topic: str, frame: bytes) -> None:
        """Hand a client what nobody has sent it now."""
        session = self._sessions.get(target)
        if self.up and session is not None and session.connection:
            self._world.note("somebody", "=>", target, frame)
            session.place.take(topic, frame, _nobody_hears)


class Place:
    """A node's place at the broker: keeps one connection, and makes it again when it is lost.

    `changed` hears whether there is one, `take` what comes; both are called while the node is up, and only then.
    """

    def __init__(self, world: World, broker: BrokerNode, node: Node, changed: Told, take: Take) -> None:
        self.name = node.name
        self.connection = 0
        self._world = world
        self._broker = broker
        self._node = node
        self._changed = changed
        self._take = take
        self._failures = 0
        self._attempts = 0

    def boot(self) -> None:
        """The node has started: connect."""
        self._failures = self.connection = 0
        self._connect_in(RECONNECT_S[0])

    def fall(self) -> None:
        """The node has died, and the connection with it."""
        self.connection = 0
        self._broker.hang_up(self.name)

    def send(self, target: str, topic: str, frame: bytes, good_for_s: float, told: Told) -> None:
        """Hand a message over, if there is a connection; else it is dropped."""
        if self.connection:
            self._broker.publish(self.name, self.connection, target, topic, frame, good_for_s, told)

    def take(self, topic: str, frame: bytes, acknowledge: Acknowledge) -> None:
        """Something has come."""
        if self._node.up and self.connection:
            self._take(topic, frame, acknowledge)

    def cut_off(self, connection: int) -> None:
        """The connection is over, and the node notices it."""
        if self._node.up and self.connection == connection:
            self.connection = 0
            self._broker.hang_up(self.name)
            self._connect_later()
            self._changed(False)

    def connect_now(self) -> None:
        """The way is open, earlier than the world had known."""
        if self._node.up and not self.connection:
            self._connect_in(RECONNECT_S[-1])

    def _connect_in(self, seconds: float) -> None:
        self._attempts += 1
        self._world.after(seconds, self._node, self._connect, self._attempts)

    def _connect_later(self) -> None:
        pause_s = RECONNECT_S[min(self._failures, len(RECONNECT_S) - 1)]
        self._failures += 1
        self._connect_in(max(pause_s, self._broker.comes_back_at(self.name) - self._world.now))

    def _connect(self, attempt: int) -> None:
        if attempt != self._attempts or self.connection:
            return
        self.connection = self._broker.connect(self)
        if self.connection:
            self._failures = 0
            self._changed(True)
        else:
            self._connect_later()


def topic_up(merchant: str, terminal: str, kind: str) -> str:
    """Where a terminal hands over what it owes."""
    return f"{ROOT}{merchant}/{terminal}/up/{kind}"


def _untouched(_target: str, frame: bytes) -> bytes:
    return frame


def _nobody_hears() -> None:
    pass
