"""A customer's phone for the tests: it is given its wallet by the host, and then makes codes without a network."""

from dataclasses import dataclass

import paycode
from host_switch.events import FrameReceived, PhoneGiven
from host_switch.phone_codes import wallet_of
from host_switch.records import PhoneUser
from paycode.digits import HANDLE_DIGITS, PREFIX_DIGITS
from tests.host_switch.room import CODE_KEYS, Room
from tests.host_switch.till import PAN

USER = 1_000_000_001
SEED = bytes(range(32))


@dataclass
class Phone:
    """One phone: its wallet, and the number of its user."""

    room: Room
    wallet: paycode.DigitWallet
    number: int = USER

    def code(self, *, late_s: float = 0.0) -> str:
        """A fresh code, made `late_s` before it is scanned."""
        code, self.wallet = paycode.issue(self.wallet, int(self.room.now - late_s))
        return code

    @property
    def user(self) -> PhoneUser:
        """What the host knows of it."""
        user = user_of(self.room, self.number)
        assert user is not None
        return user


def phone_of(room: Room, number: int = USER, seed: bytes = SEED, account: str = PAN) -> Phone:
    """Give a phone that is online its wallet."""
    room.decide(PhoneGiven(number, seed, int(room.now), account, "王芳"))
    user = user_of(room, number)
    assert user is not None
    return Phone(room, wallet_of(user, CODE_KEYS), number)


def user_of(room: Room, number: int) -> PhoneUser | None:
    """What the host knows of a user."""
    (facts,) = room.store.facts_for([PhoneGiven(number, b"", 0)])
    assert facts.phone is not None
    return facts.phone.user


def failures_at(room: Room, event: FrameReceived) -> int:
    """How many tries count against the terminal that has sent a frame."""
    (facts,) = room.store.facts_for([event])
    assert facts.phone is not None
    return len(facts.phone.failed_at)


def with_password(code: str, change: int = 1) -> str:
    """The same handle with another password."""
    at = PREFIX_DIGITS + HANDLE_DIGITS
    return code[:at] + f"{(int(code[at:]) + change) % 10**6:06d}"
