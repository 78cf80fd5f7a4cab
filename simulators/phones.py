"""Customers of the simulated world whose phones have no network, and somebody who photographs their screens.

The phones make codes of digits. The photographer shows one of the newest a second time, at whatever terminal, or has
seen a handle before it was used, and guesses its password. They have a chance of their own, so that all else in a world
is the same without them.
"""

from collections.abc import Mapping
from random import Random

import paycode
from host_switch.events import PhoneGiven
from host_switch.records import PhoneUser
from host_switch.store import Store
from host_switch.switch import decide
from paycode import digits
from paycode.digits import PASSWORD_DIGITS, SEED_BYTES

PHONES = 3
FIRST_USER = 1_000_000_001
NEWEST = 3
SHOWN_AGAIN = 0.6  # of what a photographer does; else he guesses


class Phones:
    """The phones of a world: `share` of the customers with a code have one, `photographs` of these are not its owner.

    Give them to the host before the world begins.
    """

    def __init__(self, random: Random, share: float, photographs: float) -> None:
        self._random = random
        self._share = share
        self._photographs = photographs
        self._code_keys: Mapping[str, bytes] = {}
        self._users: list[PhoneUser] = []
        self._next_slots: list[int] = []
        self._shown: list[str] = []

    def give(self, store: Store, code_keys: Mapping[str, bytes], accounts: tuple[str, ...], now: float) -> None:
        """Let every phone be online once; each pays from one of the accounts."""
        self._code_keys = code_keys
        for number in range(PHONES):
            seed = self._random.randbytes(SEED_BYTES)
            account = accounts[number % len(accounts)]
            given = PhoneGiven(FIRST_USER + number, seed, int(now), account, f"user {number}")
            (facts,) = store.facts_for([given])
            store.commit([decide(given, facts, now)])
            (facts,) = store.facts_for([given])
            assert facts.phone is not None
            assert facts.phone.user is not None
            self._users.append(facts.phone.user)
            self._next_slots.append(facts.phone.user.codes.slots.start)

    def code(self, now: float) -> str:
        """What a customer with a code shows, if it is one of these phones or a picture of one; else ""."""
        if not self._users or self._random.random() >= self._share:
            return ""
        photographed = self._random.random() < self._photographs
        if photographed and self._shown and self._random.random() < SHOWN_AGAIN:
            return self._random.choice(self._shown[-NEWEST:])
        code = self._made(self._random.randrange(len(self._users)), int(now))
        if code and photographed:
            return f"{code[:-PASSWORD_DIGITS]}{self._random.randrange(10**PASSWORD_DIGITS):0{PASSWORD_DIGITS}d}"
        self._shown += [code] if code else []
        return code

    def _made(self, which: int, now: int) -> str:
        """The next code of a phone, "" when all are used up. Handles are made when they are shown: few ever are."""
        user, slot = self._users[which], self._next_slots[which]
        if slot not in user.codes.slots:
            return ""
        self._next_slots[which] += 1
        issuer = (user.prefix, self._code_keys[user.prefix])
        wallet, _ = digits.refresh(
            issuer, user.number, range(slot, slot + 1), user.codes.seed, user.codes.refreshed_at
        )
        return paycode.issue(wallet, now)[0]
