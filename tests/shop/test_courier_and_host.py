"""Terminal, Mosquitto with the rules that the host writes, and the host's ingest, while the terminal's line is dead."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from host_switch import broker_files, certificates
from host_switch.code_lists import CodeLists
from host_switch.ingest_mqtt import Ingest
from paycode.lists import CompactList, publish
from simulators.issuer import Account
from terminal.events import CancelRequested
from tests.in_a_loop import in_a_loop
from tests.mosquitto import Mosquitto, certified_terminal, running_broker
from tests.shop.rig import LOOPBACK, MERCHANT, OPENING_BALANCE, TERMINAL, Shop, free_port, shop
from tests.shop.test_courier import OFFLINE, OwnLine
from tests.shop.test_offline_codes import ACCOUNTS, ISSUER, with_phone


@dataclass(slots=True)
class Road:
    """A shop with an authority of its own, whose line to the host can be cut."""

    shop: Shop
    line: OwnLine
    broker: Mosquitto
    authority: Path

    async def cut(self) -> None:
        self.line.cut()
        await self.shop.until(lambda view: view["session"]["state"] == "down")

    async def sold_offline(self, amount: int) -> str:
        key = await self.shop.charge(amount, offline=True)
        await self.shop.present("offline", pin="")
        await self.shop.until_payment(key, lambda p: p["state"] != "started" and not p["receipt_due"])
        await self.shop.take_card()
        return key

    async def until_connected(self, connected: bool = True) -> None:
        await self.shop.until(lambda view: self.shop.counter.courier_connected is connected)

    async def present(self) -> None:
        """Wait until the host knows that the terminal is there."""
        async with asyncio.timeout(10):
            while not self.shop.books().presences:  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(0.01)


@asynccontextmanager
async def road(folder: Path, accounts: list[Account] | None = None) -> AsyncIterator[Road]:
    authority = folder / "authority"
    certificates.found(authority, [LOOPBACK])
    line = OwnLine(free_port())
    await line.open()
    with running_broker(folder, authority, merchants={TERMINAL: MERCHANT}) as broker:
        courier = f'[courier]\naddress = "{LOOPBACK}"\nport = {broker.port}\nkeepalive_s = 1\ntls = true\n'
        async with shop(
            folder, settings=OFFLINE, host_port=line.host_port, relay_port=line.port, accounts=accounts
        ) as s:
            await s.stop_terminal()
            certified_terminal(folder / "terminal", authority, TERMINAL)
            s._settings += courier
            tls, lists = certificates.broker_context(authority), CodeLists(folder / "host")
            ingest = Ingest(s.host.ask, LOOPBACK, broker.port, tls, lists=lists)
            s.host.courier = ingest
            ingest.start()
            await s.restart_terminal()
            here = Road(s, line, broker, authority)
            await here.until_connected()
            yield here
            await ingest.stop()
            await s.prove(balanced=False)
    line.close()


@in_a_loop
async def test_a_sale_made_offline_is_booked_and_the_host_knows_of_the_terminal(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        await it.present()
        await it.cut()
        key = await it.sold_offline(2500)
        payment = await it.shop.until_final(key)
        assert payment["state"] == "approved" and payment["reference"]
        assert it.shop.runner.view()["session"]["state"] == "down"
        assert it.shop.balance_of("offline") == OPENING_BALANCE - 2500
        (presence,) = it.shop.books().presences
        assert (presence.terminal, presence.online) == (TERMINAL, True)


@in_a_loop
async def test_a_broker_that_is_killed_and_started_takes_both_back(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        await it.cut()
        it.broker.kill()
        await it.until_connected(False)
        key = await it.sold_offline(2500)
        assert it.shop.payment(key)["state"] == "advice due"
        it.broker.start()
        assert (await it.shop.until_final(key))["state"] == "approved"
        assert it.shop.balance_of("offline") == OPENING_BALANCE - 2500


@in_a_loop
async def test_a_terminal_whose_certificate_was_taken_away_is_shut_out_and_owes_by_its_line(tmp_path: Path) -> None:
    async with road(tmp_path) as it:
        (it.authority / certificates.FOLDER / "terminals" / f"{TERMINAL}.pem").unlink()
        broker_files.write_current(it.authority, it.broker.folder)
        it.broker.kill()
        await it.until_connected(False)
        it.broker.start()
        await it.cut()
        key = await it.sold_offline(2500)
        it.line.mend()
        assert (await it.shop.until_final(key))["state"] == "approved"
        assert not it.shop.counter.courier_connected


@in_a_loop
async def test_a_key_that_the_list_signer_revokes_does_not_pay_at_a_terminal_that_only_the_broker_reaches(
    tmp_path: Path,
) -> None:
    async with road(tmp_path, accounts=ACCOUNTS) as it:
        phone = await with_phone(it.shop)
        await it.cut()
        delta, _ = publish(ISSUER.key, CompactList("revoked"), [phone.key])
        CodeLists(tmp_path / "host").publish(delta)
        await it.shop.until(lambda _: it.shop.counter.offline_codes.trust.revoked)
        await it.shop.charge(2500, offline=True)
        it.shop.scan(phone.show(time.time()))
        await it.shop.until(lambda view: view["notice"] and view["notice"]["reason"] == "signed_revoked")
        current = it.shop.counter.payments.current
        assert current is not None
        it.shop.post(CancelRequested(current))
        await it.shop.until(lambda _: not it.shop.counter.busy)
