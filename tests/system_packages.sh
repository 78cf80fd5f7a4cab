#!/usr/bin/env bash
# Debian packages that `make test` needs. As root on Debian the missing ones are installed; otherwise one line names
# them and the exit code is 1. With arguments: the same for the packages named there instead.
set -euo pipefail

TEST_PACKAGES=(
    chromium          # pages are tested in a real browser
    gcc               # pyscard has no wheel for Linux: pip builds it
    libc6-dev
    libpcsclite-dev
    python3-dev
    espeak-ng         # results are said aloud
    fonts-wqy-zenhei  # Chinese on those pages
    pcscd             # the card reader is tested on the real PC/SC service
    vsmartcard-vpcd   # with a virtual reader
    mosquitto         # the broker that carries offline sales
    tshark            # Wireshark's dissector reads our ISO 8583 messages
)

wanted=("$@")
(($#)) || wanted=("${TEST_PACKAGES[@]}")

missing=()
for package in "${wanted[@]}"; do
    [[ $(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null) == *' installed' ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

if ((EUID)) || ! command -v apt-get >/dev/null; then
    echo "缺少系统软件包 / Missing system packages. Type: sudo apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}"
