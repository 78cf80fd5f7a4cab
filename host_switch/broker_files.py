"""What a Mosquitto needs to be our broker: its configuration, who may say what, its certificate, who is shut out.

All of it stands in one folder, which belongs to the account that the broker runs as. The broker only carries
(`docs/adr/0002-the-broker-is-a-courier.md`): it may be stopped or moved at any time, and writes nothing down. But
nobody may speak there in another's name, and nobody may take the room of all.
"""

import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from host_switch import certificates
from host_switch.keys import write_durably

CONFIGURATION, RULES, WITHDRAWN = "mosquitto.conf", "acl", "withdrawn.pem"
DEFAULT_PORT = 8883
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})

# Mosquitto's package makes this account; started by root, the broker becomes it.
USUAL_ACCOUNT = "mosquitto"

_CONFIGURATION = """\
# Written by tillgate host broker-config, which writes it anew: change its options, not this file.
# Reload after tillgate host broker-withdrawn: kill -HUP, or systemctl reload.
user {user}
per_listener_settings false

listener {listener}
cafile {out}/ca.pem
certfile {out}/broker.pem
keyfile {out}/broker.pem
crlfile {out}/{withdrawn}
tls_version tlsv1.3
require_certificate true
# Who speaks is told by the certificate alone, and so nobody ends another's session by using its name.
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {out}/{rules}

# A frame has at most 4 KiB. What does not fit is lost, and asked for again: nothing here is the only copy.
max_packet_size 8192
max_inflight_messages 256
max_queued_messages 20000
max_queued_bytes 33554432
memory_limit 268435456
max_keepalive 300
persistent_client_expiration 2d

# Frames have card numbers, which are never written down in clear. A restart loses time: everybody asks again.
persistence false

set_tcp_nodelay true
log_dest stderr
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_type error
log_type warning
log_type notice
connection_messages true
"""

_RULES = f"""\
# A terminal speaks below its own id and hears what is meant for it, whatever its merchant; and, below, its own shop.
pattern write tg/+/%u/up/#
pattern read tg/+/%u/down/#

user {certificates.HOST_AT_BROKER}
topic read tg/+/+/up/#
topic write tg/+/+/down/#
topic write tg/lists/+/+
"""

_RULES_OF_TERMINAL = """\

user {terminal}
topic write tg/{merchant}/shop/seen/{terminal}
topic read tg/{merchant}/shop/seen/+
topic read tg/lists/+/+
"""


class BrokerFilesError(Exception):
    """The broker's files cannot be written; the text says what to do."""


def usual_account() -> str:
    """The account that a broker on this machine runs as, unless one is named: Mosquitto's own, if root asks."""
    own = pwd.getpwuid(os.geteuid()).pw_name
    return USUAL_ACCOUNT if own == "root" and _exists(USUAL_ACCOUNT) else own


def write(
    folder: Path, out: Path, *, names: Sequence[str] = (), listen: str = "", port: int = DEFAULT_PORT, user: str = "",
    merchants: Mapping[str, str] = _NOBODY,
) -> None:  # fmt: skip
    """Write everything into `out`, with new certificates for the broker and for the host at the broker.

    Args:
        folder: the host's folder, with its authority.
        out: the broker's folder.
        names: what terminals call the broker; those of the host unless given.
        listen: the address to listen on; all, unless given.
        port: the port to listen on.
        user: the account that the broker runs as, and that the files then belong to; see `usual_account`.
        merchants: of each terminal its merchant, whose terminals may hear each other.

    Raises:
        BrokerFilesError: there is no such account, or the files cannot be given to it.
        CertificateError: there is no authority, or a name is none.
        OSError: a folder cannot be written.
    """
    user, out = user or usual_account(), out.absolute()
    _check(out, user)
    broker = certificates.certify_broker(folder, names or certificates.names_of_host(folder))
    certificates.certify_at_broker(folder)
    listener = f"{port} {listen}".strip()
    configuration = _CONFIGURATION.format(user=user, listener=listener, out=out, rules=RULES, withdrawn=WITHDRAWN)
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(out / "ca.pem", (folder / certificates.FOLDER / "ca.pem").read_bytes())
    write_durably(out / "broker.pem", broker)
    write_durably(out / CONFIGURATION, configuration.encode())
    write_current(folder, out, merchants)
    _give(out, user)


def write_current(folder: Path, out: Path, merchants: Mapping[str, str] = _NOBODY) -> None:
    """Write anew who is shut out, whoever shows a certificate that was replaced or taken away; and who hears whom.

    Raises:
        BrokerFilesError: `out` is not a broker's folder.
        CertificateError, OSError: as for `write`.
    """
    if not (out / CONFIGURATION).exists():
        raise BrokerFilesError(f"{out} holds no broker's files: write them first with tillgate host broker-config")
    owner = (out / CONFIGURATION).stat()
    for name, content in ((WITHDRAWN, certificates.withdrawn(folder)), (RULES, _rules(merchants).encode())):
        write_durably(out / name, content)
        os.chown(out / name, owner.st_uid, owner.st_gid)


def _rules(merchants: Mapping[str, str]) -> str:
    """A name with other signs than letters and digits is no terminal's, and could mean more than one."""
    plain = [pair for pair in sorted(merchants.items()) if all(name.isascii() and name.isalnum() for name in pair)]
    return _RULES + "".join(_RULES_OF_TERMINAL.format(terminal=one, merchant=merchant) for one, merchant in plain)


def _check(out: Path, user: str) -> None:
    if "\n" in str(out):
        raise BrokerFilesError("the name of the broker's folder has a line break: choose another")
    if not _exists(user):
        raise BrokerFilesError(f"there is no account {user}: install mosquitto, or name another with --user")
    if os.geteuid() and user != pwd.getpwuid(os.geteuid()).pw_name:
        raise BrokerFilesError(f"only root can give files to {user}: use sudo, or leave --user out")


def _give(out: Path, user: str) -> None:
    account = pwd.getpwnam(user)
    for path in (out, *out.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
