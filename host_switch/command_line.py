"""What the commands of the host have in common: how they name its folder, speak, and refuse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[Path, typer.Option("--data", help="主机目录 · The host's folder.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="机器可读 · Machine-readable output.")]
TerminalId = Annotated[str, typer.Argument(help="终端编号, 8 位 · Terminal id, 8 characters.")]


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Turn what the host's own errors say into a refusal of the command."""
    from host_switch.broker_files import BrokerFilesError
    from host_switch.certificates import CertificateError
    from host_switch.code_lists import CodeListError
    from host_switch.door import DoorError
    from host_switch.keys import KeyRoomError
    from host_switch.process import ProcessError
    from host_switch.start import HostError
    from host_switch.store import StoreError

    try:
        yield
    except (
        BrokerFilesError, CertificateError, CodeListError, DoorError, HostError, KeyRoomError, ProcessError, StoreError,
    ) as error:  # fmt: skip
        raise typer.TyperException(str(error)) from None


def tell(facts: dict[str, Any], as_json: bool) -> None:
    """One line for a machine, or for a person."""
    words = "  ".join(f"{name}={value}" for name, value in facts.items() if value not in ("", None))
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else words)


def require_terminal(data: Path, terminal: str) -> None:
    """Refuse to go on without this terminal."""
    if terminal not in {known.id for known in books_of(data).terminals}:
        raise typer.TyperException(f"no terminal {terminal}: register it with tillgate host terminal add")


def merchants_of(data: Path) -> dict[str, str]:
    """Of each terminal that the host in this folder knows its merchant; a host that never ran knows none."""
    from host_switch import start

    if not (data / "host.db").exists():
        return {}
    with in_one_sentence(), start.opened_store(data, to_write=False) as store:
        return store.merchants()


def books_of(data: Path) -> Any:
    """All that the host in this folder has on its books."""
    from host_switch import start

    with in_one_sentence(), start.opened_store(data, to_write=False) as store:
        return store.books()
