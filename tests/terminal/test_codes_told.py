"""What a till tells the others of its shop of the codes that have paid here, and when."""

from collections.abc import Iterable

import pytest

from terminal.effects import Effect, Persist, TellShop
from terminal.events import CodePresented, CourierUp, SaleRequested
from terminal.offline_codes import TOLD_MAX, fingerprint, uses_in
from tests.terminal.test_offline_codes import again, cut_off, phone, sell


def told(effects: Iterable[Effect]) -> list[tuple[bytes, ...]]:
    """What goes to the other tills of the shop."""
    return [effect.fingerprints for effect in effects if isinstance(effect, TellShop)]


def test_a_sale_by_a_code_is_told_to_the_shop_when_it_is_durable():
    till = cut_off()
    li = phone(till)
    till.on(SaleRequested("a", 2500, "01", offline=True))
    effects = till.on(CodePresented(li.show(till.now)))
    assert told(effects) == [(fingerprint(li.key, 0),)]
    kept = next(at for at, effect in enumerate(effects) if isinstance(effect, Persist))
    assert kept < effects.index(TellShop((fingerprint(li.key, 0),)))


def test_a_code_that_does_not_pay_is_told_to_nobody():
    till = cut_off()
    till.on(SaleRequested("a", 2500, "01", offline=True))
    assert told(till.on(CodePresented(phone(till).show(till.now - 200)))) == []


def test_when_the_courier_comes_up_the_shop_hears_again_of_codes_that_could_still_come():
    till = cut_off()
    li, wang = phone(till), phone(till, "Wang")
    assert (sell(till, li.show(till.now)), sell(till, wang.show(till.now + 15))) == ("", "")
    both = (fingerprint(li.key, 0), fingerprint(wang.key, 0))
    restarted = again(till)
    assert told(restarted.on(CourierUp())) == [both]
    restarted.now += 90
    assert told(restarted.on(CourierUp())) == [both[1:]]
    restarted.now += 60
    assert told(restarted.on(CourierUp())) == []


@pytest.mark.parametrize("length", [1, 15, 17, 16 * TOLD_MAX + 16])
def test_what_is_no_row_of_fingerprints_says_nothing(length):
    assert uses_in(bytes(length)) == ()


def test_a_row_of_fingerprints_is_read_one_by_one():
    row = [bytes([number]) * 16 for number in range(TOLD_MAX)]
    assert uses_in(b"".join(row)) == tuple(row)
