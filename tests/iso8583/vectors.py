"""The vectors of tests/vectors/, read once."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "vectors"


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden message: the whole wire with its length, and everything that is in it."""

    name: str
    wire: bytes
    tpdu: str
    header: str
    mti: str
    fields: dict[int, str | bytes]
    mac_trace: dict[str, str] | None

    def text(self, number: int) -> str:
        """One of its text fields."""
        value = self.fields[number]
        assert isinstance(value, str)
        return value

    @property
    def frame(self) -> bytes:
        """What `Frame.parse` takes: no length."""
        return self.wire[2:]

    @property
    def message(self) -> bytes:
        """What `decode` takes: from the MTI on."""
        return self.wire[13:]


def load(name: str) -> Any:
    """One file of vectors."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def _value(value: Any) -> str | bytes:
    return str(value) if isinstance(value, str) else bytes.fromhex(value["hex"])


def _golden(row: dict[str, Any]) -> Golden:
    fields = {int(number): _value(value) for number, value in row["fields"].items()}
    wire = bytes.fromhex(row["wire"])
    return Golden(row["name"], wire, row["tpdu"], row["header"], row["mti"], fields, row.get("mac_trace"))


_MESSAGES = load("iso8583_messages.json")
KEYS: dict[str, bytes] = {name: bytes.fromhex(value) for name, value in _MESSAGES["keys"].items()}
GOLDEN: dict[str, Golden] = {row["name"]: _golden(row) for row in _MESSAGES["messages"]}
SECURITY = load("security.json")
EMV = load("emv_cryptograms.json")
