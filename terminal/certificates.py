"""The terminal's side of TLS: its own key, the request for a certificate, and what the host has issued.

In the terminal's folder: ``tls.key`` (made here, and never leaves), ``tls.pem`` (the certificate, and behind it that of
the host's authority). The host must prove the name that the profile calls it by.
"""

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from terminal.durable_file import write_durably

KEY_FILE, CERTIFICATE_FILE = "tls.key", "tls.pem"
_PEM = serialization.Encoding.PEM


class CertificateError(Exception):
    """The terminal cannot prove who it is; the text says what to do."""


def request(folder: Path, terminal_id: str) -> bytes:
    """The request for a certificate (PEM), signed with the terminal's key, which is drawn if there is none.

    Raises:
        CertificateError: the key file cannot be used.
        OSError: the folder cannot be written.
    """
    if not (folder / KEY_FILE).exists():
        fresh = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        write_durably(folder / KEY_FILE, fresh.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, plain))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, terminal_id)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(_key(folder), hashes.SHA256()).public_bytes(_PEM)


def install(folder: Path, terminal_id: str, issued: bytes) -> None:
    """Take what the host has issued, if it is for this terminal and its key, and whole.

    Raises:
        CertificateError: it is not.
        OSError: the folder cannot be written.
    """
    try:
        own, authority = x509.load_pem_x509_certificates(issued)
        own.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError(
            "the file is no certificate with its authority's: take what tillgate host terminal certificate has written"
        ) from None
    names = own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [name.value for name in names] != [terminal_id]:
        raise CertificateError(f"the certificate is not for terminal {terminal_id}")
    if own.public_key() != _key(folder).public_key():
        raise CertificateError("the certificate is for another key: make a new request, and have that one signed")
    write_durably(folder / CERTIFICATE_FILE, issued)


def client_context(folder: Path) -> ssl.SSLContext:
    """TLS 1.3 towards the host, with the terminal's certificate.

    Raises:
        CertificateError: there is none, or it cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=folder / CERTIFICATE_FILE)
        context.load_cert_chain(folder / CERTIFICATE_FILE, folder / KEY_FILE)
    except (OSError, ssl.SSLError):
        raise CertificateError(
            "the profile asks for TLS, and there is no certificate that can be used: make a request with "
            "tillgate terminal certificate request, and install what the host issues"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key((folder / KEY_FILE).read_bytes(), None)
    except (OSError, ValueError):
        raise CertificateError(f"{KEY_FILE} is missing or damaged: move it away, and make a new request") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{KEY_FILE} is no key for a certificate: move it away, and make a new request")
    return key
