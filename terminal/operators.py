"""Who may work at the counter: cashiers sell, the supervisor also allows voids and refunds.

PINs are kept only as scrypt hashes, in a file of their own that is replaced atomically. Five wrong PINs in a row lock
an operator until a supervisor or a technician sets a new PIN.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

Role = Literal["supervisor", "cashier"]
WRONG_PINS_MAX = 5
_SCRYPT = {"n": 2**12, "r": 8, "p": 4}  # 4 MiB at a time, four times: as slow as the usual 16 MiB, in a quarter of it


class OperatorError(Exception):
    """An operator could not be added or changed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One person: two-digit number (00 is the supervisor by custom), role, salted PIN hash, wrong tries in a row."""

    number: str
    role: Role
    salt: str
    pin_hash: str
    wrong_pins: int = 0


class Operators:
    """The operators of one terminal, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        entries = json.loads(path.read_text()) if path.exists() else []
        self._operators = {entry["number"]: Operator(**entry) for entry in entries}

    def add(self, number: str, role: Role, pin: str) -> None:
        """Add an operator, or give one a new PIN. Raises OperatorError."""
        if not (number.isascii() and number.isdigit() and len(number) == 2):
            raise OperatorError("an operator number has two digits, such as 01")
        if not (pin.isascii() and pin.isdigit() and 4 <= len(pin) <= 8):
            raise OperatorError("an operator PIN has 4 to 8 digits")
        salt = secrets.token_hex(16)
        self._store(Operator(number, role, salt, _hash(pin, salt)))

    def check(self, number: str, pin: str, role: Role | None = None) -> str:
        """Check a PIN; return an empty text, or the reason why not (a key of the catalogue)."""
        operator = self._operators.get(number)
        if operator is None or (role is not None and operator.role != role):
            return "operator_unknown"
        if operator.wrong_pins >= WRONG_PINS_MAX:
            return "operator_locked"
        right = hmac.compare_digest(operator.pin_hash, _hash(pin, operator.salt))
        wrong_pins = 0 if right else operator.wrong_pins + 1
        if wrong_pins != operator.wrong_pins:
            self._store(replace(operator, wrong_pins=wrong_pins))
        return "" if right else "operator_pin_wrong"

    def numbers(self, role: Role | None = None) -> list[str]:
        """The numbers of all operators of a role."""
        return sorted(o.number for o in self._operators.values() if role in (None, o.role))

    def _store(self, operator: Operator) -> None:
        self._operators[operator.number] = operator
        text = json.dumps([asdict(o) for o in self._operators.values()], indent=1)
        draft = self._path.with_suffix(".new")
        with draft.open("w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)


def _hash(pin: str, salt: str) -> str:
    return hashlib.scrypt(pin.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
