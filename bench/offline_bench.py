"""`make bench-offline`: codes to verify, a list of ten million, a line that dies, a million sales that wait.

    python -m bench.offline_bench [--quick]

Signed codes are verified as a terminal does it, from the scanned text to what must be remembered, and in the same run
the same signatures by `cryptography` alone, its keys loaded: once with codes of known customers, whose certificate was
verified before (one signature), once with customers who come for the first time (two). Times are of the processor, the
best of several rounds, for other programs disturb. Then digits, transit codes, and the list of revoked keys. Then the
line between a real terminal and its host goes bad (`offline_line.py`). At last sales without the bank: what one more
takes when a million wait (`offline_queue.py`), and whether ten thousand of a week come to the bank once and in order
(`simulators/outage.py`). Then through a broker: how fast, and what is lost when that is killed (`courier_bench.py`).

Progress goes to standard error, the line of figures to standard output. --quick is a small part of everything without a
judgement, for tests and for trying things out.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import paycode
from bench import courier_bench, figures, offline_line, offline_queue
from paycode import Trust, base45, digits, signed, sm2, transit
from paycode.cose import PrivateKey, PublicKey, parse, public_key_of
from paycode.lists import ENTRIES_MAX, FINGERPRINT_BYTES, CompactList, apply, publish
from paycode.signed import Issuers, Memory, Payment, SignedTrust, SignedWallet, Terms
from simulators.bad_line import FAULTS
from simulators.outage import outage

COMMAND: Final = "bench-offline"
NOW: Final = 1_767_225_600
KEY_ID: Final = b"\x01\x02\x03\x04"
PAYMENT: Final = Payment(2_500, 156, "898110053110001")
TERMS: Final = Terms(NOW, NOW + 86_400, 156, 20_000)
CODES_OF_A_CUSTOMER: Final = 4

Figures = dict[str, figures.Figure]


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything."""

    customers: int
    rounds: int
    entries: int
    look_ups: int
    line_rounds: int
    line_faults: Sequence[str]
    echoes_s: float
    queued: int
    queued_measured: int
    outage_sales: int
    outage_batch: int
    courier: courier_bench.Extent


FULL: Final = Extent(200, 15, ENTRIES_MAX, 100_000, 6, FAULTS, 4.0, 1_000_000, 2_000, 10_000, 900, courier_bench.FULL)
QUICK: Final = Extent(
    3, 2, 10_000, 1_000, 1, FAULTS[:1], 0.3, 3_000, 100, 60, 10, courier_bench.QUICK
)  # fmt: skip


def main() -> int:
    """Measure, tell, judge."""
    parser = argparse.ArgumentParser(prog="python -m bench.offline_bench", description="Measure what is sold offline.")
    parser.add_argument("--quick", action="store_true", help="a small part of everything; nothing is judged or kept")
    quick = parser.parse_args().quick
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began, load = time.perf_counter(), os.getloadavg()[0]
    found = measure(QUICK if quick else FULL) | {"load_of_others": round(load, 1)}
    if quick:
        print(json.dumps(found))
        return 0
    return figures.report(COMMAND, found, time.perf_counter() - began)


def measure(extent: Extent) -> Figures:
    """Measure everything."""
    found = Figures()
    for name, made in KEYS.items():
        _tell(f"signed codes: {name}")
        found |= signed_codes(name, made, extent)
    _tell("digits and transit codes")
    found |= other_codes(extent)
    _tell(f"a list of {extent.entries:,} entries")
    found |= revocation(extent)
    _tell("a line that goes bad")
    with tempfile.TemporaryDirectory(prefix="tillgate-bench-") as folder:
        found |= offline_line.measure(Path(folder), extent.line_rounds, extent.echoes_s, extent.line_faults)
    _tell(f"a queue of {extent.queued:,} offline sales")
    found |= offline_queue.measure(extent.queued, extent.queued_measured)
    _tell(f"a week without the bank, {extent.outage_sales:,} sales")
    found |= a_week(extent)
    return found | courier_bench.measured(extent.courier)


def a_week(extent: Extent) -> Figures:
    """What became of the sales of a week without the bank; drained with terminal, host and issuer on one core."""
    caught = outage(extent.outage_sales, extent.outage_batch)
    for finding in caught.findings:
        _tell(f"VIOLATION: {finding}")
    return {
        "outage_sales": caught.sales,
        "outage_batches": caught.batches,
        "outage_deaths": caught.deaths,
        "outage_declined": caught.declined,
        "outage_lost": caught.lost,
        "outage_doubled": caught.doubled,
        "outage_out_of_order": caught.out_of_order,
        "outage_violations": len(caught.findings),
        "drained_per_s": round(caught.sales / caught.caught_up_s),
    }


def _tell(progress: str) -> None:
    print(progress, file=sys.stderr, flush=True)


def best_s(once: Callable[[], None], rounds: int) -> float:
    """Processor time of the round that was least disturbed."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        once()
        times.append(time.process_time() - began)
    return min(times)


# Signed codes --------------------------------------------------------------------------------------------------------


def _es256(number: int) -> PrivateKey:
    return ec.derive_private_key(number + 1, ec.SECP256R1())


def _ed25519(number: int) -> PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(b"%d" % number).digest())


KEYS: Final[dict[str, Callable[[int], PrivateKey]]] = {"es256": _es256, "ed25519": _ed25519}
Signature = tuple[PublicKey, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Visits:
    """Codes of many customers, and the same signatures alone: of the codes, and of the customers' certificates."""

    issuer: PublicKey
    codes: Sequence[str]
    of_codes: Sequence[Signature]
    of_certificates: Sequence[Signature]


def visits(made: Callable[[int], PrivateKey], customers: int) -> Visits:
    """Let each customer show some codes; issuer's and customers' keys are of one kind."""
    issuer, codes, of_codes, of_certificates = made(0), list[str](), list[Signature](), list[Signature]()
    for number in range(1, customers + 1):
        key = made(number)
        wallet = SignedWallet(signed.certify(issuer, KEY_ID, public_key_of(key), TERMS), key)
        message = parse(wallet.certificate, signed.CERTIFICATE_CONTEXT)
        of_certificates.append((public_key_of(issuer), message.signature, message.signed))
        for _ in range(CODES_OF_A_CUSTOMER):
            code, wallet = paycode.issue(wallet, NOW, PAYMENT.amount, PAYMENT.merchant)
            message = parse(base45.decode(code.removeprefix(signed.PREFIX)), signed.CODE_CONTEXT)
            codes.append(code)
            of_codes.append((public_key_of(key), message.signature, message.signed))
    return Visits(public_key_of(issuer), codes, of_codes, of_certificates)


def signed_codes(name: str, made: Callable[[int], PrivateKey], extent: Extent) -> Figures:
    """Codes per second, and their share of what the bare signatures reach."""
    shown = visits(made, extent.customers)
    known = Issuers({KEY_ID: shown.issuer})
    first = shown.codes[::CODES_OF_A_CUSTOMER]
    of_first = [*shown.of_certificates, *shown.of_codes[::CODES_OF_A_CUSTOMER]]
    _verify(first, known)
    ours_s = bare_s = ours_first_s = bare_first_s = float("inf")
    for _ in range(extent.rounds):  # in turns, so that both have the same weather
        ours_s = min(ours_s, best_s(lambda: _verify(shown.codes, known), 1))
        bare_s = min(bare_s, best_s(lambda: _bare(shown.of_codes), 1))
        ours_first_s = min(ours_first_s, best_s(lambda: _verify(first, Issuers({KEY_ID: shown.issuer})), 1))
        bare_first_s = min(bare_first_s, best_s(lambda: _bare(of_first), 1))
    return {
        f"{name}_codes_per_s": round(len(shown.codes) / ours_s),
        f"{name}_ratio_to_bare": round(bare_s / ours_s, 3),
        f"{name}_first_visits_per_s": round(len(first) / ours_first_s),
        f"{name}_first_visit_ratio_to_bare": round(bare_first_s / ours_first_s, 3),
    }


def _verify(codes: Sequence[str], issuers: Issuers) -> None:
    memory = Memory()
    trust = Trust(signed=SignedTrust(issuers, PAYMENT, memory))
    for code in codes:
        verdict = paycode.verify(code, NOW, trust)
        assert isinstance(verdict.facts, signed.Seen)
        memory.remember(verdict.facts)


def _bare(signatures: Sequence[Signature]) -> None:
    for key, signature, data in signatures:
        key.verify(signature, data)


# Digits and transit codes --------------------------------------------------------------------------------------------


def other_codes(extent: Extent) -> Figures:
    """Times of one code in milliseconds."""
    issuer = ("7710", bytes(16))
    wallet, user = digits.refresh(issuer, 1, range(1), bytes(32), NOW)
    code, _ = paycode.issue(wallet, NOW)
    trust = Trust(digits=digits.DigitTrust(dict([issuer]), {1: user}))
    digits_s = best_s(lambda: _accept(code, trust), extent.rounds)

    vectors = json.loads((figures.ROOT / "tests" / "vectors" / "paycode.json").read_text("utf-8"))["transit"]
    shown = bytes.fromhex(vectors["code"])
    keys = {(shown[4:8], shown[8]): transit.RootKey(sm2.point(bytes.fromhex(vectors["root_public_key"])), NOW + 1)}

    def gate(roots: transit.Roots) -> Trust:
        return Trust(transit=transit.TransitTrust(roots, transit.Ride(200), {}))

    known = transit.Roots(keys)
    first_s = best_s(lambda: _accept(shown, gate(transit.Roots(keys))), extent.rounds)
    known_s = min(best_s(lambda: _accept(shown, gate(known)), extent.rounds + 1), first_s)
    times_s = {"digits_ms": digits_s, "transit_ms": known_s, "transit_first_visit_ms": first_s}
    return {name: round(1e3 * time_s, 3) for name, time_s in times_s.items()}


def _accept(code: str | bytes, trust: Trust) -> None:
    assert paycode.verify(code, NOW, trust).accepted


# The list ------------------------------------------------------------------------------------------------------------


def revocation(extent: Extent) -> Figures:
    """Memory, look-ups of entries on the list and not on it, mistakes both ways, and a delta of a thousand."""
    key, listed = _ed25519(0), big_list(extent.entries - 1_000)
    present = [b"on the list %d" % number for number in range(1_000)]
    delta, _ = publish(key, listed, present)
    began = time.process_time()
    current = apply(delta, listed, public_key_of(key))
    delta_s = time.process_time() - began
    absent = [b"not on it %d" % number for number in range(extent.look_ups)]
    asked = [*present, *absent]
    found = list[bool]()
    look_up_s = best_s(lambda: found.extend(entry in current for entry in asked), 1) / len(asked)
    return {
        "list_entries": len(current),
        "list_mib": round(len(current.fingerprints) / 2**20, 1),
        "list_look_up_us": round(1e6 * look_up_s, 2),
        "list_missed": found[: len(present)].count(False),
        "list_false_hits": found[len(present) :].count(True),
        "list_delta_ms": round(1e3 * delta_s, 1),
    }


def big_list(entries: int) -> CompactList:
    """A list as long as asked for, its fingerprints spread as those of a real one are."""
    chance, step = random.Random(1), 2 ** (8 * FINGERPRINT_BYTES) // entries
    fingerprints = bytearray()
    for number in range(entries):
        fingerprints += (number * step + chance.randrange(step)).to_bytes(FINGERPRINT_BYTES, "big")
    return CompactList("revoked", 1, bytes(fingerprints))


if __name__ == "__main__":
    sys.exit(main())
