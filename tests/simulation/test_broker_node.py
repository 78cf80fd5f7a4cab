"""The simulated broker: at least once, in order on a topic, on no disk, and no promise beyond that."""

from random import Random

import pytest

from simulators.broker_node import BrokerNode, Manners, Place
from simulators.engine import START, World

UP, DOWN = "tg/m/1/up/advice", "tg/m/1/down/answer"


class Calm:
    """Nobody dies by chance, and a connection that is over is noticed after a second."""

    def crash(self, node, effect):
        return None

    def delays(self, source, target, packet):
        return (0.0,)

    def notice_s(self):
        return 1.0


class Client:
    """A node with a place at the broker: keeps what comes, and acknowledges it or not."""

    def __init__(self, world, broker, name):
        self.name, self.life, self.up = name, 0, False
        self.came: list[bytes] = []
        self.changes: list[bool] = []
        self.told: list[bool] = []
        self.acknowledges = True
        self.place = Place(world, broker, self, self.changes.append, self.take)

    def boot(self):
        self.place.boot()

    def fall(self):
        self.place.fall()

    def take(self, topic, frame, acknowledge):
        self.came.append(frame)
        if self.acknowledges:
            acknowledge()

    def send(self, target, frame, topic=UP, good_for_s=1e6):
        self.place.send(target, topic, frame, good_for_s, self.told.append)


class Trio:
    """A broker with a terminal and the host, both connected."""

    def __init__(self, **manners):
        self.world = World(Calm())
        self.broker = BrokerNode(self.world, Manners(Random(1), **manners))
        self.host, self.terminal = (Client(self.world, self.broker, name) for name in ("host", "1"))
        for node in (self.broker, self.host, self.terminal):
            self.world.start(node)
        self.wait(1)
        assert self.host.changes == self.terminal.changes == [True]

    def wait(self, seconds):
        self.world.run(self.world.now + seconds, lambda: False)


def test_message_goes_both_ways_and_its_sender_hears_that_it_was_taken():
    trio = Trio()
    trio.terminal.send("host", b"advice")
    trio.host.send("1", b"answer", DOWN)
    trio.wait(1)
    assert (trio.host.came, trio.terminal.came) == ([b"advice"], [b"answer"])
    assert trio.terminal.told == [True]


def test_message_waits_for_a_client_who_is_cut_off():
    trio = Trio()
    trio.broker.cut_off("host", 7200)
    trio.terminal.send("host", b"advice")
    trio.wait(7100)
    assert trio.host.came == [] and trio.host.changes == [True, False]


@pytest.mark.parametrize(
    ("away_s", "expires", "came"), [(200, True, [b"advice"]), (600, True, []), (600, False, [b"advice"])]
)
def test_what_waits_for_a_host_is_kept_for_a_while_and_by_an_older_broker_for_ever(away_s, expires, came):
    trio = Trio(expires=expires)
    trio.terminal.send("host", b"advice")
    trio.broker.cut_off("host", away_s)
    trio.wait(away_s - 1)
    trio.terminal.send("host", b"later")
    trio.wait(20)
    assert trio.host.came[:1] == came and trio.terminal.told == [True, bool(came)]


def test_what_was_not_acknowledged_comes_again_on_the_next_connection():
    trio = Trio()
    trio.host.acknowledges = False
    trio.terminal.send("host", b"advice")
    trio.wait(1)
    trio.world.crash(trio.host, 5.0)
    trio.host.acknowledges = True
    trio.wait(20)
    assert trio.host.came == [b"advice", b"advice"]
    trio.world.crash(trio.host, 5.0)
    trio.wait(20)
    assert trio.host.came == [b"advice", b"advice"]


def test_message_for_a_client_that_is_dead_waits_for_its_return():
    trio = Trio()
    trio.world.crash(trio.host, 5.0)
    trio.terminal.send("host", b"advice")
    trio.wait(20)
    assert trio.host.came == [b"advice"]


def test_messages_of_one_topic_come_in_order_and_overtake_those_of_others():
    trio = Trio(late=0.5, late_max_s=60.0)
    for number in range(20):
        trio.terminal.send("host", b"a%02d" % number)
        trio.terminal.send("host", b"b%02d" % number, topic="tg/m/2/up/advice")
    trio.wait(3600)
    assert [frame for frame in trio.host.came if frame < b"b"] == [b"a%02d" % number for number in range(20)]
    assert trio.host.came != sorted(trio.host.came, key=lambda frame: (frame[1:], frame))


def test_message_may_come_twice():
    trio = Trio(twice=1.0)
    trio.terminal.send("host", b"advice")
    trio.wait(100)
    assert trio.host.came == [b"advice", b"advice"]


def test_broker_that_dies_takes_everything_along_and_everybody_notices():
    trio = Trio()
    trio.broker.cut_off("host", 60)
    trio.terminal.send("host", b"advice")
    trio.wait(1)
    trio.world.crash(trio.broker, 5.0)
    trio.wait(2)
    assert trio.terminal.changes == [True, False]
    trio.wait(100)
    assert trio.terminal.changes == trio.host.changes == [True, False, True] and trio.host.came == []


def test_message_that_is_refused_goes_nowhere_and_its_sender_hears_so():
    trio = Trio(refuses=1.0)
    trio.terminal.send("host", b"advice")
    trio.wait(1)
    assert trio.terminal.told == [False] and trio.host.came == []


@pytest.mark.parametrize("expires", [True, False])
def test_older_broker_says_nothing_when_nobody_listens(expires):
    trio = Trio(expires=expires)
    trio.terminal.send("nobody", b"advice")
    trio.wait(1)
    assert trio.terminal.told == [not expires]


@pytest.mark.parametrize(("expires", "came"), [(True, []), (False, [b"advice"])])
def test_what_is_old_is_dropped_by_a_broker_that_knows_how(expires, came):
    trio = Trio(expires=expires)
    trio.broker.cut_off("host", 60)
    trio.terminal.send("host", b"advice", good_for_s=30)
    trio.wait(90)
    assert trio.host.came == came


def test_nothing_is_handed_over_without_a_connection():
    trio = Trio()
    trio.broker.cut_off("1", 60)
    trio.wait(2)
    trio.terminal.send("host", b"advice")
    trio.wait(100)
    assert trio.host.came == [] and trio.terminal.told == []
    assert trio.world.now > START + 100 and trio.terminal.changes == [True, False, True]
