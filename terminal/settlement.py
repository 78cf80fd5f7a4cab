"""Closing a batch: totals to the host (0500), the payments one by one if they differ (0320), then the end message.

Every message is sent again until it is answered; the host answers a repeated one as it answered the first. The batch is
forgotten only when the host has acknowledged its end, so a death in the middle goes on where it stood.
"""

from dataclasses import replace
from enum import StrEnum
from itertools import islice

from firmware_config.profile import TerminalProfile
from iso8583 import Iso8583Error
from iso8583.unionpay import Totals48
from terminal import messages
from terminal.book import Book, Payment
from terminal.effects import Effect, Persist, Send
from terminal.events import Received
from terminal.records import BatchClosed, Record, SettleAnswered, SettleStarted

RETRY_S = (5, 10, 20, 40, 80, 160, 320, 640, 1200)
BALANCED = "1"
IN_VAIN = 3


class Step(StrEnum):
    """How far the settlement is."""

    IDLE = "idle"
    TOTALS = "comparing totals"
    DETAILS = "uploading payments"
    END = "ending the batch"


class Settlement:
    """Settles one batch: the open one, and then the counter takes no payments meanwhile; or one that was parked."""

    def __init__(self, book: Book, profile: TerminalProfile) -> None:
        self._book = book
        self._profile = profile
        self._uploaded = 0
        self._attempts = 0
        self._due: float | None = None
        self._sent_at: float | None = None
        self.link_ready = False

    @property
    def step(self) -> Step:
        """What is being done, for the page."""
        if self._book.settling is None:
            return Step.IDLE
        if self._book.settle_answer is None:
            return Step.TOTALS
        return Step.DETAILS if self._details_left() else Step.END

    @property
    def is_in_vain(self) -> bool:
        """The same message has been sent again and again, and no answer lets the settlement go on."""
        return self._attempts > IN_VAIN

    def start(self, operator: str, now: float) -> list[Effect]:
        """Begin; the caller has made sure that no payment is open."""
        totals = self._book.totals()
        record = SettleStarted(
            self._book.batch, totals.debit_amount, totals.debit_count, totals.credit_amount, totals.credit_count,
            operator, now, parked=self._book.of_parked,
        )  # fmt: skip
        self._uploaded = 0
        return [self._persist(record), *self._go_on(now)]

    def received(self, event: Received, now: float) -> list[Effect]:
        """Take an answer to 0500 (0510) or to 0320 (0330) of the batch that is being settled."""
        answer = event.message
        ours = answer.get(41) == self._profile.terminal_id and answer.text(60, "")[2:8] == self._book.batch
        if not ours:
            return []
        if answer.mti == "0510" and self.step is Step.TOTALS:
            return self._compared(answer.text(48, ""), now)
        if answer.mti == "0330" and answer.get(39, "00") == "00":
            return self._uploaded_part(answer.text(60, "")[8:11], answer.text(11, ""), now)
        return []

    def link_up(self, now: float) -> list[Effect]:
        """The host is there (again): go on; but not faster than at first: a refusal may have led to this sign-on."""
        self.link_ready = True
        again = self._end_again()
        if self.step is Step.IDLE:
            return again
        if self._sent_at is not None and now < self._sent_at + RETRY_S[0]:
            self._attempts, self._due = 0, self._sent_at + RETRY_S[0]
            return again
        return again + self._go_on(now)

    def link_down(self) -> list[Effect]:
        """The host is gone; wait."""
        self.link_ready, self._due = False, None
        return []

    def tick(self, now: float) -> list[Effect]:
        """Send again what has not been answered."""
        return self._send(now) if self._due is not None and now >= self._due else []

    def deadline(self) -> float | None:
        """When tick() wants to be called next."""
        return self._due

    def _end_again(self) -> list[Effect]:
        """Tell a host that has not closed the batch before ours that it has ended. Its answer changes nothing here."""
        closed, totals = self._book.last_closed, self._book.last_settled
        if not self._book.host_is_behind or closed is None or totals is None:
            return []
        count = totals.debit_count + totals.credit_count
        return [Send(messages.upload_end(self._profile, closed.batch, self._book.next_trace, count, closed.balanced))]

    def _go_on(self, now: float) -> list[Effect]:
        self._attempts = 0
        return self._send(now)

    def _send(self, now: float) -> list[Effect]:
        if not self.link_ready or self.step is Step.IDLE:
            self._due = None
            return []
        self._due = now + RETRY_S[min(self._attempts, len(RETRY_S) - 1)]
        self._attempts += 1
        self._sent_at = now
        return [self._message()]

    def _message(self) -> Send:
        book, settling = self._book, self._book.settling
        assert settling is not None, "only a settlement under way sends"
        trace = book.next_trace
        if self.step is Step.TOTALS:
            return Send(messages.settle(self._profile, book.batch, trace, book.totals(), settling.operator))
        if self.step is Step.DETAILS:
            part = self._next_part()
            return Send(messages.upload(self._profile, book.batch, part), tuple(p.card for p in part))
        assert book.settle_answer is not None, "the end comes after the totals were compared"
        count = len(book.approved())
        return Send(messages.upload_end(self._profile, book.batch, trace, count, book.settle_answer.balanced))

    def _details_left(self) -> bool:
        answer = self._book.settle_answer
        return answer is not None and not answer.balanced and self._uploaded < len(self._book.approved())

    def _next_part(self) -> list[Payment]:
        return list(islice(self._book.approved(), self._uploaded, self._uploaded + messages.DETAILS_PER_MESSAGE))

    def _compared(self, totals: str, now: float) -> list[Effect]:
        """The host's verdict on our totals. An answer without one is none: we ask again when it is time."""
        try:
            balanced = Totals48.parse(totals).domestic.result == BALANCED
        except Iso8583Error:
            return []
        return [self._persist(SettleAnswered(self._book.batch, balanced, now)), *self._go_on(now)]

    def _uploaded_part(self, management_code: str, trace: str, now: float) -> list[Effect]:
        """An answer counts for the part whose first trace it names: a part sent twice is answered twice."""
        if self.step is Step.DETAILS and management_code == "201" and trace == self._next_part()[0].key.trace:
            self._uploaded += messages.DETAILS_PER_MESSAGE
            return self._go_on(now)
        if self.step is Step.END and management_code in ("207", "202"):
            return self._close(now)
        return []

    def _close(self, now: float) -> list[Effect]:
        assert self._book.settle_answer is not None, "the end comes after the totals were compared"
        batch, balanced = self._book.batch, self._book.settle_answer.balanced
        next_batch = following(batch)
        next_trace, terminal = f"{self._book.next_trace:06d}", self._profile.terminal_id
        closed = BatchClosed(batch, next_batch, next_trace, balanced, now, terminal)
        if self._book.of_parked:
            lost = self._book.declined_later()
            closed = replace(closed, parked=True, lost_count=lost.count, lost_amount=lost.amount)
        self._due, self._uploaded = None, 0
        return [self._persist(closed)]

    def _persist(self, record: Record) -> Persist:
        self._book.apply(record)
        return Persist(record)


def following(batch: str) -> str:
    """The number of the batch after this one; 999999 is followed by 000001."""
    return f"{int(batch) % 999_999 + 1:06d}"
