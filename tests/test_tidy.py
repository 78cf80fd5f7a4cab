"""House rules that ruff and mypy do not know. Each is proved twice: the tree keeps it, and a planted offence breaks it.

A rule is a function from a source file to the lines that break it. `RULES` pairs it with one offending and one innocent
snippet. To allow an exception, change the table the rule reads and say there why.
"""

import ast
import re
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The tables a maintainer edits ---------------------------------------------------------------------------------------

LIBRARIES = {"iso8583", "paycode", "firmware_config"}  # import nothing of ours
MAY_IMPORT = {  # the packages of ours that each may import: the wire is the contract between terminal and host
    **{library: {library} for library in LIBRARIES},
    "terminal": {"terminal", *LIBRARIES},
    "host_switch": {"host_switch", *LIBRARIES},
    "simulators": {"simulators", "terminal", "host_switch", "bench", *LIBRARIES},
    "bench": {"bench", "simulators", "terminal", "host_switch", *LIBRARIES},
    "tillgate": set[str](),
}

SHELLS = (  # what meets the world; every other module of terminal, host_switch and paycode is a core and stays pure
    *("host_switch/broker_files.py", "host_switch/certificates.py", "host_switch/channels/*.py"),
    "host_switch/code_lists.py",
    "host_switch/*command*.py",
    *("host_switch/connections.py", "host_switch/door.py", "host_switch/ingest_mqtt.py"),
    *("host_switch/keys.py", "host_switch/listener.py", "host_switch/process.py", "host_switch/sqlite_*.py"),
    *("host_switch/signers.py", "host_switch/start.py", "host_switch/wallets.py"),
    *("terminal/cashier/*.py", "terminal/card_dialogue.py", "terminal/certificates.py", "terminal/*commands.py"),
    "terminal/card_counts.py",
    *("terminal/code_store.py", "terminal/download_store.py", "terminal/durable_file.py"),
    *("terminal/courier.py", "terminal/stripe_dialogue.py"),
    *("terminal/devices/*.py", "terminal/host_link.py", "terminal/journal.py", "terminal/lines.py"),
    "terminal/means.py",
    *("terminal/operators.py", "terminal/printing.py", "terminal/rescue.py", "terminal/runner.py"),
    *("terminal/running.py", "terminal/closing_command.py", "terminal/selftest*.py", "terminal/start.py"),
    "terminal/steady_clock.py",
    *("paycode/commands.py", "paycode/trial.py"),
    *("terminal/key_*.py", "terminal/vault.py"),
)
PORTS = ("host_switch/channels/__init__.py", "terminal/devices/__init__.py")  # values that a core may name
WORLD = {  # what a core never imports: clocks, chance, input and output, logs
    *("asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "select", "serial", "signal", "socket"),
    *("sqlite3", "ssl", "starlette", "structlog", "subprocess", "tempfile", "threading", "time", "uuid", "uvicorn"),
}
WORLD_CALLS = {"breakpoint", "input", "now", "open", "today", "utcnow"}  # nor calls

# May catch Exception. tillgate.py: the last line, where no traceback may reach a user. The listener: a frame that finds
# a fault in the core has no effect, as if it had never arrived; stopping would let that frame stop the host for all.
# Supervision and selftest: whatever a driver fails with, the other devices and the counter go on.
BROAD_EXCEPT = ("tillgate.py", "host_switch/listener.py", "terminal/devices/supervision.py", "terminal/selftest.py")
PRINTS = (  # speak on standard output: to a person, or to whoever started the process
    *("tillgate.py", "*/*command*.py", "simulators/demo*.py", "simulators/*_figures.py", "simulators/*_process.py"),
    *("bench/*.py", "tests/*.py"),
)
CHANCE = ("simulators/*.py", "tests/*.py", "bench/*.py")  # may be random; keys and nonces come from `secrets`
LONG_TABLES = ("iso8583/dialects/*.py",)

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
VAGUE_NAMES = {"base", "common", "core", "helper", "helpers", "lib", "misc", "shared", "util", "utils"}
MONEY_WORDS = {"amount", "amounts", "balance", "balances", "fen", "money"}
MAC_WORDS = {"arpc", "arqc", "cryptogram", "mac", "macs"}
UNSAFE_MODULES = {"marshal", "pickle", "shelve"}
UNSAFE_CALLS = {"eval", "exec"}
COMPILES = "iso8583/plan_source.py"  # its source is made of whole numbers and its own words, as a test proves
# One letter of each stands in brackets, so that this file does not break its own rules.
INDEX_ADDRESS = re.compile(r"//\S+/simpl[e]\b|pythonhoste[d]|index-ur[l]|find-link[s]|trusted-hos[t]")
MACHINE_PATH = re.compile(r"(?<![\w.)}])/(work|home|root)/")
OUTSIDE = re.compile(r"(?<![\w-])share[d]/")
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E])\b")


# Sources -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """One text file, by its path from the root."""

    path: str
    text: str

    def nodes(self) -> Iterator[ast.AST]:
        """Every node of the syntax tree; none for what is not Python."""
        yield from ast.walk(_parse(self.text)) if self.path.endswith(".py") else ()

    @property
    def package(self) -> str:
        """The folder at the root, or the name of a module that lies there."""
        return self.path.split("/")[0].removesuffix(".py")

    @property
    def is_core(self) -> bool:
        """Whether it decides about money: (event, now) in, effects out, and nothing of the world beside."""
        return self.package in {"terminal", "host_switch", "paycode"} and not self.matches(SHELLS)

    def matches(self, patterns: tuple[str, ...]) -> bool:
        """Whether the path matches one of the shell patterns; `*` spans folders."""
        return any(fnmatchcase(self.path, pattern) for pattern in patterns)


@cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def _files(folder: Path, ignored: list[str]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name == ".git" or any(fnmatchcase(path.name, pattern) for pattern in ignored):
            continue
        if path.is_dir():
            yield from _files(path, ignored)
        elif path.is_file():
            yield path


@cache
def sources() -> tuple[Source, ...]:
    """Every text file below the root that .gitignore does not name."""
    lines = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    contents = {path: path.read_bytes() for path in _files(ROOT, [line for line in lines if not line.startswith("#")])}
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), data.decode("utf-8", "replace"))
        for path, data in contents.items()
        if b"\0" not in data
    )


def _words(node: ast.AST | None) -> list[str]:
    """The words of the last name in an expression: `self.reply_amount`, `reply_amount(...)` -> reply, amount."""
    match node:
        case ast.Call(func=inner):
            return _words(inner)
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
            return name.split("_")
    return []


def _called(node: ast.AST) -> str:
    """The last name of what is called: `datetime.now(UTC)` -> now."""
    return "_".join(_words(node)) if isinstance(node, ast.Call) else ""


def _imports(source: Source) -> Iterator[tuple[int, str, list[str]]]:
    """Line, module, and the names taken from it."""
    for node in source.nodes():
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name, []) for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield node.lineno, module, [alias.name for alias in names]


# Rules ---------------------------------------------------------------------------------------------------------------

Lines = Iterator[int]


def imports_go_one_way(source: Source) -> Lines:
    """Only the packages of MAY_IMPORT, and from another package only public names."""
    for line, module, names in _imports(source):
        package = module.split(".")[0]
        if source.package not in MAY_IMPORT or package not in MAY_IMPORT:
            continue
        private = [name for name in [*module.split("."), *names] if re.match(r"_(?!_)", name)]
        if package not in MAY_IMPORT[source.package] or (private and package != source.package):
            yield line


def cores_import_no_shell(source: Source) -> Lines:
    """A core imports other cores and the libraries; of the standard library, nothing that reaches the world."""
    for line, module, names in _imports(source) if source.is_core else ():
        package = module.split(".")[0]
        named = [name.replace(".", "/") for name in (module, *(f"{module}.{name}" for name in names))]
        files = [Source(name + ending, "") for name in named for ending in (".py", "/__init__.py")]
        shells = [file for file in files if file.matches(SHELLS) and file.path not in PORTS]
        if package in WORLD or any((ROOT / shell.path).is_file() for shell in shells):
            yield line


def cores_are_pure(source: Source) -> Lines:
    """A core never waits, opens, or asks for the time."""
    for node in source.nodes() if source.is_core else ():
        waits = isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
        if waits or _called(node) in WORLD_CALLS:
            yield getattr(node, "lineno", 0)


def chance_only_in_simulations(source: Source) -> Lines:
    """`random` is predictable: production takes keys, nonces and jitter from `secrets`."""
    if not source.matches(CHANCE):
        yield from (line for line, module, _ in _imports(source) if module == "random")


def money_is_never_float(source: Source) -> Lines:
    """No float, no true division, no float annotation or literal on a name that says money."""
    for node in source.nodes():
        match node:
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                offends = _is_money(left) or _is_money(right)
            case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
                offends = (_is_money(left) and _is_float(right)) or (_is_float(left) and _is_money(right))
            case ast.Assign(targets=[target], value=value) | ast.NamedExpr(target=target, value=value):
                offends = _is_money(target) and _is_float(value)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                offends = _is_money(target) and (_is_float(annotation) or _is_float(value))
            case ast.arg(annotation=annotation):
                offends = _is_money(node) and _is_float(annotation)
            case ast.keyword(value=value):
                offends = _is_money(node) and _is_float(value)
            case ast.Call(func=ast.Name(id="float"), args=[value]):
                offends = _is_money(value)
            case _:
                offends = False
        if offends:
            yield getattr(node, "lineno", 0)


def _is_money(node: ast.AST) -> bool:
    return not MONEY_WORDS.isdisjoint(_words(node))


def _is_float(node: ast.AST | None) -> bool:
    match node:
        case ast.Constant(value=float()) | ast.Name(id="float") | ast.Call(func=ast.Name(id="float")):
            return True
        case ast.BinOp(left=left, right=right):  # float | None in an annotation, -1.0 * x in an expression
            return _is_float(left) or _is_float(right)
    return False


def no_unsafe_calls(source: Source) -> Lines:
    """No pickle, no eval, no shell; a test may pickle to see what would leak. One file compiles, from whole numbers."""
    if source.package != "tests":
        yield from (line for line, module, _ in _imports(source) if module in UNSAFE_MODULES)
    for node in source.nodes():
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in UNSAFE_CALLS and source.path != COMPILES:
                yield node.lineno
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="system" | "popen")):
                yield node.lineno
            case ast.keyword(arg="shell", value=ast.Constant(value=True)):
                yield node.lineno


def macs_are_compared_in_constant_time(source: Source) -> Lines:
    """`hmac.compare_digest`, never `==`: the time of `==` tells how many bytes were right."""
    for node in source.nodes() if source.package != "tests" else ():
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            is_state = any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides)
            if not is_state and any(MAC_WORDS.intersection(_words(side)[-1:]) for side in sides):
                yield node.lineno


def broad_except_only_at_the_last_line(source: Source) -> Lines:
    """`except Exception` hides a fault, and with money a fault must stop the flow."""
    for node in source.nodes() if not source.matches(BROAD_EXCEPT) else ():
        if isinstance(node, ast.ExceptHandler):
            caught = [name.id for name in ast.walk(node.type or node) if isinstance(name, ast.Name)]
            if node.type is None or {"Exception", "BaseException"}.intersection(caught):
                yield node.lineno


def prints_only_to_people(source: Source) -> Lines:
    """Only commands speak on standard output; everything else logs or returns."""
    for node in source.nodes() if not source.matches(PRINTS) else ():
        match node:
            case ast.Call(func=ast.Name(id="print")):
                yield node.lineno


def names_say_something(source: Source) -> Lines:
    """A module or folder called utils says nothing of what it holds."""
    stem = source.path.removesuffix(".py") if source.path.endswith(".py") else ""
    if not VAGUE_NAMES.isdisjoint(stem.split("/")):
        yield 1


def files_are_short(source: Source) -> Lines:
    """At most FILE_LINES_MAX lines; tables of a dialect may be longer."""
    if source.path.endswith(".py") and not source.matches(LONG_TABLES) and source.text.count("\n") > FILE_LINES_MAX:
        yield FILE_LINES_MAX


def functions_are_short(source: Source) -> Lines:
    """At most FUNCTION_LINES_MAX lines, the docstring not counted."""
    for node in source.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
            if (node.end_lineno or 0) - node.lineno + 1 - docstring > FUNCTION_LINES_MAX:
                yield node.lineno


def identifiers_are_ascii(source: Source) -> Lines:
    """Look-alike letters in names deceive a reviewer."""
    if source.path.endswith(".py"):
        for token in tokenize.generate_tokens(StringIO(source.text).readline):
            if token.type == tokenize.NAME and not token.string.isascii():
                yield token.start[0]


def _lines_with(pattern: re.Pattern[str]) -> Callable[[Source], Lines]:
    def rule(source: Source) -> Lines:
        for number, line in enumerate(source.text.splitlines(), start=1):
            if pattern.search(line):
                yield number

    return rule


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its proof: it finds `bad` and lets `good` pass, both read as the file at `path`."""

    check: Callable[[Source], Lines]
    path: str
    bad: tuple[str, ...]
    good: tuple[str, ...]


RULES = {
    "imports go one way": Rule(
        imports_go_one_way,
        "terminal/payment.py",
        bad=("import host_switch.switch", "from simulators import issuer", "from iso8583.tlv import _length"),
        good=("from terminal import _private", "from iso8583 import Message", "from __future__ import annotations"),
    ),
    "libraries import nothing of ours": Rule(
        imports_go_one_way,
        "iso8583/frame.py",
        bad=("def late():\n    import firmware_config",),
        good=("from iso8583.tlv import parse_tlv",),
    ),
    "cores import no shell": Rule(
        cores_import_no_shell,
        "terminal/payment.py",
        bad=("import time", "from asyncio import sleep", "import terminal.runner", "from terminal import journal"),
        good=("from terminal import events", "from terminal.devices import Health", "import iso8583", "import re"),
    ),
    "cores are pure": Rule(
        cores_are_pure,
        "host_switch/switch.py",
        bad=("async def f(): ...", "datetime.now(UTC)", "open('x')", "date.today()"),
        good=("def decide(now): return now", "Opened(now)"),
    ),
    "chance only in simulations": Rule(
        chance_only_in_simulations,
        "terminal/host_link.py",
        bad=("import random", "from random import choice"),
        good=("import secrets",),
    ),
    "money is never float": Rule(
        money_is_never_float,
        "terminal/risk.py",
        bad=(
            *("half = amount / 2", "amount * 1.06", "total_amount = 2.0", "float(self.amount)", "x.amount > 0.5"),
            *("def f(amount: float): ...", "amount: float | None = None", "f(amount=1.5)"),
        ),
        good=("half = amount // 2", "amount: int = 0", "delay_s: float = 0.5", "divmod(amount, 100)", "wait_s / 2"),
    ),
    "no unsafe calls": Rule(
        no_unsafe_calls,
        "terminal/journal.py",
        bad=("import pickle", "from marshal import loads", "eval('1')", "run('ls', shell=True)", "os.system('ls')"),
        good=("literal_eval('1')", "run(['ls'], shell=False)", "connection.exec('x')"),
    ),
    "MACs are compared in constant time": Rule(
        macs_are_compared_in_constant_time,
        "host_switch/switch.py",
        bad=("mac == other", "other != message.mac", "sm4_mac(key, data) == b''", "request.arqc == computed"),
        good=("compare_digest(mac, other)", "event.mac == 'good'", "len(mac) == 8", "mac is None"),
    ),
    "broad except only at the last line": Rule(
        broad_except_only_at_the_last_line,
        "terminal/runner.py",
        bad=("try: x\nexcept Exception: y", "try: x\nexcept (OSError, BaseException): y", "try: x\nexcept: y"),
        good=("try: x\nexcept OSError: y", "try: x\nexcept (OSError, CardException): y"),
    ),
    "prints only to people": Rule(
        prints_only_to_people, "terminal/runner.py", bad=("print('x')",), good=("Print(key)", "printer.print(job)")
    ),
    "names say something": Rule(names_say_something, "terminal/utils.py", bad=("",), good=()),
    "files are short": Rule(
        files_are_short, "terminal/x.py", bad=("x = 1\n" * (FILE_LINES_MAX + 1),), good=("x = 1\n" * FILE_LINES_MAX,)
    ),
    "functions are short": Rule(
        functions_are_short,
        "terminal/x.py",
        bad=("def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX,),
        good=(
            "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1),
            'def f():\n    """' + "word\n" * FUNCTION_LINES_MAX + '"""',
        ),
    ),
    "identifiers are ASCII": Rule(
        identifiers_are_ascii,
        "terminal/x.py",
        bad=("p\u0430n = 1", "def 金额(): ...", "f(\uff41mount=1)"),  # a Cyrillic a, a full-width a
        good=("name = '金额'",),
    ),
    "nothing is left unfinished": Rule(
        _lines_with(UNFINISHED), "docs/x.md", bad=("# TO" + "DO later", "FIX" + "ME"), good=("what is to do", "todos")
    ),
    "no machine's paths": Rule(
        _lines_with(MACHINE_PATH),
        "docs/x.md",
        bad=("see /work" + "/main", "'/home" + "/me/x'", "cd /root" + "/x"),
        good=("docs/work" + "/x", "the host/root" + "/x", "https://example.org/home" + "/x"),
    ),
    "nothing points outside": Rule(
        _lines_with(OUTSIDE),
        "docs/x.md",
        bad=("../shared" + "/design.md", "see shared" + "/style.md"),
        good=("a time-shared/cut link",),
    ),
    "no package index is named": Rule(
        _lines_with(INDEX_ADDRESS),
        "requirements.lock",
        bad=("--index" + "-url x", "https://example.org/" + "simple/", "--find" + "-links ./wheels"),
        good=("simple/complex", "a simple rule", "index of urls"),
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_tree_keeps_the_rule(rule: Rule) -> None:
    assert [f"{source.path}:{line}" for source in sources() for line in rule.check(source)] == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_rule_finds_each_planted_offence_and_no_innocent(rule: Rule) -> None:
    assert [text for text in rule.bad if not list(rule.check(Source(rule.path, text)))] == []
    assert [text for text in rule.good if list(rule.check(Source(rule.path, text)))] == []


def test_every_package_on_disk_is_shipped_and_no_other() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    shipped = MAY_IMPORT.keys() - {"bench", "tillgate"}
    inits = [source.path for source in sources() if source.package in shipped and source.path.endswith("/__init__.py")]
    found = {path.removesuffix("/__init__.py").replace("/", ".") for path in inits}
    assert listed == sorted(found)


@pytest.mark.parametrize("patterns", [SHELLS, PORTS, BROAD_EXCEPT, PRINTS, CHANCE, LONG_TABLES])
def test_no_exception_outlives_its_file(patterns: tuple[str, ...]) -> None:
    assert [pattern for pattern in patterns if not any(source.matches((pattern,)) for source in sources())] == []
