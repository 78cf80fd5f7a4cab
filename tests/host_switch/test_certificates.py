"""The acquirer's own authority: what it signs, what it refuses, and what a crash leaves of it."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from host_switch import certificates
from host_switch.certificates import CertificateError

TERMINAL = "12345678"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


@pytest.fixture
def host(tmp_path: Path) -> Path:
    certificates.found(tmp_path, ["pos.example.com", "10.0.0.5"])
    return tmp_path


def request(name: str = TERMINAL, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256()).public_bytes(PEM)


def der_of(issued: bytes) -> bytes:
    return x509.load_pem_x509_certificates(issued)[0].public_bytes(DER)


def test_the_authority_stays_when_the_hosts_certificate_is_made_anew(host: Path) -> None:
    here = host / certificates.FOLDER
    authority, before = (here / "ca.pem").read_bytes(), (here / "host.pem").read_bytes()
    certificates.found(host, ["pos.example.com"])
    assert (here / "ca.pem").read_bytes() == authority
    assert (here / "host.pem").read_bytes() != before
    assert certificates.server_context(host) is not None


def test_its_names_and_addresses_stand_in_the_hosts_certificate(host: Path) -> None:
    certificate = x509.load_pem_x509_certificate((host / certificates.FOLDER / "host.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pos.example.com"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.5"]


def test_nobody_but_the_owner_reads_a_key(host: Path) -> None:
    here = host / certificates.FOLDER
    assert here.stat().st_mode & 0o077 == 0
    assert all((here / name).stat().st_mode & 0o077 == 0 for name in ("ca.key", "host.pem"))


def test_an_authority_whose_making_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / certificates.FOLDER).mkdir()
    (tmp_path / certificates.FOLDER / "ca.key").write_bytes(b"a key without its certificate")
    certificates.found(tmp_path, ["127.0.0.1"])
    certificates.certify_terminal(tmp_path, TERMINAL, request())


def test_the_last_certificate_of_a_terminal_is_the_good_one(host: Path) -> None:
    first = certificates.certify_terminal(host, TERMINAL, request())
    assert certificates.certified(host, der_of(first)) == TERMINAL
    second = certificates.certify_terminal(host, TERMINAL, request())
    assert certificates.certified(host, der_of(first)) == ""
    assert certificates.certified(host, der_of(second)) == TERMINAL


def test_a_name_in_a_certificate_is_no_path(host: Path) -> None:
    certificate = x509.load_pem_x509_certificate((host / certificates.FOLDER / "host.pem").read_bytes())
    (host / certificates.FOLDER / "terminals").mkdir()
    assert certificates.certified(host, certificate.public_bytes(DER)) == ""


REFUSED = {
    "nonsense": (lambda: b"nonsense", "no PEM certificate request"),
    "another terminal's": (lambda: request("87654321"), "not of terminal"),
    "an RSA key": (lambda: request(key=rsa.generate_private_key(65537, 2048)), "P-256"),
    "another curve": (lambda: request(key=ec.generate_private_key(ec.SECP384R1())), "P-256"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_is_none_of_the_terminals_is_refused(case: str, host: Path) -> None:
    make, words = REFUSED[case]
    with pytest.raises(CertificateError, match=words):
        certificates.certify_terminal(host, TERMINAL, make())
    assert not (host / certificates.FOLDER / "terminals").exists()


def test_a_request_that_was_changed_on_its_way_is_refused(host: Path) -> None:
    asked = bytearray(x509.load_pem_x509_csr(request()).public_bytes(DER))
    asked[-1] ^= 1
    changed = x509.load_der_x509_csr(bytes(asked)).public_bytes(PEM)
    with pytest.raises(CertificateError):
        certificates.certify_terminal(host, TERMINAL, changed)


def test_without_an_authority_the_command_that_makes_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="tillgate host certificates"):
        certificates.certify_terminal(tmp_path, TERMINAL, request())


def test_certificates_that_cannot_be_used_are_told(host: Path) -> None:
    (host / certificates.FOLDER / "host.pem").write_bytes(b"torn")
    with pytest.raises(CertificateError, match="tillgate host certificates"):
        certificates.server_context(host)


def test_a_host_without_certificates_has_no_tls(tmp_path: Path) -> None:
    assert certificates.server_context(tmp_path) is None


@pytest.mark.parametrize("name", ["größe.example", ""])
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CertificateError):
        certificates.found(tmp_path, [name])
