"""The terminal's certificate: its key stays, and only what fits it is taken."""

from pathlib import Path

import pytest

from host_switch import certificates as of_host
from terminal import certificates
from terminal.certificates import CERTIFICATE_FILE, KEY_FILE, CertificateError

TERMINAL = "12345678"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "terminal").mkdir()
    of_host.found(tmp_path / "host", ["127.0.0.1"])
    return tmp_path / "terminal"


def issued(folder: Path, terminal: str = TERMINAL) -> bytes:
    return of_host.certify_terminal(folder.parent / "host", terminal, certificates.request(folder, terminal))


def test_the_key_is_drawn_once_and_is_its_owners_alone(folder: Path) -> None:
    certificates.request(folder, TERMINAL)
    key = (folder / KEY_FILE).read_bytes()
    certificates.request(folder, TERMINAL)
    assert (folder / KEY_FILE).read_bytes() == key
    assert (folder / KEY_FILE).stat().st_mode & 0o077 == 0


def test_what_the_host_has_issued_is_taken(folder: Path) -> None:
    certificates.install(folder, TERMINAL, issued(folder))
    assert certificates.client_context(folder).check_hostname


def test_a_certificate_for_another_key_is_refused(folder: Path) -> None:
    before = issued(folder)
    (folder / KEY_FILE).unlink()
    certificates.request(folder, TERMINAL)
    with pytest.raises(CertificateError, match="another key"):
        certificates.install(folder, TERMINAL, before)
    assert not (folder / CERTIFICATE_FILE).exists()


def test_a_certificate_of_another_terminal_is_refused(folder: Path) -> None:
    with pytest.raises(CertificateError, match="not for terminal"):
        certificates.install(folder, TERMINAL, issued(folder, "87654321"))


@pytest.mark.parametrize("cut", ["nonsense", "alone", "of another authority", "no key yet"])
def test_what_is_not_whole_is_refused_and_the_old_one_stays(cut: str, folder: Path, tmp_path: Path) -> None:
    good = issued(folder)
    certificates.install(folder, TERMINAL, good)
    own, _, authority = good.partition(b"-----END CERTIFICATE-----\n")
    of_host.found(tmp_path / "stranger", ["127.0.0.1"])
    strange = (tmp_path / "stranger" / of_host.FOLDER / "ca.pem").read_bytes()
    given = {
        "nonsense": b"nonsense", "alone": own + b"-----END CERTIFICATE-----\n",
        "of another authority": good.replace(authority, strange), "no key yet": good,
    }[cut]  # fmt: skip
    if cut == "no key yet":
        (folder / KEY_FILE).unlink()
    with pytest.raises(CertificateError):
        certificates.install(folder, TERMINAL, given)
    assert (folder / CERTIFICATE_FILE).read_bytes() == good


def test_without_a_certificate_the_command_that_asks_for_one_is_named(folder: Path) -> None:
    with pytest.raises(CertificateError, match="tillgate terminal certificate request"):
        certificates.client_context(folder)
