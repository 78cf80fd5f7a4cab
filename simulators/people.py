"""The people of the simulated world, with what is in their hands: cashier, customers, cards, PIN pad, printer.

They do what people do: present the wrong card, none at all, pull it out, press cancel, press a button twice, give money
back twice, run out of paper. How often is in `Habits`; every choice is drawn from the world's one source of chance.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from random import Random

from iso8583.emv_crypto import application_cryptogram, card_key, session_key
from iso8583.masking import mask_pan
from iso8583.security import encrypt_pin_block, pin_block_iso0, unwrap_key
from iso8583.tlv import build_tlv
from simulators.auditor import Auditor
from simulators.engine import World
from simulators.issuer import GOLDEN_CHIP_KEY, Account
from simulators.phones import Phones
from simulators.signed_phones import CodeIssuer, SignedPhone
from simulators.terminal_node import TerminalNode
from terminal.book import Payment
from terminal.effects import AskForMeans, CompleteCard, Print
from terminal.events import (
    BalanceRequested,
    CancelRequested,
    CardCompleted,
    CardPresented,
    CloseByPeople,
    CodePresented,
    Event,
    MeansFailed,
    Original,
    RefundRequested,
    ReprintRequested,
    SaleRequested,
    SettleRequested,
    SlipFailed,
    SlipPrinted,
    VoidRequested,
)  # fmt: skip
from terminal.printing import slip_of
from terminal.records import SETTLEMENT_TRACE, Key
from terminal.risk import given_back, may_park, must_park
from terminal.transitions import State
from terminal.vault import PinKey

CARDS = ("6299990000000009", "6299990000000017", "6299990000000041", "6299990000000058")
POOR_CARDS = ("6299990000000025", "6299990000000033")
MASTER_KEY = bytes.fromhex("31323334353637384142434445464748")  # of every terminal of the world; made up, and public
PIN, WRONG_PIN = b"123456", b"654321"
SEQUENCE, EXPIRY = "001", "3012"
PATIENCE_MAX_S = 1200.0
USUAL_AMOUNT = 1_500  # what a coffee costs: one sale is not told from another by its amount
OFFICE_LOOKS_S = (60.0, 180.0)
ONE_ALONE = 0.3
ACTS_MAX = 90  # after so many attempts a cashier gives up for the day
OPERATOR, SUPERVISOR = "01", "00"


SPREAD = 61
"""Who pays by a signed code is told by the payment's number, without chance: the same seeds make the same worlds."""

CODE_ISSUER = CodeIssuer(amount_max=10**9)
"""Who certifies the customers' phones for signed codes."""


@cache
def accounts() -> list[Account]:
    """The issuer's accounts: cards that pay, cards that never do, and a hundred wallet users."""
    rich, poor = 10**9, 10**4
    cards = [Account(number, rich, PIN, GOLDEN_CHIP_KEY) for number in CARDS]
    poor_cards = [Account(POOR_CARDS[0], poor, PIN, GOLDEN_CHIP_KEY), Account(POOR_CARDS[1], rich, refuse="41")]
    return [*cards, *poor_cards, *(Account(f"62{user:02d}", rich) for user in range(100))]


@dataclass(slots=True)
class Habits:
    """How often people and devices do what: shares from 0 to 1, and how many seconds they take for it."""

    pace_s: float = 20.0
    code: float = 0.35
    poor_card: float = 0.05
    offline: float = 0.6
    poor_card_offline: float = 0.2
    offline_code: float = 0.25
    pin: float = 0.3
    wrong_pin: float = 0.03
    nobody: float = 0.02
    card_trouble: float = 0.0
    chip_refuses: float = 0.0
    chip_slow: float = 0.0
    cancels: float = 0.03
    clicks_twice: float = 0.1
    printer_trouble: float = 0.0

    def calm_down(self) -> None:
        """From now on everything works."""
        self.card_trouble = self.chip_refuses = self.chip_slow = self.printer_trouble = 0.0


class Hands:
    """The devices of one counter and whoever holds them: card reader, scanner, PIN pad, printer."""

    def __init__(
        self, world: World, terminal: TerminalNode, habits: Habits, chance: Random, phones: Phones, auditor: Auditor
    ) -> None:
        self._world = world
        self._terminal = terminal
        self._habits = habits
        self._chance = chance
        self._phones = phones
        self._auditor = auditor
        self._turn = 0
        self._key: Key
        self._presented = False
        self._answered = False
        self._reader_free_at = self._printer_free_at = 0.0
        self._pin_key: PinKey | None = None
        self._counters: dict[str, int] = {}
        self._signed_phone: SignedPhone | None = None

    # --- means of payment ---------------------------------------------------------------------------------------------

    def ask(self, wanted: AskForMeans) -> None:
        """A customer presents something, after a while; or nobody does."""
        self._turn += 1
        self._presented = self._answered = False
        self._key = wanted.key
        if self._chance.random() < self._habits.nobody:
            return
        busy_s = max(self._reader_free_at - self._world.now, 0.0)
        takes_s = self._chance.uniform(0.1, 1.0) * self._habits.pace_s
        self._world.after(busy_s + takes_s, self._terminal, self._present, self._turn, wanted)

    def _present(self, turn: int, wanted: AskForMeans) -> None:
        if turn != self._turn:
            return
        if self._chance.random() < self._habits.card_trouble:
            self._terminal.handle(MeansFailed("card_removed"))
        elif wanted.offline and self._chance.random() < self._habits.chip_refuses:
            self._terminal.handle(MeansFailed("card_host_unreachable"))
        elif wanted.offline:
            card = self._card(wanted)
            if int(wanted.key.trace) * SPREAD % 100 < 100 * self._habits.offline_code:
                self._hand_over(CodePresented(self._phone().show(self._world.now)))
            else:
                self._pay_offline(card)
        elif "code" in wanted.means and self._chance.random() < self._habits.code:
            wallets = f"62{self._chance.randrange(10**17):017d}"
            self._hand_over(CodePresented(self._phones.code(self._world.now) or wallets))
        else:
            self._presented = True
            self._hand_over(self._card(wanted))

    def _pay_offline(self, card: CardPresented) -> None:
        """Ask the counter before the chip approves; a chip that has approved by itself waits for nobody."""
        counted, refusal = self._terminal.refusal_of_offline_card(card.pan)
        if refusal:
            self._world.happened["card refused offline"] += 1
            self._terminal.handle(MeansFailed(refusal))
        else:
            self._hand_over(replace(card, token=counted.token, scheme=counted.scheme))

    def _phone(self) -> SignedPhone:
        """The phone of this counter's only customer without a card; it is certified when it is first shown."""
        if self._signed_phone is None:
            self._signed_phone = CODE_ISSUER.phone(self._terminal.name, self._world.now)
        return self._signed_phone

    def _hand_over(self, means: CardPresented | CodePresented) -> None:
        self._auditor.customer_presented(self._key, means)
        self._terminal.handle(means)

    def _card(self, wanted: AskForMeans) -> CardPresented:
        poor = self._habits.poor_card_offline if wanted.offline else self._habits.poor_card
        deck = POOR_CARDS if self._chance.random() < poor else CARDS
        pan = self._chance.choice(deck)
        counter = self._counters[pan] = self._counters.get(pan, 0) + 1
        counter += 256 * self._chance.randrange(200)
        chip = chip_data(pan, counter, wanted.amount, wanted.amount == 0, wanted.offline)
        asks_pin = not wanted.offline and self._chance.random() < self._habits.pin
        pin_block = self._pin_block(pan) if asks_pin else None
        return CardPresented(
            pan=pan, sealed=self._terminal.seal(pan), masked=mask_pan(pan), expiry=EXPIRY, sequence=SEQUENCE,
            track2=f"{pan}D{EXPIRY}2011234567890", chip_data=build_tlv(chip), entry_mode="051" if pin_block else "052",
            pin_block=pin_block, signature=pin_block is None,
            chip={"ARQC": chip[0x9F26].hex()}, reversal_chip_data=build_tlv({0x9F36: chip[0x9F36]}),
            approved_offline=wanted.offline,
        )  # fmt: skip

    def _pin_block(self, pan: str) -> bytes | None:
        if self._pin_key is None:
            return None
        pin = WRONG_PIN if self._chance.random() < self._habits.wrong_pin else PIN
        key = unwrap_key(MASTER_KEY, self._pin_key.encrypted, self._pin_key.check_value)
        return encrypt_pin_block(key, pin_block_iso0(bytearray(pin), pan))

    def load_pin_key(self, key: PinKey) -> None:
        """The PIN pad gets its working key; it opens it when somebody types a PIN."""
        self._pin_key = key

    def complete(self, word: CompleteCard) -> None:
        """The chip hears the host's answer, and has its last word; or is gone, or takes its time."""
        if not self._presented:
            return
        self._answered = True
        agreed = word.approved and self._chance.random() >= self._habits.chip_refuses
        slow = self._chance.random() < self._habits.chip_slow
        self._last_word(agreed, self._chance.uniform(10, 40) if slow else self._chance.uniform(0.3, 2))

    def release(self) -> None:
        """Nobody needs the means any more. A chip that still waits is told that no answer came, and refuses."""
        self._turn += 1
        if self._presented and not self._answered and self._terminal.up:
            self._last_word(agreed=False, after_s=self._chance.uniform(0.2, 1))
        self._presented = False

    def _last_word(self, agreed: bool, after_s: float) -> None:
        self._reader_free_at = self._world.now + after_s
        self._world.after(after_s, self._terminal, self._speak, self._key, CardCompleted(agreed, {"TC": "00"}))

    def _speak(self, key: Key, word: CardCompleted) -> None:
        self._auditor.chip_spoke(key, word.agreed)
        self._terminal.handle(word)

    # --- paper --------------------------------------------------------------------------------------------------------

    def printer_trouble(self) -> str:
        """The roll is at its end, now and then."""
        return "paper_out" if self._chance.random() < self._habits.printer_trouble / 2 else ""

    def print_slip(self, job: Print, payment: Payment | None) -> tuple[float, SlipPrinted | SlipFailed]:
        """A slip comes out behind those that the printer holds already, or it does and nobody hears of it.

        What a terminal that died has sent is printed all the same, and first: a printer has one head.
        """
        trouble = self._chance.random() < self._habits.printer_trouble / 2
        now = self._world.now
        self._printer_free_at = max(self._printer_free_at, now) + self._chance.uniform(0.5, 3)
        takes_s = self._printer_free_at - now
        if payment is not None and job.key.trace != SETTLEMENT_TRACE:
            slip = slip_of(self._terminal.profile, payment, None, "merchant", job.duplicate)
            self._world.after(takes_s, None, self._auditor.slip_printed, slip)
        return takes_s + 0.2, SlipFailed(job.key, "unknown") if trouble else SlipPrinted(job.key, job.duplicate)


@lru_cache(maxsize=64)
def _card_key(pan: str) -> bytes:
    return card_key(GOLDEN_CHIP_KEY, pan, SEQUENCE)


@lru_cache(maxsize=256)
def chip_data(pan: str, counter: int, amount: int, inquiry: bool, offline: bool = False) -> Mapping[int, bytes]:
    """What a chip has to say to its issuer: the tags of field 55, with a cryptogram that holds.

    `offline`: it has approved by itself, so the cryptogram is a certificate (TC), and tag 8A says why nobody was asked.
    """
    results = bytes.fromhex("03A00000")
    tags = {
        0x9F02: bytes.fromhex(f"{amount:012d}"), 0x9F03: bytes(6), 0x9F1A: b"\x01\x56", 0x95: bytes(5),
        0x5F2A: b"\x01\x56", 0x9A: bytes.fromhex("270115"), 0x9C: b"\x31" if inquiry else b"\x00",
        0x9F37: counter.to_bytes(4, "big"), 0x82: b"\x1c\x00", 0x9F36: counter.to_bytes(2, "big"),
    }  # fmt: skip
    data = b"".join(tags.values()) + results
    cryptogram = application_cryptogram(session_key(_card_key(pan), tags[0x9F36]), data)
    said = {0x9F26: cryptogram, 0x9F27: b"\x80", 0x9F10: b"\x07\x01\x01" + results + b"\x01", **tags}
    return {**said, 0x9F27: b"\x40", 0x8A: b"Y3"} if offline else said


@dataclass(slots=True)
class Cashier:
    """Who stands behind one counter: sells until `sales_left` is used up, and settles when told to."""

    world: World
    terminal: TerminalNode
    habits: Habits
    chance: Random
    sales_left: int
    settles: bool = False
    _acts: int = 0
    _requests: int = 0
    _patience_s: float = 0.0
    _sold: dict[Key, Payment] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to work."""
        self._patience_s = self.habits.pace_s
        self._plan(self.chance.uniform(1, self.habits.pace_s))

    @property
    def done(self) -> bool:
        """Nothing left to sell (or no more wish to), and nobody waits at the counter."""
        return (self.sales_left <= 0 or self._acts >= ACTS_MAX) and not self.terminal.counter.busy

    def settle(self) -> None:
        """Close the batch, and try until it is closed."""
        self.settles, self._patience_s = True, self.habits.pace_s
        self._plan(1.0)

    def _plan(self, after_s: float) -> None:
        self.world.after(after_s, None, self._act)

    def _act(self) -> None:
        """Do one thing; wait longer each time while there is no line to the host."""
        self._acts += 1
        if self.terminal.up:
            self._choose()
        online = self.terminal.up and self.terminal.counter.session.ready
        self._patience_s = self.habits.pace_s if online else min(1.5 * self._patience_s, PATIENCE_MAX_S)
        book = self.terminal.counter.book
        if not self.done or (self.settles and (book.payments or book.parked)):
            self._plan(self.chance.expovariate(1 / self._patience_s))

    def _choose(self) -> None:
        counter, limits = self.terminal.counter, self.terminal.profile.limits
        offline = not counter.session.ready
        if counter.busy:
            current = counter.payments.current
            if current is not None and self.chance.random() < self.habits.cancels:
                self.terminal.handle(CancelRequested(current))
        elif self.settles or (must_park(counter.book, limits) and not may_park(counter.book, limits, offline)):
            self.close_batch()
        else:
            self.chance.choices(tuple(_ERRANDS), tuple(_ERRANDS.values()))[0](self)

    def _post(self, event: Event) -> None:
        """Press a button, sometimes twice."""
        self.terminal.handle(event)
        if self.chance.random() < self.habits.clicks_twice and self.terminal.up:
            self.terminal.handle(event)

    def _request(self) -> str:
        self._requests += 1
        return f"{self.terminal.name}-{self._requests}"

    def sell(self) -> None:
        """Charge an amount; while the line is dead, maybe without the bank."""
        request = self._request()
        usual = self.chance.random() < 0.5
        amount = USUAL_AMOUNT if usual else self.chance.randrange(1, 500_000)
        dead = not self.terminal.counter.session.ready
        self._post(SaleRequested(request, amount, OPERATOR, dead and self.chance.random() < self.habits.offline))
        self.sales_left -= request in self.terminal.counter.book.requests

    def ask_balance(self) -> None:
        """Ask a card for its balance."""
        self._post(BalanceRequested(self._request(), OPERATOR))

    def void(self) -> None:
        """Take back a sale of this batch: also one that was taken back before."""
        sale = self._some_sale(self.terminal.counter.book.payments.values())
        if sale:
            self._post(VoidRequested(self._request(), sale.key, OPERATOR, SUPERVISOR))

    def refund(self) -> None:
        """Give money back for a sale, maybe of an earlier batch: all, a part, too much, again."""
        self._sold |= {payment.key: payment for payment in self.terminal.counter.book.payments.values()}
        sale = self._some_sale(self._sold.values())
        if sale:
            share = self.chance.choice((0.3, 0.5, 1.0, 1.0, 1.1))
            original = original_of(sale, self.terminal)
            amount = max(1, round(original.amount * share))
            self._post(RefundRequested(self._request(), original, amount, OPERATOR, SUPERVISOR))

    def reprint(self) -> None:
        """Print a slip again."""
        payments = list(self.terminal.counter.book.payments.values())
        if payments:
            self._post(ReprintRequested(self.chance.choice(payments).key))

    def close_batch(self) -> None:
        """Settle, if there is anything to settle."""
        if self.terminal.counter.book.payments:
            self._post(SettleRequested(OPERATOR))

    def _some_sale(self, payments: Iterable[Payment]) -> Payment | None:
        sales = [p for p in payments if p.is_booked_sale]
        return self.chance.choice(sales) if sales else None


@dataclass(slots=True)
class Office:
    """Cashier and supervisor over the acquirer's statement: what cannot be asked for any more, they close.

    `statement` says whether a payment was booked, or nothing as long as the acquirer cannot tell. Now and then one of
    them tries alone, or both try what is still asked for: the terminal must refuse.
    """

    world: World
    terminals: Sequence[TerminalNode]
    chance: Random
    statement: Callable[[Key], bool | None]

    def start(self) -> None:
        """Look again and again, as long as the world lasts."""
        self.world.after(self.chance.uniform(*OFFICE_LOOKS_S), None, self._look)

    def _look(self) -> None:
        for terminal in self.terminals:
            if terminal.up:
                book = terminal.counter.book
                for payment in (*book.unresolved(), *(book.draining.unresolved() if book.draining else ())):
                    self._try_to_close(terminal, payment)
        self.start()

    def _try_to_close(self, terminal: TerminalNode, payment: Payment) -> None:
        booked = self.statement(payment.key)
        if booked is not None:
            colleague = SUPERVISOR if self.chance.random() < ONE_ALONE else OPERATOR
            terminal.handle(CloseByPeople(payment.key, booked, "ACQ-0117/3", colleague, SUPERVISOR))


def original_of(sale: Payment, terminal: TerminalNode) -> Original:
    """What the page reads in the journal about a sale before a refund."""
    back = terminal.refunds_of(sale.key)
    voided = any(p.type in ("sale_void", "qr_void") for p in back if p.state is State.APPROVED)
    return Original(
        sale.key, sale.type, sale.amount, given_back(back, terminal.counter.book), sale.currency, sale.reference,
        sale.authorisation, sale.host_date, sale.means, sale.card, voided, terminal.has_lost_card(sale.card),
    )  # fmt: skip


_ERRANDS: dict[Callable[[Cashier], None], int] = {
    Cashier.sell: 60,
    Cashier.ask_balance: 6,
    Cashier.void: 12,
    Cashier.refund: 14,
    Cashier.reprint: 3,
    Cashier.close_batch: 3,
}
