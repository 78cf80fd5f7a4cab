"""A week without the bank, with few sales: all of them come to it, once, in order; and if not, that is noticed."""

from simulators.mutants import BUGS, planted
from simulators.outage import outage


def test_what_was_sold_in_a_week_without_the_bank_comes_to_it_once_and_in_order():
    caught = outage(120, batch=10)
    assert (caught.sales, caught.lost, caught.doubled, caught.out_of_order, caught.findings) == (120, 0, 0, 0, ())
    assert caught.batches >= 11 and caught.deaths > 0


def test_a_terminal_that_drains_the_newest_batch_first_is_noticed():
    (bug,) = (bug for bug in BUGS if bug.name == "drains the newest parked batch first")
    with planted(bug):
        caught = outage(40, batch=10, within_s=60)
    assert caught.findings and caught.lost
