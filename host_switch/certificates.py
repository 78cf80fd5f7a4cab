"""The acquirer's own certificates: one authority, the host's name, and one certificate for each terminal.

They stand in `certificates/` in the host's folder: ``ca.pem`` and ``ca.key``, ``host.pem`` (with its key), and
``terminals/<id>.pem``. A terminal makes its own key and asks with a request; no key of a terminal is ever here. Of each
terminal one certificate is good, the last that was issued: taking its file away ends it, issuing anew replaces it.

Where there is a broker (`broker_files`), ``courier.pem`` is what the host shows it, and ``issued`` names every
certificate that was ever issued to show: whatever of it is not good any more stands in the list that the broker gets.
"""

import os
import re
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from host_switch.keys import OWNER_ONLY, write_durably, write_secret

FOLDER = "certificates"
HOST_AT_BROKER = "tillgate-host"
"""The host's name at the broker. Never a terminal's: those have letters and digits only."""

AUTHORITY_DAYS, CERTIFICATE_DAYS = 3650, 825
_HOST_NAME = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", re.ASCII)
CLOCKS_DIFFER = timedelta(hours=1)
"""How far a terminal's clock may be behind ours without our newest certificate being of its future."""


class CertificateError(Exception):
    """A certificate cannot be made or used; the text says what to do."""


def found(folder: Path, names: Sequence[str]) -> None:
    """Make the authority, unless it is there, and a new certificate for the host under `names`.

    Args:
        folder: the host's folder.
        names: what terminals call the host by: host names and addresses.

    Raises:
        CertificateError: no name, or one that is none.
        OSError: the folder cannot be written.
    """
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    here = folder / FOLDER
    if not (here / "ca.pem").exists():
        _make_authority(here)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(here, "Tillgate host", key.public_key(), alternatives, _SERVER)
    # One file, so that no crash leaves a key beside the certificate of another.
    write_durably(here / "host.pem", _pem(key) + certificate)


def names_of_host(folder: Path) -> list[str]:
    """What terminals call the host by, as its certificate says.

    Raises:
        CertificateError: it has none yet.
    """
    try:
        certificate = x509.load_pem_x509_certificate((folder / FOLDER / "host.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        raise _NO_AUTHORITY from None
    return [str(name.value) for name in names]


def certify_broker(folder: Path, names: Sequence[str]) -> bytes:
    """A new key and certificate for the broker, as PEM; what terminals call it by are its `names`.

    Raises:
        CertificateError: there is no authority, or a name is none.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    return _pem(key) + _signed(folder / FOLDER, "Tillgate broker", key.public_key(), alternatives, _SERVER)


def certify_at_broker(folder: Path) -> None:
    """A new key and certificate with which the host goes to the broker; the one before is not good any more.

    Raises:
        CertificateError: there is no authority.
        OSError: the folder cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _to_show(folder / FOLDER, HOST_AT_BROKER, key.public_key())
    write_durably(folder / FOLDER / "courier.pem", _pem(key) + certificate)


def _make_authority(here: Path) -> None:
    (here / "ca.key").unlink(missing_ok=True)  # of an authority whose certificate was never written
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named("Tillgate terminals")
    builder = _builder(name, key.public_key(), AUTHORITY_DAYS).issuer_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(_AUTHORITY_USAGE, critical=True)
    write_secret(here / "ca.key", _pem(key))
    write_durably(here / "ca.pem", builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def certify_terminal(folder: Path, terminal: str, request: bytes) -> bytes:
    """Issue the one good certificate of a terminal, for two years and a quarter.

    Args:
        folder: the host's folder.
        terminal: its id, which the request must name, and nobody else.
        request: a PEM certificate request, which proves that whoever asks has the key.

    Returns:
        The certificate, and behind it that of the authority, as PEM: what the terminal needs.

    Raises:
        CertificateError: there is no authority, or the request is not one of this terminal.
    """
    here = folder / FOLDER
    try:
        asked = x509.load_pem_x509_csr(request)
        valid = asked.is_signature_valid
    except (ValueError, InvalidSignature):
        raise CertificateError("the request is no PEM certificate request: make it at the terminal anew") from None
    if not valid or _common_name(asked.subject) != terminal:
        raise CertificateError(f"the request is not of terminal {terminal}: make it at that terminal")
    key = asked.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateError("the request is for a key that is not on the curve P-256: make it at the terminal anew")
    certificate = _to_show(here, terminal, key)
    write_durably(_of_terminal(folder, terminal), certificate)
    return certificate + (here / "ca.pem").read_bytes()


def certified(folder: Path, certificate: bytes) -> str:
    """The terminal that a certificate of our authority (DER) names; "" if it is not the one that is good for it."""
    shown = x509.load_der_x509_certificate(certificate)
    terminal = _common_name(shown.subject)
    try:
        issued = x509.load_pem_x509_certificate(_of_terminal(folder, terminal).read_bytes())
    except (OSError, ValueError, CertificateError):
        return ""
    return terminal if issued == shown else ""


def server_context(folder: Path) -> ssl.SSLContext | None:
    """Mutual TLS 1.3 for the terminals' port; None where no certificates were made.

    Raises:
        CertificateError: there are some that cannot be used.
    """
    here = folder / FOLDER
    if not here.exists():
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(here / "host.pem")
        context.load_verify_locations(here / "ca.pem")
    except (OSError, ssl.SSLError):
        raise CertificateError(
            f"the certificates in {here} cannot be used: make the host's anew with tillgate host certificates"
        ) from None
    return context


def broker_context(folder: Path) -> ssl.SSLContext:
    """Mutual TLS 1.3 towards the broker, in the host's name.

    Raises:
        CertificateError: it has no certificate for that, or one that cannot be used.
    """
    here = folder / FOLDER
    try:
        context = ssl.create_default_context(cafile=here / "ca.pem")
        context.load_cert_chain(here / "courier.pem")
    except (OSError, ssl.SSLError):
        raise CertificateError(
            "the host has no certificate for a broker yet: make the broker's files with tillgate host broker-config"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def withdrawn(folder: Path) -> bytes:
    """The list of issued certificates that are not good any more, signed, as PEM: for whoever cannot look in here.

    It does not end before the authority does: a broker whose list has ended turns everybody away.

    Raises:
        CertificateError: there is no authority.
        OSError: the folder cannot be read.
    """
    here = folder / FOLDER
    authority, signing = _authority(here)
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject).last_update(now - CLOCKS_DIFFER)
    builder = builder.next_update(max(authority.not_valid_after_utc, now + CLOCKS_DIFFER))
    builder = builder.add_extension(_issued_by(signing), critical=False)
    for serial in sorted(_issued(here) - _good(here)):
        gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(gone)
    return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _issued(here: Path) -> set[int]:
    """Every serial number in the file of what was issued; a line that a crash has cut short was never handed out."""
    try:
        lines = (here / "issued").read_text("ascii").split("\n")
    except FileNotFoundError:
        return set()
    return {int(line.split()[0], 16) for line in lines if re.fullmatch(r"[0-9a-f]{1,40} \S+", line)}


def _good(here: Path) -> set[int]:
    found = set()
    for path in (here / "courier.pem", *(here / "terminals").glob("*.pem")):
        try:
            found.add(x509.load_pem_x509_certificate(path.read_bytes()).serial_number)
        except (OSError, ValueError):  # taken away, or no certificate: then it is good for nobody
            continue
    return found


def _of_terminal(folder: Path, terminal: str) -> Path:
    if not (terminal.isascii() and terminal.isalnum()):  # a name of a file, from a certificate: never a path
        raise CertificateError("a terminal id has letters and digits only")
    return folder / FOLDER / "terminals" / f"{terminal}.pem"


def _to_show(here: Path, name: str, key: ec.EllipticCurvePublicKey) -> bytes:
    """A certificate that is shown to us, or to our broker; it is noted as issued before anybody has it."""
    certificate = _signed(here, name, key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
    serial = x509.load_pem_x509_certificate(certificate).serial_number
    descriptor = os.open(here / "issued", os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(f"\n{serial:x} {name}\n".encode())  # in front as well: the line before may have been cut short
        file.flush()
        os.fsync(file.fileno())
    return certificate


def _authority(here: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        authority = x509.load_pem_x509_certificate((here / "ca.pem").read_bytes())
        signing = serialization.load_pem_private_key((here / "ca.key").read_bytes(), None)
    except (OSError, ValueError):
        raise _NO_AUTHORITY from None
    assert isinstance(signing, ec.EllipticCurvePrivateKey), "as it was made here"
    return authority, signing


def _signed(here: Path, name: str, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType) -> bytes:
    authority, signing = _authority(here)
    builder = _builder(_named(name), key, CERTIFICATE_DAYS).issuer_name(authority.subject)
    for extension in (x509.BasicConstraints(ca=False, path_length=None), _issued_by(signing), *extensions):
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _issued_by(signing: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())


def _builder(name: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - CLOCKS_DIFFER).not_valid_after(now + timedelta(days=days))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    if not _HOST_NAME.fullmatch(name):
        raise CertificateError(f"{name!r} is no host name: give one such as pos.example.com, or an address")
    return x509.DNSName(name)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _common_name(name: x509.Name) -> str:
    names = [str(attribute.value) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return names[0] if len(names) == 1 else ""


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


_NO_AUTHORITY = CertificateError("there is no authority yet: make it with tillgate host certificates")
_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_AUTHORITY_USAGE = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip
