"""The lines to the host, and what goes out over them: its own connection, and the courier where the profile names one.

Shell code: what is sent, when and over which line is decided by the cores. Here messages get what must be neither in
the journal nor in a core: card numbers in clear, encrypted tracks, and their MACs.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence

import structlog

from firmware_config.profile import TerminalProfile
from iso8583 import Iso8583Error, Message
from terminal import messages
from terminal.effects import Send, Tell, TellShop
from terminal.events import CardErased, Event
from terminal.host_link import HostLink, courier_of
from terminal.key_frames import KeysGone
from terminal.vault import CardLost, Unready, Vault

log = structlog.get_logger()


class Lines:
    """The lines of one terminal."""

    def __init__(
        self, profile: TerminalProfile, vault: Vault, report: Callable[[Event], None], tls: ssl.SSLContext | None,
        offer_delta: Callable[[bytes], None] | None = None,
    ) -> None:  # fmt: skip
        """`offer_delta` takes changes of lists that a broker brings, unproven."""
        self._vault = vault
        self._report = report
        self._link = HostLink(profile.host, vault, report, tls if profile.host.tls else None)
        self._courier = courier_of(profile, vault, report, tls, offer_delta)

    async def run(self) -> None:
        """Keep them up, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run())
            if self._courier is not None:
                group.create_task(self._courier.run())

    @property
    def courier_is_up(self) -> bool:
        """There is a courier, and it is at its broker."""
        return self._courier is not None and self._courier.is_up

    def reconnect(self) -> None:
        """Drop the connection to the host, and make a new one."""
        self._link.reconnect()

    def send(self, sends: Sequence[Send]) -> None:
        """Send what can be sent: what cannot is asked for again by the core that owes it."""
        ready = self._vault.ready([(send.message, send.cards) for send in sends])
        for send, message in zip(sends, ready, strict=True):
            if isinstance(message, Message):
                self._hand_over(send, message)
            else:
                self._not_sent(send, message)

    def tell(self, news: Tell | TellShop) -> None:
        """Hand over what is no debt to the courier, where there is one."""
        if self._courier is not None:
            self._courier.tell(news)

    def _hand_over(self, send: Send, message: Message) -> None:
        try:
            if send.line == "host":
                self._link.send(message)
            elif self._courier is not None:
                self._courier.send(message, send.again_in_s)
        except Iso8583Error as error:
            self._not_sent(send, error)

    def _not_sent(self, send: Send, reason: Unready) -> None:
        """It cannot go out. That there are no keys the counter hears; what must be sent goes when there are some."""
        if isinstance(reason, CardLost):
            self._report(CardErased(messages.key_in(send.message)))
        say = log.warning if isinstance(reason, CardLost | KeysGone) else log.error
        say("message_not_sent", mti=send.message.mti, reason=str(reason))
