"""The codes on the phone are what a scanner reads: checked by decoders that are not ours."""

from io import BytesIO

import pytest
from PIL import Image

from simulators.wallet.pictures import QUIET_MODULES, code128_modules, code128_path, grouped, png, qr_path

CODE = "771097897899548347425322"
SIGNED = "TG1:" + "ABCD EFGH$%*+-./:" * 20


def decoded(picture: Image.Image) -> dict[str, str]:
    """What zxing reads, by format."""
    zxingcpp = pytest.importorskip("zxingcpp")
    return {str(found.format).replace(" ", ""): found.text for found in zxingcpp.read_barcodes(picture)}


def test_digits_are_drawn_as_both_kinds_of_code() -> None:
    found = decoded(Image.open(BytesIO(png(CODE, "有效至 valid until 12:00:00"))))
    assert sorted(found.values()) == [CODE, CODE]
    assert len(found) == 2


def test_a_signed_code_is_drawn_as_a_qr_code() -> None:
    assert list(decoded(Image.open(BytesIO(png(SIGNED, "x")))).values()) == [SIGNED]


@pytest.mark.parametrize("digits", [CODE, "00" * 12, "99" * 12, *(f"{pair:02d}" * 2 for pair in range(100))])
def test_every_pair_of_digits_has_its_bars(digits: str) -> None:
    modules = code128_modules(digits)
    assert len(modules) == 11 * (len(digits) // 2 + 2) + 13
    quiet = [False] * QUIET_MODULES
    row = bytes(0 if dark else 255 for dark in (*quiet, *modules, *quiet))
    picture = Image.frombytes("L", (len(row), 1), row).resize((3 * len(row), 60), Image.Resampling.NEAREST)
    assert list(decoded(picture).values()) == [digits]


@pytest.mark.parametrize("text", ["123", "12a4", "１２"])
def test_other_texts_are_not_of_this_code_set(text: str) -> None:
    with pytest.raises(ValueError, match="even number"):
        code128_modules(text)


def test_paths_say_how_large_they_are() -> None:
    size, path = qr_path(CODE).split("|")
    assert int(size) == 21 and path.startswith("M0 0h1v1h-1z")
    width, path = code128_path(CODE).split("|")
    assert int(width) == 167 and path.startswith("M0 0h1v1h-1zM1 0")
    assert qr_path("") == ""


def test_digits_are_read_out_in_fours() -> None:
    assert grouped(CODE) == "7710 9789 7899 5483 4742 5322"
