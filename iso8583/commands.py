"""`tillgate iso …`: decode, encode, describe, compare, redact and measure ISO 8583 messages.

Card data is masked in everything that is printed, also in JSON and in errors, unless `--show-card-data` asks for it.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from iso8583.dialect import Dialect
from iso8583.dialects import NAMES, load_dialect
from iso8583.errors import Iso8583Error
from iso8583.tool import command_input, description, message_json, report
from iso8583.tool.command_input import Input, WrongUseError, dialects, json_source, one_of, read_all, rules
from iso8583.tool.differences import differences
from iso8583.tool.display import Display
from iso8583.tool.envelope import HEADS, LENGTHS
from iso8583.tool.recognition import Found, Reading, Rules
from iso8583.tool.redacted_copy import clean_capture, clean_wire
from iso8583.tool.redaction import KEY_BYTES, Redactor
from iso8583.tool.text_columns import columns
from iso8583.tool.wire_input import FORMS, InputError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="ISO 8583 报文工具 · ISO 8583 messages: decode, encode, explain, compare, redact, measure.\n\n"
    "例 / Example: tillgate iso decode 003C6000030000…",
)

Messages = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MESSAGE|FILE|-",
        help="十六进制、base64、文件名,或 - 表示标准输入 · Hex, base64, a file (bytes, text, pcap), or - for stdin.",
        show_default=False,
    ),
]
DialectName = Annotated[
    str, typer.Option("--dialect", help=f"方言,不填则猜 · Guessed if not given: {', '.join(NAMES)}.")
]
DialectFile = Annotated[
    Path | None,
    typer.Option("--dialect-file", help="自定义方言 · A dialect of your own, as a TOML file.", dir_okay=False),
]
Form = Annotated[str, typer.Option("--form", help=f"输入形式 · Form of the input: {', '.join(FORMS)}.")]
Length = Annotated[
    str, typer.Option("--length", help=f"报文前的长度,不填则猜 · Guessed if not given: none, {', '.join(LENGTHS)}.")
]
Head = Annotated[
    str, typer.Option("--head", help=f"报文头,不填则猜 · Guessed if not given: {', '.join(HEADS)}, or how many bytes.")
]
Language = Annotated[str, typer.Option("--lang", help="语言 · zh or en; the shell's if left out.")]
ShowCardData = Annotated[
    bool, typer.Option("--show-card-data", help="显示卡数据,慎用 · Show card data in full. Mind who sees it.")
]
Json = Annotated[bool, typer.Option("--json", help="机器可读,每行一个 · Machine-readable, one JSON object a line.")]


# --- what all commands share -----------------------------------------------------------------------------------------


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """Turn what our own errors say into a refusal of the command; end quietly when nobody reads the output any more."""
    try:
        yield
    except InputError as error:
        raise typer.TyperException(str(error)) from None
    except WrongUseError as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None


def _read(messages: list[str] | None, asked: Rules, form: str) -> list[Input]:
    read = read_all(messages, asked, form)
    for capture in (one.offer.capture for one in read):
        if capture and capture.warning:
            _warn(capture.warning)
    return read


def _warn(words: str) -> None:
    typer.echo(f"tillgate: {words}", err=True)


def _warn_of_card_data(show: bool) -> None:
    if show:
        _warn("输出含完整卡数据 / Card data is shown in full: keep it out of tickets, chats and logs.")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


def _say_json(facts: Mapping[str, Any]) -> None:
    typer.echo(message_json.line(facts))


def _each(read: Sequence[Input]) -> Iterator[Found]:
    return (found for one in read for found in one.found)


def _fail_if_undecoded(read: Sequence[Input]) -> None:
    """End with exit code 1 if a message did not decode; the sentence says which."""
    failed = [found for found in _each(read) if found.error]
    if len(failed) == 1 and failed[0].is_recognised:
        sentence = report.error_sentence(failed[0], 1)
        raise typer.TyperException(f"报文不能解码 / {sentence}.")
    if len(failed) == 1:
        sentence = "无法识别 / This looks like no ISO 8583 message of a known dialect: check how it was copied"
        raise typer.TyperException(f"{sentence}, or say --form, --length, --head and --dialect.")
    if failed:
        count = sum(1 for _ in _each(read))
        words = f"{count} 条报文中 {len(failed)} 条不能解码 / {len(failed)} of {count} messages do not decode"
        raise typer.TyperException(f"{words}; what is wrong with each stands above.")


# --- decode and describe ---------------------------------------------------------------------------------------------


@app.command()
def decode(
    messages: Messages = None,
    dialect: DialectName = "",
    dialect_file: DialectFile = None,
    form: Form = "auto",
    length: Length = "",
    head: Head = "",
    lang: Language = "",
    show_card_data: ShowCardData = False,
    as_json: Json = False,
) -> None:
    """解码报文 · Decode messages: their fields, one a line. Form, length, head and dialect are guessed if not given.

    例 / Example: tillgate iso decode sale.hex
    """
    with _in_one_sentence():
        language = command_input.language(lang)
        read = _read(messages, rules(dialect, dialect_file, length, head), form)
        _warn_of_card_data(show_card_data)
        if as_json:
            for reading, found in _readings(read):
                facts = report.found_json(found, Display.of(found, everything=show_card_data))
                _say_json({**facts, "reading": report.reading_json(reading)})
        else:
            _tell(read, language, show_card_data, in_words=False)
        _fail_if_undecoded(read)


def _readings(read: Sequence[Input]) -> Iterator[tuple[Reading, Found]]:
    return ((reading, found) for one in read for reading in one.readings for found in reading.messages)


def _tell(read: Sequence[Input], language: int, show: bool, *, in_words: bool) -> None:
    """Messages for people; how they were read stands over them wherever it changes."""
    said: list[str] = []
    for reading, found in _readings(read):
        about = list(report.reading_lines(reading, language))
        if about != said and (about[:1] != said[:1] or reading.tried > 1):
            _say(about)
        said = about
        display = Display.of(found, everything=show)
        typer.echo()
        typer.echo(typer.style(report.heading(found, language), bold=True))
        _say(report.envelope_lines(found.envelope, display, language))
        if found.error is not None:
            _say(report.error_lines(found, display, language))
        message = found.message if found.error is None else found.error.partial
        if message is not None:
            lines = description.described if in_words else description.field_lines
            _say(report.field_rows(lines(message, found.dialect, display, language), language))
        if in_words:
            _say(report.transaction_lines(found, language))
    typer.echo()


@app.command()
def describe(
    messages: Messages = None,
    dialect: DialectName = "",
    dialect_file: DialectFile = None,
    form: Form = "auto",
    length: Length = "",
    head: Head = "",
    lang: Language = "",
    show_card_data: ShowCardData = False,
    as_json: Json = False,
) -> None:
    """解释报文 · Explain messages in words: every field, sub-field and code, the transaction, what is missing in it.

    例 / Example: tillgate iso describe --lang zh sale.hex
    """
    with _in_one_sentence():
        language = command_input.language(lang)
        read = _read(messages, rules(dialect, dialect_file, length, head), form)
        _warn_of_card_data(show_card_data)
        if as_json:
            for found in _each(read):
                _say_json(report.described_json(found, Display.of(found, everything=show_card_data), language))
        else:
            _tell(read, language, show_card_data, in_words=True)
        _fail_if_undecoded(read)


# --- encode ----------------------------------------------------------------------------------------------------------


@app.command()
def encode(
    file: Annotated[
        Path | None, typer.Argument(help="JSON 文件,不填读标准输入 · JSON file; stdin if left out.", show_default=False)
    ] = None,
    dialect: DialectName = "",
    dialect_file: DialectFile = None,
    frame: Annotated[
        str,
        typer.Option(
            "--frame", help=f"长度和报文头 · same (as the JSON says), none, or a length: {', '.join(LENGTHS)}."
        ),
    ] = "same",
    output: Annotated[str, typer.Option("--output", help="hex | base64 | raw")] = "hex",
    as_json: Json = False,
) -> None:
    """编码报文 · Make messages from the JSON that decode prints; the same JSON gives the same bytes.

    例 / Example: tillgate iso encode sale.json --output base64
    """
    with _in_one_sentence():
        one_of("--output", output, ["hex", "base64", "raw"])
        one_of("--frame", frame, ["same", "none", *LENGTHS])
        chosen = dialects(dialect, dialect_file)[0] if dialect or dialect_file else None
        for number, written in enumerate(message_json.read_messages(json_source(file).data), 1):
            _put(_encoded(written, chosen or _its_dialect(written, number), frame, number), output, as_json)


def _its_dialect(written: message_json.Written, number: int) -> Dialect:
    if written.dialect not in NAMES:
        known = ", ".join(NAMES)
        raise InputError(f"message {number}: 未指明方言 / it names no known dialect: give --dialect, one of {known}.")
    return load_dialect(written.dialect)


def _encoded(written: message_json.Written, dialect: Dialect, frame: str, number: int) -> bytes:
    try:
        body = dialect.encode(written.whole(dialect.table))
        if frame == "none":
            return body
        envelope = written.envelope if frame == "same" else replace(written.envelope, length=frame)
        return envelope.around(body)
    except Iso8583Error as error:
        raise InputError(report.encode_sentence(dialect, error, number)) from None


def _put(wire: bytes, output: str, as_json: bool) -> None:
    text = base64.b64encode(wire).decode() if output == "base64" else wire.hex().upper()
    if as_json:
        _say_json({"base64" if output == "base64" else "hex": text, "bytes": len(wire)})
    elif output == "raw":
        sys.stdout.buffer.write(wire)
        sys.stdout.buffer.flush()
    else:
        typer.echo(text)


# --- diff ------------------------------------------------------------------------------------------------------------


@app.command()
def diff(
    messages: Messages = None,
    dialect: DialectName = "",
    dialect_file: DialectFile = None,
    form: Form = "auto",
    length: Length = "",
    head: Head = "",
    lang: Language = "",
    show_card_data: ShowCardData = False,
    as_json: Json = False,
) -> None:
    """比较两条报文 · Compare two messages field by field, sub-fields too. Exit code 1 if they differ.

    例 / Example: tillgate iso diff monday.hex tuesday.hex
    """
    with _in_one_sentence():
        language = command_input.language(lang)
        read = _read(messages, rules(dialect, dialect_file, length, head), form)
        _fail_if_undecoded(read)
        both = list(_each(read))
        if len(both) != 2:
            raise InputError(f"需要两条报文 / Two messages are needed, there are {len(both)}.")
        _warn_of_card_data(show_card_data)
        display = Display.of(both[0], both[1], everything=show_card_data)
        rows = list(differences(both[0], both[1], display, language))
        if as_json:
            _say_json({"differ": bool(rows), "differences": [row.facts(language) for row in rows]})
        elif rows:
            _say(report.difference_rows(rows, (both[0], both[1]), language))
        else:
            typer.echo(("两条报文相同", "The two messages are the same.")[language])
    if rows:
        raise typer.Exit(1)


# --- redact ----------------------------------------------------------------------------------------------------------


@app.command()
def redact(
    messages: Messages = None,
    dialect: DialectName = "",
    dialect_file: DialectFile = None,
    form: Form = "auto",
    length: Length = "",
    head: Head = "",
    key: Annotated[
        str,
        typer.Option(
            "--key", help="自定口令,使替换结果固定 · A secret of yours: the same card becomes the same again."
        ),
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", help="输出文件,抓包则写 pcap · File to write; a pcap from a capture.")
    ] = None,
    as_json: Json = False,
) -> None:
    """脱敏 · Take the card data out and keep all lengths: the result still decodes. Prints hex lines, or writes a file.

    A card number becomes another one with the same first six and last four digits, the same one throughout.

    例 / Example: tillgate iso redact traffic.pcap --output clean.pcap
    """
    with _in_one_sentence():
        read = _read(messages, rules(dialect, dialect_file, length, head), form)
        redactor = Redactor(key.encode("utf-8", "surrogateescape") if key else secrets.token_bytes(KEY_BYTES))
        is_capture = output is not None and any(one.offer.capture for one in read)
        if is_capture and len(read) > 1:
            raise InputError(
                "每次只能处理一个抓包 / One capture at a time: its packets cannot be mixed with other inputs."
            )
        if output is not None and is_capture:
            output.write_bytes(clean_capture(read[0].offer, read[0].readings, redactor))
        else:
            wires = [wire for found in _each(read) if (wire := clean_wire(found, redactor)) is not None]
            if output is None:
                for wire in wires:
                    _put(wire, "hex", as_json)
            else:
                output.write_text("".join(f"{wire.hex().upper()}\n" for wire in wires), "ascii")
        _tell_changes(redactor, as_json, failed=any(found.error for found in _each(read)))
        _fail_if_undecoded(read)


def _tell_changes(redactor: Redactor, as_json: bool, *, failed: bool) -> None:
    """What was done: the last line of JSON, or lines on standard error, where they spoil no output."""
    if as_json:
        _say_json(report.changes_json(redactor.changed))
    else:
        for text in report.change_lines(redactor.changed) if redactor.changed or not failed else ():
            typer.echo(text, err=True)


# --- bench and dialects ----------------------------------------------------------------------------------------------


@app.command()
def bench(
    dialect: DialectName = "",
    dialect_file: DialectFile = None,
    seconds: Annotated[float, typer.Option(help="每轮秒数 · Seconds for each round.", min=0.001, max=10)] = 0.05,
    as_json: Json = False,
) -> None:
    """测速 · How fast decoding and encoding are on this machine: nanoseconds for a message, the best of five rounds.

    例 / Example: tillgate iso bench --dialect unionpay_pos
    """
    from iso8583.tool.self_measure import measure

    with _in_one_sentence():
        rows = []
        for measured in (row for chosen in dialects(dialect, dialect_file) for row in measure(chosen, seconds)):
            if as_json:
                _say_json(asdict(measured))
            rows.append(measured)
        if not as_json:
            _say(report.measured_rows(rows))


@app.command("dialects")
def list_dialects(as_json: Json = False) -> None:
    """列出方言 · List the dialects that are built in.

    例 / Example: tillgate iso dialects
    """
    with _in_one_sentence():
        tables = [load_dialect(name).table for name in NAMES]
        if as_json:
            for table in tables:
                facts = {"dialect": table.name, "title": table.title, "fields": len(table.fields), "bits": table.bits}
                _say_json(facts)
        else:
            _say(columns([(table.name, f"{len(table.fields)} fields", table.title) for table in tables]))
