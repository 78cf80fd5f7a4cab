"""A second reader of offline payment codes, written from docs/paycode.md alone: it shares no code with `paycode`.

It is as short as can be: plain cbor2 and cryptography, one function a kind, and the reason as text, or None.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256

from tests.paycode.plain_sm2 import verifies as sm2_verifies

Facts = dict[str, Any]


class No(Exception):
    """Refused, for the reason that is its text."""


def need(holds: object, reason: str) -> None:
    if not holds:
        raise No(reason)


# Digits --------------------------------------------------------------------------------------------------------------


def ff1_decrypted(key: bytes, tweak: bytes, digits: str) -> str:
    n, t = len(digits), len(tweak)
    u = n // 2
    v = n - u
    a, b = digits[:u], digits[u:]
    width = next(count for count in range(1, 30) if 256**count >= 10**v)
    d = 4 * ((width + 3) // 4) + 4
    p = bytes([1, 2, 1, 0, 0, 10, 10, u % 256]) + n.to_bytes(4, "big") + t.to_bytes(4, "big")
    for i in range(9, -1, -1):
        q = tweak + bytes((-t - width - 1) % 16) + bytes([i]) + int(a).to_bytes(width, "big")
        state = bytes(16)
        for at in range(0, len(p + q), 16):
            block = bytes(x ^ y for x, y in zip(state, (p + q)[at : at + 16], strict=True))
            state = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)
        m = u if i % 2 == 0 else v
        c = (int(b) - int.from_bytes(state[:d], "big")) % 10**m
        a, b = str(c).zfill(m), a
    return a + b


def password(seed: bytes, handle: str, step: int) -> str:
    mac = hmac.new(seed, handle.encode() + step.to_bytes(8, "big"), hashlib.sha256).digest()
    at = mac[31] & 15
    return str((int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF) % 1_000_000).zfill(6)


def digits(code: str, now: int, issuer: Facts, case: Facts) -> str | None:
    try:
        need(sum(at > now - 3_600 for at in case["terminal_failed_at"]) < 30, "terminal_locked")
        need(code[:4] == issuer["prefix"], "issuer_unknown")
        plain = ff1_decrypted(bytes.fromhex(issuer["issuer_key"]), code[:4].encode(), code[4:18])
        need(int(plain[:10]) == issuer["user"], "user_unknown")
        slot, (first, end), seed = int(plain[10:]), issuer["slots"], bytes.fromhex(issuer["seed"])
        need(first <= slot < end, "slot_not_issued")
        need(sum(at > now - 3_600 for at in case["user_failed_at"]) < 5, "user_locked")
        need(now - issuer["refreshed_at"] <= 604_800, "seed_too_old")
        need(issuer["refreshed_at"] - now <= 30, "seed_future")
        need(slot not in case["used"], "slot_used")
        late = [late for late in range(-21, 22) if password(seed, code[4:18], now // 30 - late) == code[18:]]
        need(late, "password_wrong")
        nearest = min(late, key=abs)
        need(nearest <= 1, "expired")
        need(nearest >= -1, "future")
    except No as refusal:
        return str(refusal)
    return None


# Signed codes --------------------------------------------------------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def base45(text: str) -> bytes:
    need(set(text) <= set(ALPHABET) and len(text) % 3 != 1, "text_broken")
    data = b""
    for at in range(0, len(text), 3):
        values = [ALPHABET.index(character) for character in text[at : at + 3]]
        number = sum(value * 45**power for power, value in enumerate(values))
        need(number < 256 ** (len(values) - 1), "text_broken")
        data += number.to_bytes(len(values) - 1, "big")
    return data


def item(data: bytes) -> Any:
    try:
        found = cbor2.loads(data, allow_indefinite=False, allow_duplicate_keys=False, max_depth=3)
    except cbor2.CBORError:
        raise No("cbor_broken") from None
    need(cbor2.dumps(found, canonical=True) == data, "cbor_ambiguous")
    return found


def fields(data: bytes, needed: dict[int, type], optional: dict[int, type]) -> Facts:
    found = item(data)
    need(isinstance(found, dict), "fields_wrong")
    for label, value in found.items():
        kind = (needed | optional).get(label)
        need(kind and type(label) is int, "critical_unknown")
        need(type(value) is kind and (not isinstance(value, int) or abs(value) < 2**53), "fields_wrong")
    need(needed.keys() <= found.keys(), "fields_wrong")
    return {str(label): value for label, value in found.items()}


def opened(data: bytes) -> tuple[Facts, bytes, bytes, bytes]:
    array = item(data)
    need(isinstance(array, list) and len(array) == 4 and array[1] == {}, "fields_wrong")
    header, _, payload, signature = array
    need(type(header) is type(payload) is type(signature) is bytes, "fields_wrong")
    said = fields(header, {1: int}, {4: bytes})
    need(said["1"] in {-7, -8}, "algorithm_unknown")
    need(len(said.get("4", b"")) <= 8, "fields_wrong")
    need(signature, "unsigned")
    need(len(signature) == 64, "fields_wrong")
    return said, header, payload, signature


def verify(algorithm: int, key: bytes, context: bytes, parts: tuple[Facts, bytes, bytes, bytes], reason: str) -> None:
    said, header, payload, signature = parts
    need(said["1"] == algorithm, "algorithm_other")
    signed = cbor2.dumps(["Signature1", header, context, payload])
    try:
        if algorithm == -8:
            ed25519.Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
        else:
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
            point.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise No(reason) from None


def signed(code: str, case: Facts, issuer: Facts, seen: dict[int, bytes]) -> tuple[str | None, Facts]:
    """The reason, or what the code says. `seen` are the counters of its key that were accepted, with their payloads."""
    try:
        need(len(code) <= 454, "too_long")
        message = opened(base45(code.removeprefix("TG1:")))
        said = fields(message[2], {1: bytes, 2: int, 3: int}, {4: int, 5: str})
        certificate = opened(said["1"])
        need(certificate[0].get("4", b"").hex() == issuer["key_id"], "issuer_unknown")
        terms = fields(certificate[2], {1: list, 2: int, 3: int, 4: int, 5: int}, {})
        issuer_key = bytes.fromhex(issuer["public_key"])
        verify(issuer["algorithm"], issuer_key, b"paycode 1 certificate", certificate, "certificate_forged")
        algorithm, key = terms["1"]
        verify(algorithm, key, b"paycode 1 code", message, "signature_wrong")
        now, time = case["now"], said["3"]
        need(now <= terms["3"], "certificate_expired")
        need(now + 20 >= terms["2"], "certificate_future")
        need(time <= now + 20, "future")
        need(now <= time + 80, "expired")
        need(case["currency"] == terms["4"], "currency_other")
        need(case["amount"] <= terms["5"], "over_limit")
        need(said.get("4", case["amount"]) == case["amount"], "amount_other")
        need(said.get("5", case["merchant"]) == case["merchant"], "merchant_other")
        counter = said["2"]
        need(seen.get(counter, message[2]) == message[2], "double_spent")
        need(counter not in seen, "replayed")
        need(all(counter > earlier for earlier in seen), "counter_backwards")
    except No as refusal:
        return str(refusal), {}
    seen[counter] = message[2]
    names = {"counter": said["2"], "time": time, "amount": said.get("4"), "merchant": said.get("5")}
    return None, {"key": key.hex(), **names}


# Transit codes -------------------------------------------------------------------------------------------------------


def month_is_over(expiry: bytes, now: int) -> bool:
    month, year = int(expiry[:1].hex()), 2000 + int(expiry[1:].hex())
    there = datetime.fromtimestamp(now + 8 * 3_600, UTC)  # as clocks in Beijing show it
    return (there.year, there.month) > (year, month)


def transit(code: bytes, root_record: bytes, case: Facts, golden: bytes) -> str | None:
    def number(start: int, end: int) -> int:
        return int.from_bytes(code[start:end], "big")

    try:
        custom = code[197]
        need(code[0] == 0x81 and len(code) == 332 + custom == number(1, 3) + 3, "length_wrong")
        certificate, end, now = code[3:120], 198 + custom, case["now"]
        need(certificate[0] == 0x24 and certificate[6] == 0x12, "certificate_wrong")
        need(certificate[16:20] == bytes.fromhex("04040021"), "certificate_wrong")
        need(not month_is_over(certificate[11:13], now), "certificate_expired")
        need(certificate[1:6] == root_record[1:5] + root_record[10:11], "root_unknown")
        need(not month_is_over(root_record[11:13], now), "root_expired")
        root = root_record[16:80]
        need(sm2_verifies(root, certificate[53:], certificate[6:53]), "certificate_forged")
        need(
            code[120:136].decode("latin-1").isascii() and code[120:136].decode("latin-1").isprintable(),
            "account_unprintable",
        )
        need(code[154], "account_type_zero")
        need(number(191, 195) > now, "authorisation_expired")
        need(custom <= 32, "custom_data_too_long")
        validity_s, made_at = number(195, 197), number(end + 65, end + 69)
        need(validity_s <= 1_200, "validity_too_long")
        need(made_at <= now + 20, "future")
        need(now <= made_at + validity_s, "expired")
        need(
            code[end] == 0x15 and sm2_verifies(certificate[20:53], code[end + 1 : end + 65], code[3:end]),
            "issuer_signature_wrong",
        )
        need(code[-65] == 0x15 and sm2_verifies(code[158:191], code[-64:], code[:-65]), "signature_wrong")
        pause_s = now - case["passed_at"] if case["passed_at"] is not None else 10**9
        need(pause_s >= 3, "shown_again")
        need(not (case["seen"] and code == golden), "replayed")
        need(pause_s >= 60, "passed_back")
        need(case["fare"] <= number(155, 158), "over_limit")
        was_in = case["passed_at"] is not None and case["last_gate"] == "in"
        need({"in": not was_in, "out": was_in, "ride": True}[case["gate"]], "gate_order")
    except No as refusal:
        return str(refusal)
    return None


# Lists ---------------------------------------------------------------------------------------------------------------


def fingerprint(name: str, entry: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\0" + entry).hexdigest()[:12]


def list_after(delta: bytes, version: int, present: set[str], key: bytes) -> tuple[int, set[str]]:
    parts = opened(delta)
    verify(-7, key, b"paycode 1 list", parts, "signature_wrong")
    said = fields(parts[2], {1: str, 2: int, 3: int, 4: bytes, 5: bytes, 6: bytes}, {})
    need(said["2"] == version < said["3"], "version")
    added, removed = ({said[label].hex()[at : at + 12] for at in range(0, 2 * len(said[label]), 12)} for label in "45")
    after = (present | added) - removed
    need(hashlib.sha256(bytes.fromhex("".join(sorted(after)))).digest() == said["6"], "digest")
    return said["3"], after
