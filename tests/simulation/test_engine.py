"""Virtual time, deaths between any two effects, and a network that cuts."""

import pytest

from simulators.engine import START, Trace, World


class Script:
    """A source of chance that is told what to do."""

    def __init__(self, dies_after=None, delays=(1.0,)):
        self.dies_after, self.way = dies_after, delays

    def crash(self, node, effect):
        return 5.0 if self.dies_after is not None and effect == self.dies_after else None

    def delays(self, source, target, packet):
        return self.way

    def notice_s(self):
        return 0.0


class Machine:
    def __init__(self):
        self.name, self.life, self.up = "machine", 0, False
        self.did, self.boots, self.falls = [], 0, 0

    def boot(self):
        self.boots += 1

    def fall(self):
        self.falls += 1


def running(chance):
    world, node = World(chance, Trace()), Machine()
    world.start(node)
    return world, node


def never():
    return False


@pytest.mark.parametrize(("dies_after", "done"), [("a", ["a"]), ("b", ["a", "b"]), ("c", ["a", "b", "c"])])
def test_what_stands_behind_the_death_is_not_done(dies_after, done):
    world, node = running(Script(dies_after))
    world.perform(node, "abc", node.did.append)
    assert node.did == done and not node.up and node.falls == 1


def test_dead_machine_is_back_after_a_while():
    world, node = running(Script("a"))
    world.perform(node, "a", node.did.append)
    world.run(START + 5.0, lambda: node.up)
    assert node.up and node.boots == 2 and world.now == START + 5.0


def test_what_was_planned_dies_with_its_planner():
    world, node = running(Script())
    world.after(10.0, node, node.did.append, "planned")
    world.after(10.0, None, node.did.append, "not its own")
    world.crash(node, 1.0)
    world.run(START + 20.0, never)
    assert node.did == ["not its own"]


def test_actions_of_one_time_come_in_the_order_in_which_they_were_planned():
    world, node = running(Script())
    for name in "abc":
        world.after(1.0, node, node.did.append, name)
    world.run(START + 2.0, never)
    assert node.did == ["a", "b", "c"]


def test_every_copy_of_a_packet_arrives():
    world, node = running(Script(delays=(1.0, 2.0)))
    world.network.send("here", "there", b"packet", node.did.append)
    world.run(START + 1.5, never)
    assert node.did == [b"packet"] and world.network.under_way == 1
    world.run(START + 3.0, never)
    assert node.did == [b"packet", b"packet"] and world.network.under_way == 0


def test_cut_is_one_way_and_stops_what_is_under_way():
    world, node = running(Script())
    world.network.send("here", "there", "lost", node.did.append)
    world.network.cut("here", "there", 10.0)
    world.network.send("there", "here", "back", node.did.append)
    world.run(START + 2.0, never)
    assert node.did == ["back"]
    world.network.heal()
    world.network.send("here", "there", "healed", node.did.append)
    world.run(START + 4.0, never)
    assert node.did == ["back", "healed"]


def test_world_that_is_busy_with_nothing_is_stopped():
    world, node = running(Script())

    def again():
        world.after(0.0, node, again)

    again()
    with pytest.raises(AssertionError, match="time must go on"):
        world.run(START + 1.0, never)


def test_trace_is_the_hash_of_its_lines():
    lines: list[str] = []
    first, second = Trace(lines.append), Trace()
    for trace in (first, second):
        trace.note(START + 1.5, "machine", "did a thing")
    assert first.digest == second.digest and lines == ["         1.500  machine   did a thing"]
    second.note(START + 2.0, "machine", "did another")
    assert first.digest != second.digest
