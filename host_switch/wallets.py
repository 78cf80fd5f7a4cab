"""What operators do with customers' phones: give one its wallet while it is online, take a lost one's away, list them.

The wallet is a file that is carried to the phone: JSON with ``prefix``, ``seed`` (64 hexadecimal digits), ``handles``,
``step_s`` and ``given_at`` (UTC seconds). Whoever has it can pay from the user's account: only its owner may read it.
"""

import json
import re
import secrets
import time
from pathlib import Path
from typing import Any

from host_switch.events import PhoneGiven, PhoneTaken
from host_switch.keys import write_durably
from host_switch.phone_codes import RULES, wallet_of
from host_switch.records import PhoneUser
from host_switch.start import HostError, carry_out, opened_store
from iso8583.masking import mask_pan
from paycode.digits import SEED_BYTES

_ACCOUNT = re.compile(r"[0-9]{13,19}", re.ASCII)


def give(directory: Path, number: int, out: Path, *, account: str = "", name: str = "") -> PhoneUser:
    """Give a user's phone a new wallet in the file `out`; all it had before ends. A new user needs an account.

    Raises:
        DoorError, HostError, KeyRoomError, StoreError: it was not given.
    """
    if not account:
        user_of(directory, number)
    seed = secrets.token_bytes(SEED_BYTES)
    carry_out(directory, PhoneGiven(number, seed, int(time.time()), account, name))
    with opened_store(directory, to_write=False) as store:
        user, keys = next(user for user in store.phone_users() if user.number == number), store.policy.code_keys
    try:
        wallet = wallet_of(user, keys)
        kept = {"prefix": wallet.prefix, "seed": wallet.seed.hex(), "handles": wallet.handles, "step_s": wallet.step_s}
        write_durably(out, json.dumps({**kept, "given_at": user.codes.refreshed_at}, indent=1).encode())
    except ValueError:
        raise HostError(f"user {number} has had all handles that there are: give the customer another number") from None
    except OSError as error:
        raise HostError(f"cannot write {out}: {error.strerror}; then refresh this wallet again") from None
    return user


def take(directory: Path, number: int) -> None:
    """End the codes of a user's phone. Raises as `give` does."""
    user_of(directory, number)
    carry_out(directory, PhoneTaken(number))


def user_of(directory: Path, number: int) -> PhoneUser:
    """A user who is known. Raises HostError for others, KeyRoomError or StoreError."""
    user = next((user for user in users(directory) if user.number == number), None)
    if user is None:
        raise HostError(f"no user {number}: make the wallet first, with tillgate host wallet add")
    return user


def users(directory: Path) -> list[PhoneUser]:
    """All users, by number. Raises KeyRoomError or StoreError."""
    with opened_store(directory, to_write=False) as store:
        return store.phone_users()


def account_in(path: Path) -> str:
    """The account's card number in a file. Raises HostError if it is none, without showing it."""
    try:
        number = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        number = ""
    if not _ACCOUNT.fullmatch(number):
        raise HostError(f"{path.name} must hold the account's card number: 13 to 19 digits")
    return number


def shown(user: PhoneUser, now: float) -> dict[str, Any]:
    """A user for an operator: no secret, and of the account the first six and last four digits."""
    codes = user.codes
    recent = [at for at in codes.failed_at if at > now - RULES.failures_s]
    return {
        "number": codes.user, "name": user.name, "account": mask_pan(user.account), "prefix": user.prefix,
        "handles": len(codes.slots), "paid": len(codes.used),
        "hours_since_online": round((now - codes.refreshed_at) / 3600, 1), "failed_tries": len(recent),
        "locked": len(recent) >= RULES.user_failures_max,
    }  # fmt: skip
