"""A terminal's profile: what is refused, and that the refusal names the entry."""

from pathlib import Path

import pytest

from firmware_config.profile import BATCH_COUNT_MAX, ProfileError, TerminalProfile, load_profile

NEEDED = """
terminal_id = "12345678"
merchant_id = "898110053110001"
merchant_name_zh = "晨光便利店"
merchant_name_en = "MORNING LIGHT STORE"
"""


def profile(folder: Path, text: str) -> TerminalProfile:
    file = folder / "profile.toml"
    file.write_text(text, encoding="utf-8")
    return load_profile(file)


def test_what_is_needed_is_enough(tmp_path):
    read = profile(tmp_path, NEEDED)
    assert read.terminal_id == "12345678" and read.currency == "156" and read.utc_offset_minutes == 480
    assert read.limits.batch_count_max <= BATCH_COUNT_MAX


def test_what_is_said_is_read(tmp_path):
    text = '[host]\naddress = "10.0.0.1"\nport = 9000\ntls = true\n[limits]\nsale_amount_max = 100\n'
    read = profile(tmp_path, NEEDED + text)
    assert (read.host.address, read.host.port, read.limits.sale_amount_max) == ("10.0.0.1", 9000, 100)


def test_offline_caps_are_read_by_scheme_and_what_is_not_said_bounds_nothing_more(tmp_path):
    text = "[offline]\nsale_amount_max = 5000\ncard_count_max = 1\n[offline.schemes.visa]\nsale_amount_max = 0\n"
    offline = profile(tmp_path, NEEDED + text).offline
    assert (offline.sale_amount_max, offline.card_count_max, offline.schemes.visa.sale_amount_max) == (5000, 1, 0)
    assert offline.schemes.unionpay.sale_amount_max is None and offline.lists_age_max_s is None


def test_nothing_is_sold_offline_unless_the_profile_says_how_much(tmp_path):
    assert profile(tmp_path, NEEDED).offline.sale_amount_max == 0


def test_there_is_a_courier_where_a_broker_is_named(tmp_path):
    assert not profile(tmp_path, NEEDED).courier.address
    read = profile(tmp_path, NEEDED + '[courier]\naddress = "mq.example.com"\ntls = true\nversion = 3\n')
    assert (read.courier.address, read.courier.port, read.courier.version) == ("mq.example.com", 8883, 3)


def test_what_a_scanner_puts_around_a_code_is_read(tmp_path):
    read = profile(tmp_path, NEEDED + '[devices]\nscanner_prefixes = ["]C0"]\nscanner_suffixes = ["\\t", "\\r\\n"]\n')
    assert read.devices.scanner_prefixes == ("]C0",) and read.devices.scanner_suffixes == ("\t", "\r\n")


@pytest.mark.parametrize(
    ("entries", "reads_chips"),
    [("", False), ("card_reader_port = 35963", True), ('card_reader = "pcsc:ACR39U"', True)],
)
def test_whether_chips_are_read(tmp_path, entries, reads_chips):
    assert profile(tmp_path, NEEDED + f"[devices]\n{entries}\n").devices.reads_chips is reads_chips


@pytest.mark.parametrize(
    ("entries", "reads_taps"),
    [("", False), ("contactless_reader_port = 35964", True), ('contactless_reader = "pcsc:ACR1252"', True)],
)
def test_whether_taps_are_read(tmp_path, entries, reads_taps):
    text = NEEDED + f"[devices]\ncard_reader_port = 35963\n{entries}\n"
    assert profile(tmp_path, text).devices.reads_taps is reads_taps


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (NEEDED.replace('"12345678"', '"1234567"'), "terminal_id"),
        (NEEDED.replace('"898110053110001"', '"8981"'), "merchant_id"),
        ("\n".join(NEEDED.splitlines()[:-1]), "merchant_name_en"),
        (NEEDED + "colour = 1\n", "colour"),
        (NEEDED + "[devices]\nscanner_suffixes = []\n", "devices.scanner_suffixes"),
        (NEEDED + '[devices]\nscanner_suffixes = ["\\r", "1"]\n', "devices.scanner_suffixes.1"),
        (NEEDED + '[devices]\nscanner_prefixes = ["\\u0002"]\n', "devices.scanner_prefixes.0"),
        (NEEDED + "payment_codes_key = 'AB'\n", "payment_codes_key"),
        (NEEDED + 'currency = "CNY"\n', "currency"),
        (NEEDED + "[host]\nport = 70000\n", "host.port"),
        (NEEDED + '[host]\naddress = "10.0.0.1"\n', "needs tls = true"),
        (NEEDED + '[host]\naddress = "pos.example.com"\n', "needs tls = true"),
        (NEEDED + '[courier]\naddress = "10.0.0.1"\n', "needs tls = true"),
        (NEEDED + '[courier]\nversion = 4\n', "courier.version"),
        (NEEDED + '[courier]\nkeepalive_s = 0\n', "courier.keepalive_s"),
        (NEEDED + '[host]\ntpdu = "1234567890"\n', "host.tpdu"),
        (NEEDED + "[limits]\nbatch_count_max = 1000\n", "limits.batch_count_max"),
        (NEEDED + "[limits]\nsale_amount_max = 12.5\n", "limits.sale_amount_max"),
        (NEEDED + "[devices]\ncontactless_reader_port = 35964\n", "needs a card_reader"),
        (NEEDED + "[devices]\ncontactless_reader = 'ACR1252'\n", "devices.contactless_reader"),
        (NEEDED + "[devices]\nstripe_reader_baud = 1\n", "devices.stripe_reader_baud"),
        (NEEDED + "[devices]\nstripe_reader_lrc = 1\n", "devices.stripe_reader_lrc"),
        (NEEDED + "[limits]\nsignature_amount_max = -1\n", "limits.signature_amount_max"),
        (NEEDED + "[devices]\npaper_columns = 20\n", "devices.paper_columns"),
    ],
)
def test_entry_that_cannot_be_is_named(tmp_path, text, named):
    with pytest.raises(ProfileError, match=named):
        profile(tmp_path, text)


def test_what_is_no_toml_is_told(tmp_path):
    with pytest.raises(ProfileError, match="is not TOML"):
        profile(tmp_path, "terminal_id = ")


def test_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ProfileError, match="cannot read the profile"):
        load_profile(tmp_path / "profile.toml")
