"""A customer's phone that signs codes, for the tests: its issuer and its key are known at the host."""

from host_switch.events import SignerGiven
from host_switch.records import CodeIssuer, SignedKey
from simulators.signed_phones import CodeIssuer as Issuer
from simulators.signed_phones import SignedPhone
from tests.host_switch.phone import USER, phone_of
from tests.host_switch.room import Room
from tests.host_switch.till import PAN

ISSUER = Issuer()


def know_issuer(room: Room, issuer: Issuer = ISSUER) -> None:
    """Make an issuer known at the host."""
    key = issuer.public_key
    room.decide(SignerGiven(CodeIssuer(issuer.key_id, key.algorithm, key.data, issuer.name)))


def know_key(room: Room, phone: SignedPhone, user: int = USER, revoked_at: float | None = None) -> None:
    """Let a user's account pay for what this phone signs."""
    room.decide(SignerGiven(SignedKey(phone.key, user, revoked_at)))


def signed_phone(room: Room, owner: str = "Li", user: int = USER, account: str = PAN) -> SignedPhone:
    """A phone whose codes are paid."""
    know_issuer(room)
    phone_of(room, user, account=account)
    phone = ISSUER.phone(owner, room.now)
    know_key(room, phone, user)
    return phone
