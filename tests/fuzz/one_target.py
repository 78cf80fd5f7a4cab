"""One target under atheris, in a process of its own, because a run of libFuzzer ends its process.

    python -m tests.fuzz.one_target decode-unionpay_pos 500000 build/fuzz/decode-unionpay_pos

It says on standard output how many executions there were, from time to time and when it is done. An input that the
target raises on is told on standard error and kept in the folder; to see it again: `... NAME 0 FOLDER/crash-…`.
"""

import os
import sys
from pathlib import Path
from typing import Final

import atheris

INSTRUMENTED: Final = (
    *("iso8583", "paycode", "host_switch.envelopes"),
    *("terminal.devices", "terminal.emv", "terminal.magnetic_stripe"),
)

with atheris.instrument_imports(include=list(INSTRUMENTED)):
    from tests.fuzz.targets import targets

TOLD_EVERY: Final = 10_000
OPTIONS: Final = ("-seed=1", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=0")


def main() -> None:
    """Run the target on seeds and what is made of them, or once on one input."""
    name, executions, place = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    target = targets()[name]
    if not executions:
        target.run(place.read_bytes())
        return
    corpus = place / "corpus"
    corpus.mkdir(parents=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number:03d}").write_bytes(seed)
    done = 0

    def once(data: bytes) -> None:
        nonlocal done
        target.run(data)
        done += 1
        if done % TOLD_EVERY == 0 or done == executions:
            print(done, flush=True)
        if done == executions:
            os._exit(0)

    atheris.Setup([name, *OPTIONS, f"-max_len={target.longest}", f"-artifact_prefix={place}/", str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
