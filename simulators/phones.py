"""Customers of the simulated world whose phones have no network, and somebody who photographs their screens.

The phones make codes of digits. The photographer shows one of the newest a second time, at whatever terminal, or has
seen a handle before it was used, and guesses its password. They have a chance of their own, so that all else in a world
is the same without them.
"""

from collections.abc import Mapping
from random import Random

import paycode
from host_switch.events import PhoneGiven
from host_switch.phone_codes import wallet_of
from host_switch.store import Store
from host_switch.switch import decide
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
        self._wallets: list[paycode.DigitWallet] = []
        self._shown: list[str] = []

    def give(self, store: Store, code_keys: Mapping[str, bytes], accounts: tuple[str, ...], now: float) -> None:
        """Let every phone be online once; each pays from one of the accounts."""
        for number in range(PHONES):
            seed = self._random.randbytes(SEED_BYTES)
            account = accounts[number % len(accounts)]
            given = PhoneGiven(FIRST_USER + number, seed, int(now), account, f"user {number}")
            (facts,) = store.facts_for([given])
            store.commit([decide(given, facts, now)])
            (facts,) = store.facts_for([given])
            assert facts.phone is not None
            assert facts.phone.user is not None
            self._wallets.append(wallet_of(facts.phone.user, code_keys))

    def code(self, now: float) -> str:
        """What a customer with a code shows, if it is one of these phones or a picture of one; else ""."""
        if not self._wallets or self._random.random() >= self._share:
            return ""
        photographed = self._random.random() < self._photographs
        if photographed and self._shown and self._random.random() < SHOWN_AGAIN:
            return self._random.choice(self._shown[-NEWEST:])
        which = self._random.randrange(len(self._wallets))
        if not self._wallets[which].handles:
            return ""
        code, self._wallets[which] = paycode.issue(self._wallets[which], int(now))
        if photographed:
            return f"{code[:-PASSWORD_DIGITS]}{self._random.randrange(10**PASSWORD_DIGITS):0{PASSWORD_DIGITS}d}"
        self._shown.append(code)
        return code
