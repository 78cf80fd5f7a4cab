"""What a machine without the needed system packages is told, on stand-ins for Debian's own tools."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SYSTEM_PACKAGES = ROOT / "tests" / "system_packages.sh"
MAKE_VENV = ROOT / ".ci" / "venv.sh"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The only folder on PATH: a dpkg that knows chromium alone, and no apt-get, so that nothing is ever installed."""
    (tmp_path / "bin").mkdir()
    put(tmp_path / "bin", "dpkg-query", '[[ ${!#} == chromium ]] && printf "install ok installed"')
    for tool in ("bash", "dirname"):
        (tmp_path / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
    return tmp_path / "bin"


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/bash\n{script}\n")
    (folder / name).chmod(0o755)


def run(path: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(path), "PYTHON": ""}
    return subprocess.run(["/bin/bash", *command], env=environment, capture_output=True, text=True, check=False)


def test_missing_packages_are_named_in_one_line(path: Path) -> None:
    done = run(path, SYSTEM_PACKAGES)
    assert done.returncode == 1
    missing = "gcc libc6-dev libpcsclite-dev python3-dev espeak-ng fonts-wqy-zenhei pcscd vsmartcard-vpcd"
    assert done.stderr.endswith(f"Type: sudo apt-get install {missing} mosquitto tshark\n")
    assert done.stderr.count("\n") == 1


def test_nothing_is_said_when_nothing_is_missing(path: Path) -> None:
    done = run(path, SYSTEM_PACKAGES, "chromium")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_python_without_ensurepip_gets_the_one_line_to_type(path: Path, tmp_path: Path) -> None:
    crippled = f'[[ $* == *ensurepip* ]] && exit 1; exec {sys.executable} "$@"'
    put(path, "python3", crippled)
    done = run(path, MAKE_VENV, tmp_path / "venv")
    assert done.returncode == 1
    assert done.stderr.endswith(f"sudo apt-get install python3.{sys.version_info.minor}-venv\n")
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("python", ["exit 127", 'echo "3.9"; exit 1'])
def test_no_python_or_an_old_one_gets_the_one_line_to_type(python: str, path: Path, tmp_path: Path) -> None:
    put(path, "python3", python)
    done = run(path, MAKE_VENV, tmp_path / "venv")
    assert done.returncode == 1
    assert "sudo apt-get install python3" in done.stderr


def test_the_first_python_that_can_makes_the_environment(path: Path, tmp_path: Path) -> None:
    put(path, "python3.11", "exit 1")
    put(path, "python3.12", f'[[ $1 == -m ]] && echo "$@" >{tmp_path}/made; exec {sys.executable} -c pass')
    done = run(path, MAKE_VENV, tmp_path / "venv")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "made").read_text() == f"-m venv --clear {tmp_path}/venv\n"


@pytest.mark.parametrize(("found", "lock"), [("/sbin/mosquitto", "requirements.lock"), ("", "requirements-demo.lock")])
def test_a_demo_without_mosquitto_installs_what_stands_in_for_it(found: str, lock: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-demo.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "pip").touch()
    dry_run = ["make", "--dry-run", "demo", f"MOSQUITTO={found}"]
    done = subprocess.run(dry_run, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"--require-hashes -r {lock} " in done.stdout
