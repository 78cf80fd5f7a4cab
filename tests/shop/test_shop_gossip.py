"""Two tills of one shop, each cut off from its host, with a real Mosquitto between them: a code pays at one of them."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from host_switch import certificates
from simulators.signed_phones import SignedPhone
from terminal.records import ApprovedByCode
from tests.in_a_loop import in_a_loop
from tests.mosquitto import certified_terminal, running_broker
from tests.shop.rig import LOOPBACK, MERCHANT, TERMINAL, Shop, shop
from tests.shop.test_offline_codes import ACCOUNTS, SETTINGS, cut, sold, with_phone

SECOND = "10000002"


@dataclass(slots=True)
class Tills:
    """Both, and the customer's phone."""

    first: Shop
    second: Shop
    phone: SignedPhone

    async def second_has_heard(self) -> None:
        await self.second.until(lambda _: self.second.counter.offline_codes._elsewhere)

    async def second_refuses(self, code: str) -> None:
        await self.second.charge(2500, offline=True)
        self.second.scan(code)
        await self.second.until(lambda view: view["notice"] and view["notice"]["reason"] == "signed_replayed")
        self.second.scan(self.phone.show(time.time()))
        key = str(self.second.counter.payments.current)
        await self.second.until_payment(key, lambda payment: payment["state"] == "advice due")


@asynccontextmanager
async def two_tills(folder: Path) -> AsyncIterator[Tills]:
    authority, shops = folder / "authority", {TERMINAL: MERCHANT, SECOND: MERCHANT}
    certificates.found(authority, [LOOPBACK])
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(running_broker(folder, authority, merchants=shops))
        courier = f'[courier]\naddress = "{LOOPBACK}"\nport = {broker.port}\nkeepalive_s = 1\ntls = true\n'
        tills, phones = list[Shop](), list[SignedPhone]()
        for terminal in shops:
            (folder / terminal).mkdir()
            till = await stack.enter_async_context(
                shop(folder / terminal, settings=SETTINGS, accounts=ACCOUNTS, terminal_id=terminal)
            )
            await till.stop_terminal()
            certified_terminal(folder / terminal / "terminal", authority, terminal)
            till._settings += courier
            await till.restart_terminal()
            tills.append(till)
            phones.append(await with_phone(till))
            await cut(till)
            await connected(till)
        yield Tills(tills[0], tills[1], phones[0])


async def connected(till: Shop) -> None:
    await till.until(lambda _: till.counter.courier_connected)


@in_a_loop
async def test_a_code_that_has_paid_at_one_till_is_refused_at_the_other(tmp_path: Path) -> None:
    async with two_tills(tmp_path) as it:
        code = it.phone.show(time.time())
        await sold(it.first, code)
        await it.second_has_heard()
        await it.second_refuses(code)


@in_a_loop
async def test_a_till_that_dies_before_it_could_tell_the_shop_tells_it_when_it_is_back(tmp_path: Path) -> None:
    async with two_tills(tmp_path) as it:
        it.first.crash_at_record(ApprovedByCode)
        code = it.phone.show(time.time())
        await it.first.charge(2500, offline=True)
        it.first.scan(code)
        await it.first.has_crashed()
        await it.first.restart_terminal(ready=False)
        await it.second_has_heard()
        await it.second_refuses(code)
