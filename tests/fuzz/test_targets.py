"""The targets of `make fuzz` on what they start from: a slice of it without atheris, and proof that they notice."""

from random import Random

import pytest

from iso8583 import tlv
from iso8583.framing import FrameBuffer
from iso8583.reference import ReferenceCodec
from tests.fuzz import targets as module
from tests.fuzz.targets import targets

TARGETS = targets()
KEYS: dict[int, bytes] = {}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_content_with_its_seeds_and_with_damaged_ones(name: str) -> None:
    target, chance = TARGETS[name], Random(name)
    assert target.seeds
    for seed in target.seeds:
        target.run(seed)
        for _ in range(20):
            data = bytearray(seed)
            data[chance.randrange(len(data))] = chance.randrange(256)
            target.run(bytes(data))
            target.run(seed[: chance.randrange(len(seed))])
    target.run(b"")


@pytest.mark.parametrize("name", TARGETS)
def test_what_takes_a_parser_long_comes_in_any_size(name: str) -> None:
    target = TARGETS[name]
    small, large = target.swollen(500), target.swollen(4000)
    assert len(small) == len(large)
    assert sum(map(len, small)) < sum(map(len, large))
    for data in small + large:
        target.run(data)


def test_targets_notice_another_exception_and_another_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = TARGETS["ber-tlv"].seeds[0]
    monkeypatch.setattr(module, "build_tlv", lambda objects: tlv.build_tlv(objects) + b"\0")
    with pytest.raises(AssertionError):
        TARGETS["ber-tlv"].run(chip)
    monkeypatch.setattr(module, "parse_tlv", lambda _data: KEYS[0])
    with pytest.raises(KeyError):
        TARGETS["ber-tlv"].run(chip)


def test_the_framing_target_notices_frames_that_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    right = FrameBuffer.receive
    monkeypatch.setattr(FrameBuffer, "receive", lambda self, data: right(self, data if len(data) > 1 else data + data))
    with pytest.raises(AssertionError):
        TARGETS["framing"].run(TARGETS["framing"].seeds[0])


def test_the_dialect_targets_notice_paths_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    target = targets()["decode-unionpay_pos"]
    target.run(target.seeds[0])
    right = ReferenceCodec.decode
    monkeypatch.setattr(ReferenceCodec, "decode", lambda self, wire: right(self, wire).with_({3: "000001"}))
    with pytest.raises(AssertionError):
        target.run(target.seeds[0])
