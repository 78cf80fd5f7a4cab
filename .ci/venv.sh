#!/usr/bin/env bash
# Makes the virtual environment $1 with the first Python from 3.11 on that can. Where Debian's python3-venv is missing,
# root gets it installed and others are told the one line to type.
set -euo pipefail

venv=$1
system_packages=$(dirname "${BASH_SOURCE[0]}")/../tests/system_packages.sh

first_python_with() {  # prints the first interpreter from 3.11 on for which the statement $1 runs
    local python
    for python in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if "$python" -c "import sys; assert sys.version_info >= (3, 11); $1" 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

if ! python=$(first_python_with 'import ensurepip'); then
    # Debian splits ensurepip off, one package for each version; python3-venv brings it for the default version.
    python=$(first_python_with 'pass') || python=python3
    version=$("$python" -c 'import sys; print(f"3.{sys.version_info.minor}")' 2>/dev/null) || version=3
    "$system_packages" "python$version-venv"
    python=$(first_python_with 'import ensurepip') || {
        echo "需要 Python 3.11 或更新版本 / Tillgate needs Python 3.11 or newer; this system's packages have none." >&2
        exit 1
    }
fi
echo "Making $venv with $("$python" --version)"
"$python" -m venv --clear "$venv"
