"""The issuer twin: a bank and a wallet behind the host, with accounts, PINs, chip keys and payment codes.

`Issuer.decide` is pure: a request in, changes and answers out; `apply` is how changes become state, so a process, a
simulated world and a test run the same bank. It keeps the promises that an issuer makes on this channel: a request with
a known reference gets the answer it got before and moves nothing; a reversal is always answered 00, and one of an
unknown transaction is remembered, so that the transaction, should it still come, is refused (94).

Moods make it behave badly on purpose: slow, silent, declining, contradicting itself, repeating itself.

    python -m simulators.issuer --port 9800 --data /tmp/issuer
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from iso8583 import Iso8583Error, Message
from iso8583.emv_crypto import arpc, arqc_is_good, card_key, session_key
from iso8583.message import response_mti
from iso8583.security import decrypt_pin_block, equal_macs, pin_from_block, wipe
from iso8583.tlv import build_text_tlv, build_tlv, parse_text_tlv, parse_tlv
from iso8583.unionpay import Balance54

INSTITUTION = "01020000"
PIN_TRIES = 3
FEN_PER_YUAN = 100
GOLDEN_CHIP_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
# Made up, and public: this bank holds no real money.
ZONE_PIN_KEY: Final = bytes.fromhex("9B3D5E7F1A2C4E688F0E1C2A3B4D5F61")
ZONE_MAC_KEY: Final[bytes] = bytes.fromhex("2F4A6B8C9D1E3F507A9C8B6D4E2F1A37")
APPROVED = "00"

# The data that an application cryptogram covers, in order; the card verification results follow from tag 9F10.
_CRYPTOGRAM_TAGS = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36)
_RESULTS = slice(3, 7)
_UNASKED = frozenset({b"Y1", b"Y3"})
_CERTIFICATE = b"\x40"

# The last three digits of the simulated cards' numbers, and of those with which something is wrong here.
_CARDS = (
    "009", "017", "025", "033", "041", "058", "066", "074", "082", "090", "108", "116", "124", "132", "140", "157",
    "165", "173", "181", "199", "215", "223", "231", "249", "256",
)  # fmt: skip
_REFUSALS = {"025": "51", "033": "41"}
_PIN_BLOCKED = "116"


@dataclass(frozen=True, slots=True)
class Account:
    """A card account, or (without PIN and chip key) a wallet user. `balance` in fen; `refuse` declines everything."""

    number: str = field(repr=False)
    balance: int
    pin: bytes = field(default=b"", repr=False)
    chip_key: bytes = field(default=b"", repr=False)
    expiry: str = "3012"
    refuse: str = ""
    wrong_pins: int = 0


@dataclass(frozen=True, slots=True)
class Movement:
    """A request that was answered. `amount` is what it did to the account: negative for a sale, 0 if declined.

    From `code` on, except `reversed`, it keeps what the answer said, so that a repeat is told the same.
    """

    reference: str
    kind: str
    account: str = field(repr=False)
    amount: int
    original: str = ""
    code: str = "00"
    auth_code: str = ""
    balances: str = ""
    voucher: str = ""
    chip_data: bytes = field(default=b"", repr=False)
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class CodeUsed:
    """A payment code has been used; it works once."""

    code: str = field(repr=False)


Change = Account | Movement | CodeUsed

MoodName = Literal["good", "delay", "drop", "lose", "decline", "contradict", "duplicate"]


@dataclass(frozen=True, slots=True)
class Mood:
    """How the next `times` requests are treated (-1: until further notice).

    ``delay``: answered after `delay_s`. ``drop``: done, but not answered. ``lose``: neither done nor answered.
    ``decline``: refused with `code`. ``contradict``: done and answered, then answered again with the opposite.
    ``duplicate``: answered twice.
    """

    name: MoodName = "good"
    times: int = -1
    delay_s: float = 0.0
    code: str = "05"
    only: str = ""

    def applies(self, message: Message) -> bool:
        """Whether the mood is for this message; `only` names the beginning of an MTI, such as "04"."""
        return self.times != 0 and message.mti.startswith(self.only)


@dataclass(frozen=True, slots=True)
class Answer:
    """A message to send back, after a while."""

    message: Message
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request comes to: what must be remembered first, and then said."""

    changes: tuple[Change, ...] = ()
    answers: tuple[Answer, ...] = ()


def default_accounts(balance: int = 10_000 * FEN_PER_YUAN) -> list[Account]:
    """The accounts of the simulated cards, and a hundred wallet users ("62" and two digits)."""
    cards = [
        Account(
            f"6299990000000{ending}", balance, b"123456", GOLDEN_CHIP_KEY, refuse=_REFUSALS.get(ending, ""),
            wrong_pins=PIN_TRIES if ending == _PIN_BLOCKED else 0,
        )
        for ending in _CARDS
    ]  # fmt: skip
    return cards + [Account(f"62{user:02d}", balance) for user in range(100)]


class Issuer:
    """The bank's mind. Made with its accounts and, after a restart, with the movements and codes it had persisted."""

    def __init__(self, accounts: Iterable[Account], zone_pin_key: bytes = ZONE_PIN_KEY) -> None:
        self._accounts = {account.number: account for account in accounts}
        self._movements: dict[str, Movement] = {}
        self._given_back: dict[str, dict[str, Movement]] = {}
        self._codes: set[str] = set()
        self._zone_pin_key = zone_pin_key
        self.mood = Mood()

    def balance(self, number: str) -> int:
        """What is in an account, in fen."""
        return self._accounts[number].balance

    @property
    def movements(self) -> Mapping[str, Movement]:
        """Every movement by its reference."""
        return self._movements

    def apply(self, changes: Iterable[Change]) -> None:
        """Make changes part of the state. They come from `decide`, or from a store after a restart."""
        for change in changes:
            match change:
                case Account():
                    self._accounts[change.number] = change
                case Movement():
                    self._movements[change.reference] = change
                    if change.original:
                        self._given_back.setdefault(change.original, {})[change.reference] = change
                case CodeUsed():
                    self._codes.add(change.code)

    def decide(self, message: Message, now: float) -> Verdict:  # noqa: ARG002 - a bank with value dates will need it
        """Decide a request whose MAC is good. Nothing is changed before `apply`."""
        mood = self.mood if self.mood.applies(message) else Mood()
        if mood.name == "lose":
            return Verdict()
        try:
            changes, answer = self._changes_and_answer(message, mood)
        except (KeyError, Iso8583Error, ValueError):
            return Verdict(answers=(Answer(_refusal(message, "30")),))
        return Verdict(changes, _answers(answer, mood))

    def spend_mood(self, message: Message) -> None:
        """Count one request against the mood. The shell calls it after each `decide`."""
        if self.mood.applies(message) and self.mood.times > 0:
            self.mood = replace(self.mood, times=self.mood.times - 1)

    def _changes_and_answer(self, message: Message, mood: Mood) -> tuple[tuple[Change, ...], Message]:
        known = self._movements.get(message.text(37))
        if message.mti.startswith("04"):
            return self._reverse(message, known)
        if known is not None:
            return (), _refusal(message, "94") if known.kind == "tombstone" else _answer(message, known)
        if mood.name == "decline":
            return self._declined(message, "", mood.code)
        return self._fresh(message)

    def _reverse(self, message: Message, known: Movement | None) -> tuple[tuple[Change, ...], Message]:
        answer = _refusal(message, APPROVED)
        if known is None:
            return (Movement(message.text(37), "tombstone", "", 0, reversed=True),), answer
        if known.reversed:
            return (), answer
        return (replace(known, reversed=True), *self._moved(known.account, -known.amount)), answer

    def _fresh(self, message: Message) -> tuple[tuple[Change, ...], Message]:
        kind = _kind(message)
        if kind in {"void", "refund"}:
            return self._give_back(message, kind)
        parts = _private(message)
        number = self._payer(message, parts)
        account = self._accounts.get(number)
        code = self._first_refusal(message, account, parts.get("A3", ""))
        if code or account is None:
            return self._declined(message, number, code or "14")
        amount = -int(message.text(4)) if kind == "sale" else 0
        return self._approved(message, kind, account, amount, parts.get("A3", ""))

    def _payer(self, message: Message, parts: Mapping[str, str]) -> str:
        code = parts.get("A3", "")
        return code[:4] if code else message.text(2, "")

    def _first_refusal(self, message: Message, account: Account | None, code: str) -> str:
        if account is None:
            return "14"
        if code and (code in self._codes or len(code) != 19):
            return "22"
        if account.refuse:
            return account.refuse
        checks: tuple[Callable[[Message, Account], str], ...] = (_expiry, self._pin, _cryptogram, _funds)
        return next((refusal for check in checks if (refusal := check(message, account))), "")

    def _pin(self, message: Message, account: Account) -> str:
        if 52 not in message:
            return ""
        if account.wrong_pins >= PIN_TRIES:
            return "75"
        block = decrypt_pin_block(self._zone_pin_key, message.binary(52))
        try:
            pin = pin_from_block(block, account.number)
        except ValueError:
            return "55"
        finally:
            wipe(block)
        good = equal_macs(bytes(pin), account.pin)
        wipe(pin)
        return "" if good else "55"

    def _approved(
        self, message: Message, kind: str, account: Account, amount: int, code: str
    ) -> tuple[tuple[Change, ...], Message]:
        reference = message.text(37)
        movement = Movement(
            reference, kind, account.number, amount, auth_code=reference[-6:], voucher=f"W{reference}" if code else "",
            balances=Balance54("10", "02", "156", account.balance).to_text() if kind == "inquiry" else "",
            chip_data=_issuer_data(message, account, APPROVED),
        )  # fmt: skip
        moved = replace(account, balance=account.balance + amount, wrong_pins=0)
        return (movement, moved, *((CodeUsed(code),) if code else ())), _answer(message, movement)

    def _declined(self, message: Message, number: str, code: str) -> tuple[tuple[Change, ...], Message]:
        account = self._accounts.get(number)
        data = _issuer_data(message, account, code) if account else b""
        movement = Movement(message.text(37), "declined", number, 0, code=code, chip_data=data)
        wrong = (replace(account, wrong_pins=account.wrong_pins + 1),) if account and code == "55" else ()
        return (movement, *wrong), _answer(message, movement)

    def _give_back(self, message: Message, kind: str) -> tuple[tuple[Change, ...], Message]:
        original = self._movements.get(_private(message).get("OR", ""))
        amount = int(message.text(4))
        if original is None or original.kind != "sale" or original.reversed:
            return self._declined(message, "", "25")
        back = self._given_back.get(original.reference, {}).values()
        given = sum(movement.amount for movement in back if not movement.reversed)
        if kind == "void" and (given or amount != -original.amount):
            return self._declined(message, "", "12" if given else "64")
        if given + amount > -original.amount:
            return self._declined(message, "", "61")
        reference = message.text(37)
        movement = Movement(reference, kind, original.account, amount, original.reference, auth_code=reference[-6:])
        return (movement, *self._moved(original.account, amount)), _answer(message, movement)

    def _moved(self, number: str, amount: int) -> tuple[Account, ...]:
        if not amount:
            return ()
        account = self._accounts[number]
        return (replace(account, balance=account.balance + amount),)


# --- rules ------------------------------------------------------------------------------------------------------------


def _kind(message: Message) -> str:
    if message.text(3) == "310000":
        return "inquiry"
    if message.text(3) == "200000":
        return "refund" if message.mti.startswith("022") else "void"
    return "sale"


def _private(message: Message) -> dict[str, str]:
    return parse_text_tlv(message.text(48, ""), 48)


def _expiry(message: Message, account: Account) -> str:
    return "54" if message.text(14, account.expiry) != account.expiry else ""


def _funds(message: Message, account: Account) -> str:
    return "51" if int(message.text(4)) > account.balance else ""


def _cryptogram(message: Message, account: Account) -> str:
    """Check the chip's cryptogram, and that it was made for this amount.

    An ARQC asks; what the chip has approved by itself (tag 8A is Y1 or Y3) comes with its certificate, a TC.
    """
    if 55 not in message:
        return ""
    chip = parse_tlv(message.binary(55))
    if 0x8A in chip and (chip[0x8A] not in _UNASKED or chip[0x9F27] != _CERTIFICATE):
        return "59"
    data = b"".join(chip[tag] for tag in _CRYPTOGRAM_TAGS) + chip[0x9F10][_RESULTS]
    if not arqc_is_good(_session_key(message, account, chip), data, chip[0x9F26]):
        return "59"
    return "" if chip[0x9F02].hex() == message.text(4) or _kind(message) == "inquiry" else "59"


def _session_key(message: Message, account: Account, chip: Mapping[int, bytes]) -> bytes:
    return session_key(card_key(account.chip_key, account.number, message.text(23, "")), chip[0x9F36])


def _issuer_data(message: Message, account: Account, code: str) -> bytes:
    """Tag 91 for the chip: the ARPC and the code it was made with. Empty if no chip asked."""
    if 55 not in message or not account.chip_key:
        return b""
    chip = parse_tlv(message.binary(55))
    proof = arpc(_session_key(message, account, chip), chip[0x9F26], code.encode("ascii"))
    return build_tlv({0x91: proof + code.encode("ascii")})


# --- answers ----------------------------------------------------------------------------------------------------------


def _answer(message: Message, movement: Movement) -> Message:
    voucher = build_text_tlv({"A4": movement.voucher}, 48) if movement.voucher else ""
    fields: dict[int, str | bytes] = {
        38: movement.auth_code, 44: INSTITUTION, 48: voucher, 54: movement.balances, 55: movement.chip_data,
    }  # fmt: skip
    return _refusal(message, movement.code).with_({number: value for number, value in fields.items() if value})


def _refusal(message: Message, code: str) -> Message:
    echoed = {number: message[number] for number in (3, 4, 7, 11, 37, 41, 42, 49) if number in message}
    return Message(response_mti(message.mti), {**echoed, 39: code})


def _answers(answer: Message, mood: Mood) -> tuple[Answer, ...]:
    match mood.name:
        case "drop":
            return ()
        case "delay":
            return (Answer(answer, mood.delay_s),)
        case "duplicate":
            return Answer(answer), Answer(answer)
        case "contradict":
            opposite = mood.code if answer[39] == APPROVED else APPROVED
            return Answer(answer), Answer(answer.with_({39: opposite}))
        case _:
            return (Answer(answer),)


if __name__ == "__main__":
    from simulators.issuer_process import main

    main()
