"""The broker's files, each rule of them told to a real Mosquitto."""

import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host_switch import broker_files, certificates
from host_switch.broker_files import BrokerFilesError
from host_switch.certificates import HOST_AT_BROKER, CertificateError
from simulators import broker
from terminal.certificates import client_context
from tests.mosquitto import LOOPBACK, Mosquitto, Speaker, certified_terminal, comes_in, running_broker, speaking

A, B, MERCHANT = "12345678", "87654321", "898110053110001"
FRAME = b"a frame"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host's folder with an authority."""
    certificates.found(tmp_path / "host", [LOOPBACK])
    return tmp_path / "host"


@pytest.fixture
def mosquitto(host: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with running_broker(tmp_path, host) as running:
        yield running


@pytest.fixture
def certified(host: Path, tmp_path: Path) -> Callable[[str], ssl.SSLContext]:
    return lambda terminal: certified_terminal(tmp_path / terminal, host, terminal)


def up(terminal: str, kind: str = "advice") -> str:
    return f"tg/{MERCHANT}/{terminal}/up/{kind}"


def down(terminal: str) -> str:
    return f"tg/{MERCHANT}/{terminal}/down/answer"


def test_host_and_terminal_talk_and_answers_wait_for_a_terminal_that_is_away(mosquitto, host, certified) -> None:
    with speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch:
        switch.listen("$share/host/tg/+/+/up/#")
        with speaking(mosquitto.port, certified(A), A, resume=True) as terminal:
            terminal.listen(down(A))
            assert terminal.say(up(A), FRAME) == "Success"
            assert switch.hear() == (up(A), FRAME)
        assert switch.say(down(A), b"the answer") == "Success"
        with speaking(mosquitto.port, client_context(host.parent / A), A, resume=True) as terminal:
            assert terminal.hear() == (down(A), b"the answer")


@pytest.mark.parametrize("topic", [up(B), up(B, "presence"), down(A), down(B), f"tg/{MERCHANT}/{A}/x", "$SYS/x", "x"])
def test_a_terminal_says_nothing_but_its_own(mosquitto, host, certified, topic) -> None:
    with (
        speaking(mosquitto.port, certified(A), A) as terminal,
        speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch,
    ):
        switch.listen("tg/#")
        assert terminal.say(topic, FRAME) == "Not authorized"
        assert terminal.say(up(A), b"mine") == "Success"
        assert switch.hear() == (up(A), b"mine")


@pytest.mark.parametrize("topic", ["#", "tg/#", "tg/+/+/down/#", down(B), up(B), f"$share/host/tg/+/{B}/up/#"])
def test_a_terminal_hears_nothing_of_another(mosquitto, host, certified, topic) -> None:
    """The broker takes such a subscription, and delivers nothing."""
    with (
        speaking(mosquitto.port, certified(A), A) as thief,
        speaking(mosquitto.port, certified(B), B) as honest,
        speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch,
    ):
        thief.listen(topic)
        thief.listen(down(A))
        switch.say(down(B), b"not for A")
        honest.say(up(B), b"nor this")
        switch.say(down(A), b"for A")
        assert thief.hear() == (down(A), b"for A")


SEEN = f"tg/{MERCHANT}/shop/seen"
C, OTHER = "11112222", "898110053110002"


def shops_are_told(mosquitto: Mosquitto, host: Path, a: Speaker) -> None:
    """The broker learns while it runs, and its clients stay, whose tills there are."""
    broker_files.write_current(host, mosquitto.folder, {A: MERCHANT, B: MERCHANT, C: OTHER})
    mosquitto.reload()
    until(lambda: a.say(f"{SEEN}/{A}", b"ready?") != "Not authorized")


def test_tills_of_one_shop_hear_each_other_and_each_speaks_in_its_own_name_only(mosquitto, host, certified) -> None:
    with speaking(mosquitto.port, certified(B), B) as b, speaking(mosquitto.port, certified(A), A) as a:
        assert a.say(f"{SEEN}/{A}", b"too early") == "Not authorized", "the broker knows no shop yet"
        shops_are_told(mosquitto, host, a)
        b.listen(f"{SEEN}/+")
        for topic in (f"{SEEN}/{B}", f"{SEEN}/{C}", SEEN, f"tg/{MERCHANT}/shop/{A}"):
            assert a.say(topic, b"feigned") == "Not authorized"
        assert a.say(f"{SEEN}/{A}", b"a use") == "Success"
        assert b.hear() == (f"{SEEN}/{A}", b"a use")


def test_a_till_of_another_merchant_neither_hears_a_shop_nor_speaks_there(mosquitto, host, certified) -> None:
    with (
        speaking(mosquitto.port, certified(A), A) as a,
        speaking(mosquitto.port, certified(B), B) as b,
        speaking(mosquitto.port, certified(C), C) as stranger,
    ):
        shops_are_told(mosquitto, host, a)
        for topic in (f"{SEEN}/+", "tg/+/shop/#", f"{SEEN}/{A}", f"tg/{OTHER}/shop/seen/+"):
            stranger.listen(topic)
        b.listen(f"{SEEN}/+")
        for topic in (f"{SEEN}/{C}", f"{SEEN}/{A}", f"tg/{OTHER}/shop/seen/{A}"):
            assert stranger.say(topic, b"feigned") == "Not authorized"
        a.say(f"{SEEN}/{A}", b"not for C")
        stranger.say(f"tg/{OTHER}/shop/seen/{C}", b"its own")
        assert b.hear() == (f"{SEEN}/{A}", b"not for C")
        assert stranger.hear() == (f"tg/{OTHER}/shop/seen/{C}", b"its own")


@pytest.mark.parametrize("merchant", ["+", "#", f"{MERCHANT}\nuser x", "89811005311000/"])
def test_a_merchant_whose_name_could_mean_more_than_one_has_no_shop(host, tmp_path, merchant) -> None:
    broker_files.write(host, tmp_path / "out", merchants={A: merchant})
    assert f"user {A}" not in (tmp_path / "out" / broker_files.RULES).read_text()


def test_the_host_does_not_speak_as_a_terminal(mosquitto, host) -> None:
    with speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch:
        assert switch.say(up(A), FRAME) == "Not authorized"


def test_nobody_ends_the_session_of_another_by_using_its_name(mosquitto, host, certified) -> None:
    with speaking(mosquitto.port, certified(A), A) as honest, speaking(mosquitto.port, certified(B), A):
        honest.listen(down(A))
        with speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch:
            switch.say(down(A), b"still here")
        assert honest.hear() == (down(A), b"still here")


def test_without_a_certificate_nobody_comes_in(mosquitto, host) -> None:
    bare = ssl.create_default_context(cafile=host / certificates.FOLDER / "ca.pem")
    assert not comes_in(mosquitto.port, bare, A)
    assert not comes_in(mosquitto.port, None, A)


def test_with_a_certificate_of_another_authority_nobody_comes_in(mosquitto, host, tmp_path) -> None:
    certificates.found(tmp_path / "elsewhere", [LOOPBACK])
    stranger = certified_terminal(tmp_path / "stranger", tmp_path / "elsewhere", A)
    stranger.load_verify_locations(host / certificates.FOLDER / "ca.pem")
    assert not comes_in(mosquitto.port, stranger, A)


def test_tls_1_2_is_refused(mosquitto, certified) -> None:
    old = certified(A)
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not comes_in(mosquitto.port, old, A)


def test_the_brokers_own_certificate_is_none_for_speaking(mosquitto, host) -> None:
    context = ssl.create_default_context(cafile=mosquitto.folder / "ca.pem")
    context.load_cert_chain(mosquitto.folder / "broker.pem")
    assert not comes_in(mosquitto.port, context, "Tillgate broker")


def test_a_certificate_that_was_replaced_or_taken_away_is_shut_out_after_a_reload(
    mosquitto, host, certified, tmp_path
) -> None:
    replaced, gone = certified(A), certified(B)
    current = certified_terminal(tmp_path / "anew", host, A)
    (host / certificates.FOLDER / "terminals" / f"{B}.pem").unlink()
    assert comes_in(mosquitto.port, gone, B), "the broker has not been told"
    broker_files.write_current(host, mosquitto.folder)
    mosquitto.reload()
    until(lambda: not comes_in(mosquitto.port, gone, B))
    assert not comes_in(mosquitto.port, replaced, A)
    assert comes_in(mosquitto.port, current, A)
    assert comes_in(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER)


def until(true: Callable[[], bool]) -> None:
    """The broker takes up its files in its own time."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline


def test_a_last_will_is_kept_and_heard_by_a_host_that_comes_later(mosquitto, host, certified) -> None:
    terminal = Speaker(mosquitto.port, certified(A), A)
    terminal.client.will_set(up(A, "presence"), b"offline", qos=1, retain=True)
    assert terminal.connect()
    terminal.say(up(A, "presence"), b"online", retain=True)
    with speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch:
        switch.listen("tg/+/+/up/presence")
        assert switch.hear() == (up(A, "presence"), b"online")
        terminal.drop()
        assert switch.hear() == (up(A, "presence"), b"offline")
    terminal.close()


def test_what_is_too_large_ends_the_connection_and_reaches_nobody(mosquitto, host, certified) -> None:
    with (
        speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER) as switch,
        speaking(mosquitto.port, certified(B), B) as honest,
    ):
        switch.listen("tg/+/+/up/#")
        hostile = Speaker(mosquitto.port, certified(A), A)
        assert hostile.connect()
        hostile.client.publish(up(A), bytes(9000), qos=1)
        assert hostile.lost()
        hostile.close()
        honest.say(up(B), FRAME)
        assert switch.hear() == (up(B), FRAME)


def test_what_waits_at_the_broker_is_never_on_its_disk(mosquitto, host, certified) -> None:
    card = b"6299990000000009"
    with speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER, resume=True) as switch:
        switch.listen("$share/host/tg/+/+/up/#")
    with speaking(mosquitto.port, certified(A), A) as terminal:
        terminal.say(up(A), card)
        terminal.say(up(A), card, retain=True)
        with speaking(mosquitto.port, certificates.broker_context(host), HOST_AT_BROKER, resume=True) as switch:
            assert switch.hear() == (up(A), card), "it had waited"
    mosquitto.stop()
    files = [path for path in mosquitto.folder.parent.rglob("*") if path.is_file()]
    assert files and not any(card in path.read_bytes() for path in files)
    mosquitto.start()


def test_nobody_but_the_brokers_account_reads_its_files(host, tmp_path) -> None:
    broker_files.write(host, tmp_path / "out", user=broker_files.usual_account())
    paths = [tmp_path / "out", *(tmp_path / "out").iterdir()]
    assert len(paths) == 6
    assert all(path.stat().st_mode & 0o077 == 0 for path in paths)
    assert len({path.stat().st_uid for path in paths}) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_broker_started_by_root_runs_as_mosquittos_own_account_and_can_read_its_files(host) -> None:
    """The folder stands where that account may go: pytest's own does not."""
    import pwd
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tillgate-broker-") as folder:
        Path(folder).chmod(0o755)
        out = Path(folder) / "broker"
        with running_broker(Path(folder), host) as own:
            port = own.port
        broker_files.write(host, out, listen=LOOPBACK, port=port)
        dropped = Mosquitto(out, port)
        dropped.start()
        try:
            assert comes_in(port, certificates.broker_context(host), HOST_AT_BROKER)
            assert dropped.account() == pwd.getpwnam("mosquitto").pw_uid
        finally:
            dropped.stop()


def test_the_broker_is_called_as_the_host_is_unless_names_are_given(host, tmp_path) -> None:
    from cryptography import x509

    for names, expected in (((), [LOOPBACK]), (["mq.example.com"], ["mq.example.com"])):
        broker_files.write(host, tmp_path / "out", names=names)
        certificate = x509.load_pem_x509_certificate((tmp_path / "out" / "broker.pem").read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(name.value) for name in found] == expected


def test_what_cannot_be_is_refused_in_words(host, tmp_path) -> None:
    with pytest.raises(CertificateError, match="tillgate host certificates"):
        broker_files.write(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(BrokerFilesError, match="no account nobody-such"):
        broker_files.write(host, tmp_path / "out", user="nobody-such")
    with pytest.raises(BrokerFilesError, match="line break"):
        broker_files.write(host, tmp_path / "out\nuser root")
    with pytest.raises(BrokerFilesError, match="broker-config"):
        broker_files.write_current(host, tmp_path)
    assert broker.mosquitto() is not None


def test_a_line_of_the_issued_that_was_cut_short_hides_no_other(host, tmp_path) -> None:
    with (host / certificates.FOLDER / "issued").open("ab") as file:
        file.write(b"\n1234ab")
    certified_terminal(tmp_path / A, host, A)
    certified_terminal(tmp_path / "anew", host, A)
    from cryptography import x509

    first = x509.load_pem_x509_certificate((tmp_path / A / "tls.pem").read_bytes())
    listed = x509.load_pem_x509_crl(certificates.withdrawn(host))
    assert [revoked.serial_number for revoked in listed] == [first.serial_number]
