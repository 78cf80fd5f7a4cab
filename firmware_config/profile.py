"""The profile of one terminal: what it is, whom it serves, where its host is, how far it may go.

Both sides of the wire may read a profile; neither may change one at run time. Amounts are integer minor units
(fen for CNY), times are seconds, sizes are bytes. Every limit that bounds money or memory stands here, with its unit.
"""

import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from firmware_config.printer_models import MODELS

Digits = Annotated[str, Field(pattern=r"^\d+$")]
# Field 48 of a settlement counts with three digits.
BATCH_COUNT_MAX = 999
# So far ahead of the batch that it closes next a host takes what was sold.
PARKED_BATCHES_MAX = 2_000
OFFLINE_COUNT_MAX = 1_000_000

# What a scanner puts around a code. An end that could be a part of a code would cut it.
ScannerPrefix = Annotated[str, Field(pattern=r"^[!-~]{1,8}$")]
ScannerSuffix = Annotated[str, Field(pattern=r"^[\x00-\x20#$%&*;|~]{1,4}$")]

PortNumber = Annotated[int, Field(ge=1, le=65535)]
Amount = Annotated[int, Field(ge=0, le=999_999_999_999)]
OfflineCount = Annotated[int, Field(ge=0, le=OFFLINE_COUNT_MAX)]


class ProfileError(Exception):
    """A profile cannot be used; the text names the entry and what it must be."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, so that nothing sent there leaves it."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


class HostEndpoint(_Part):
    """Where the acquirer's host listens, and how frames to it are headed (TPDU and the six-byte header).

    `tls`: mutual TLS, with the terminal's certificate. Without it only a host on the same machine is spoken to.
    """

    address: str = "127.0.0.1"
    port: PortNumber = 9700
    tls: bool = False
    tpdu: Annotated[str, Field(pattern=r"^60\d{8}$")] = "6000030000"
    header: Annotated[str, Field(pattern=r"^\d{12}$")] = "603100310006"
    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 3.0
    """How long connecting may take, TLS included. A line that is back is noticed a second after it, at the latest."""
    reply_timeout_s: Annotated[float, Field(gt=0, le=120)] = 30.0
    probe_interval_s: Annotated[float, Field(ge=0.5, le=3600)] = 1.2
    """How often the host must prove that it is there, by the answer to an echo."""
    probe_timeout_s: Annotated[float, Field(gt=0, le=120)] = 1.6
    """How long an echo may be unanswered. A dead line is noticed after both times together, at the latest."""
    echo_without_mac: bool = False
    """Ask echoes without a MAC, and believe their answers. Only for hosts that know none in an echo."""
    downloads_without_mac: bool = False
    """Believe public keys, applications and black lists that come without a MAC. Only for hosts that send none."""

    @model_validator(mode="after")
    def _nothing_in_clear_leaves_the_machine(self) -> Self:
        if not self.tls and not is_loopback(self.address):
            raise ValueError("a host on another machine needs tls = true, and this terminal a certificate")
        return self


class CourierEndpoint(_Part):
    """The broker that carries what is owed to the host, beside the line to it. Without an address there is none.

    `tls`: mutual TLS, with the terminal's certificate. `version`: of MQTT; 5 makes do with 3.1.1 where the broker does.
    """

    address: str = ""
    port: PortNumber = 8883
    tls: bool = False
    version: Literal[5, 3] = 5
    keepalive_s: Annotated[int, Field(ge=1, le=600)] = 5
    """After twice as long without a word, the broker is taken to be gone."""
    telemetry_s: Annotated[int, Field(ge=60, le=86_400)] = 900
    """How often the terminal says how it is, if nothing changes."""

    @model_validator(mode="after")
    def _nothing_in_clear_leaves_the_machine(self) -> Self:
        if self.address and not self.tls and not is_loopback(self.address):
            raise ValueError("a broker on another machine needs tls = true, and this terminal a certificate")
        return self


class Limits(_Part):
    """How far the counter may go before it refuses a new sale, in words, before the card is read."""

    sale_amount_max: Annotated[int, Field(gt=0, le=999_999_999_999)] = 5_000_000
    batch_count_max: Annotated[int, Field(gt=0, le=BATCH_COUNT_MAX)] = 900
    parked_batches_max: Annotated[int, Field(ge=0, le=PARKED_BATCHES_MAX)] = 1_500
    """So many full batches may be set aside while they cannot be settled; 0: a full batch ends the selling."""
    open_payments_max: Annotated[int, Field(gt=0, le=1_000)] = 20
    journal_free_bytes_min: Annotated[int, Field(ge=0)] = 16 * 1024 * 1024
    signature_amount_max: Annotated[int, Field(ge=0, le=999_999_999_999)] = 100_000
    """Above it the holder of a stripe that wants no PIN is asked for one all the same."""
    means_timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    card_completion_timeout_s: Annotated[float, Field(gt=0, le=120)] = 15.0


class SchemeCaps(_Part):
    """How much of `Offline` the cards of one scheme may take; where nothing is said, the general caps alone bound it.

    `sale_amount_max` of 0: no card of this scheme is taken offline.
    """

    sale_amount_max: Amount | None = None
    total_amount_max: Amount | None = None
    count_max: OfflineCount | None = None


class Schemes(_Part):
    """The schemes that a chip is told by, by the first five bytes of its application's name; `other` is the rest.

    `code` is no chip's: it bounds what is sold by signed codes.
    """

    unionpay: SchemeCaps = SchemeCaps()
    visa: SchemeCaps = SchemeCaps()
    mastercard: SchemeCaps = SchemeCaps()
    amex: SchemeCaps = SchemeCaps()
    jcb: SchemeCaps = SchemeCaps()
    discover: SchemeCaps = SchemeCaps()
    other: SchemeCaps = SchemeCaps()
    code: SchemeCaps = SchemeCaps()


class Offline(_Part):
    """How much may be sold while no host can be reached; the shop bears what the bank declines later.

    Only sales that the bank has not answered count. `sale_amount_max` of 0: nothing at all is sold. The oldest may be
    `age_max_s` old. One card may take `card_count_max` sales over `card_amount_max`, an operator may sell for
    `operator_amount_max`, and within any hour at most `hour_amount_max` is sold; without these two the total bounds
    them. `lists_age_max_s`: when the black list, or a set of keys or applications that was downloaded, is older, all
    amounts and counts are halved; at twice that age, or without a black list, nothing is sold. Without it, lists may
    be of any age.
    """

    sale_amount_max: Amount = 0
    total_amount_max: Amount = 200_000
    count_max: OfflineCount = 50
    age_max_s: Annotated[int, Field(gt=0, le=30 * 86_400)] = 86_400
    card_amount_max: Amount = 100_000
    card_count_max: OfflineCount = 3
    operator_amount_max: Amount | None = None
    hour_amount_max: Amount | None = None
    lists_age_max_s: Annotated[int, Field(gt=0, le=366 * 86_400)] | None = None
    schemes: Schemes = Schemes()


class Devices(_Part):
    """What stands on the counter: where each driver finds its device. An empty entry means that there is none.

    Codes may be read by a scanner on a serial line, by one that types on the page's keyboard, and by a camera: the
    number of one (``"0"``), or the path of a film, or an ``http`` or ``rtsp`` address.
    """

    card_reader: Annotated[str, Field(pattern=r"^(pcsc:.+)?$")] = ""
    """A PC/SC reader by its name or a part of it: ``pcsc:ACR39U``. Else `card_reader_port` takes virtual cards."""
    card_reader_port: int = 0
    contactless_reader: Annotated[str, Field(pattern=r"^(pcsc:.+)?$")] = ""
    """A reader of tapped cards, beside that for chips and named likewise; else `contactless_reader_port`."""
    contactless_reader_port: int = 0
    stripe_reader_path: str = ""
    stripe_reader_baud: Annotated[int, Field(ge=300, le=921_600)] = 9600
    stripe_reader_lrc: bool = False
    """The reader of magnetic stripes hands out each track's check character, behind its end."""
    scanner_path: str = ""
    scanner_baud: Annotated[int, Field(ge=300, le=921_600)] = 9600
    scanner_prefixes: Annotated[tuple[ScannerPrefix, ...], Field(strict=False, max_length=8)] = ()
    scanner_suffixes: Annotated[tuple[ScannerSuffix, ...], Field(strict=False, min_length=1, max_length=4)] = (
        "\r",
        "\n",
    )
    scanner_repeat_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    scanner_keyboard: bool = False
    scanner_keyboard_gap_ms: Annotated[int, Field(ge=5, le=1_000)] = 35
    camera: str = ""
    pin_pad_path: str = ""
    printer_kind: Literal["tcp", "serial", "usb", "file"] = "tcp"
    printer_address: str = ""
    """Of kind tcp a host, else a path: /dev/ttyUSB0, /dev/usb/lp0, or a file that keeps what is printed."""
    printer_port: int = 9100
    printer_baud: Annotated[int, Field(ge=1200, le=921_600)] = 9600
    printer_model: str = "generic"
    cash_drawer: bool = False
    """A cash drawer hangs on the printer."""
    voice: Annotated[str, Field(pattern=r"^(speaker|/.+\.wav)?$")] = ""
    """Results are said aloud: ``speaker``, or the path of a .wav file that keeps what was said last."""
    paper_columns: Annotated[int, Field(ge=32, le=48)] = 32

    @property
    def reads_chips(self) -> bool:
        """Whether there is a reader for chips, or should be."""
        return bool(self.card_reader or self.card_reader_port)

    @property
    def reads_taps(self) -> bool:
        """Whether there is a reader for tapped cards, or should be."""
        return bool(self.contactless_reader or self.contactless_reader_port)

    @model_validator(mode="after")
    def _what_cannot_be_tapped_can_be_inserted(self) -> Self:
        if self.reads_taps and not self.reads_chips:
            raise ValueError("a contactless reader needs a card_reader beside it, for cards that must be inserted")
        return self

    @model_validator(mode="after")
    def _printer_prints_that_wide(self) -> Self:
        model = MODELS.get(self.printer_model)
        if model is None:
            raise ValueError(f"printer_model must be one of {', '.join(MODELS)}")
        if self.paper_columns > model.columns:
            raise ValueError(f"paper_columns: {self.printer_model} prints {model.columns}")
        return self


class TerminalProfile(_Part):
    """All that a terminal must be told. Read from TOML; unknown entries are refused, missing ones have defaults."""

    terminal_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{8}$")]
    merchant_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{15}$")]
    merchant_name_zh: str
    merchant_name_en: str
    currency: Annotated[str, Field(pattern=r"^\d{3}$")] = "156"
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 480
    language: Annotated[str, Field(pattern=r"^(zh|en)$")] = "zh"
    page_port: PortNumber = 8700
    payment_codes_key: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    """Who may set which payment codes there are: an Ed25519 public key; if empty, whoever may write the folder."""
    host: HostEndpoint = HostEndpoint()
    courier: CourierEndpoint = CourierEndpoint()
    limits: Limits = Limits()
    offline: Offline = Offline()
    devices: Devices = Devices()


def load_profile(path: Path) -> TerminalProfile:
    """Read a profile from a TOML file.

    Raises ProfileError when the file is missing, is not TOML, or an entry is unknown or out of range.
    """
    try:
        with path.open("rb") as file:
            return TerminalProfile.model_validate(tomllib.load(file))
    except OSError as error:
        raise ProfileError(f"cannot read the profile {path.name}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"the profile {path.name} is not TOML: {error}") from None
    except ValidationError as error:
        raise ProfileError(f"the profile {path.name} cannot be used: {_first_fault(error)}") from None


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"entry {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
