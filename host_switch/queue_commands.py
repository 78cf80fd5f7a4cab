"""`tillgate host queue …`: what a terminal owed when it broke down."""

from pathlib import Path
from typing import Annotated

import typer

from host_switch.command_line import Data, Json, in_one_sentence, require_terminal, tell

app = typer.Typer(no_args_is_help=True, help="终端遗留交易 · What a broken terminal still owed.")


@app.command("import")
def import_queue(
    data: Data,
    file: Annotated[Path, typer.Argument(help="封存文件或扫出的文本 · The sealed file, or its scanned codes as text.")],
    as_json: Json = False,
) -> None:
    """导入终端遗留交易 · Book what a terminal could not send; what has been heard of before is not booked again.

    The file is made by tillgate terminal queue export. A host that runs goes on running.

    例 / Example: tillgate host queue import owed.tgq --data ./host
    """
    from host_switch import rescue, start
    from host_switch.events import MessageRescued
    from iso8583 import Iso8583Error
    from iso8583.rescue import Rescue

    try:
        found = Rescue.parse(file.read_bytes())
    except OSError as error:
        raise typer.TyperException(f"cannot read {file}: {error.strerror}") from None
    except Iso8583Error as error:
        raise typer.TyperException(error.reason) from None
    require_terminal(data, found.terminal)
    refused = 0
    with in_one_sentence():
        for number, sealed in enumerate(found.sealed, 1):
            outcome = start.carry_out(data, MessageRescued(found.terminal, sealed))
            refused += outcome.startswith(rescue.REFUSED)
            tell({"terminal": found.terminal, "message": number, "of": len(found.sealed), "outcome": outcome}, as_json)
    if refused:
        raise typer.TyperException(f"{refused} messages were refused: keep the file, and see above why")
