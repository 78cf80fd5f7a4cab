"""What a camera at the counter sees: a customer's code, spoiled in ten ways, or no code at all. Seeded.

Frames are 1280x720 grey values (`uint8`). With its quiet zone a pay code as QR is 280 to 420 pixels wide, as Code-128
620 to 840 (its narrowest bar 3.5 to 5.5), a payload of 300 bytes as QR 420 to 560: a phone a hand's breadth from the
lens. Whatever the degradation, the whole code is in the picture.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import qrcode
import zxingcpp
from numpy.random import Generator
from numpy.typing import NDArray
from qrcode.image.pil import PilImage

Frame = NDArray[np.uint8]

WIDTH, HEIGHT = 1280, 720
TILT_MAX_DEGREES = 30.0
"""Of Code-128, whose lines no decoder follows further; a QR code may lie at any angle."""

PAYLOAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class View:
    """How a code is held and seen; lengths in pixels, angles in degrees, grey values from 0 to 255."""

    side: float
    angle: float = 0.0
    keystone: float = 0.0
    blur: float = 0.0
    motion: int = 0
    noise: float = 0.0
    dark: tuple[int, int] | None = None
    glare: float = 0.0
    inverted: bool = False


Spoil = Callable[[View, float, Generator], View]


def _mixed(view: View, turn: float, chance: Generator) -> View:
    return replace(
        view,
        angle=0.6 * turn,
        keystone=0.08,
        blur=1.0,
        noise=12.0,
        dark=(40, 150),
        inverted=bool(chance.random() < 0.3),
    )


DEGRADATIONS: Mapping[str, Spoil] = {
    "rotation": lambda view, turn, _: replace(view, angle=turn),
    "blur 1.5": lambda view, _, __: replace(view, blur=1.5),
    "blur 2.5": lambda view, _, __: replace(view, blur=2.5),
    "motion": lambda view, _, __: replace(view, motion=7),
    "noise": lambda view, _, __: replace(view, noise=25.0),
    "perspective": lambda view, _, __: replace(view, keystone=0.15),
    "low light": lambda view, _, __: replace(view, dark=(8, 45), noise=2.0),
    "glare": lambda view, _, chance: replace(view, glare=float(chance.uniform(90, 170))),
    "inverted": lambda view, _, __: replace(view, inverted=True),
    "mixed": _mixed,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of code: how it is drawn, how wide it is seen, how far it may be turned, and what it may say."""

    draw: Callable[[str], Frame]
    side: tuple[float, float]
    turn: float
    content: Callable[[Generator], str]


def pay_code(chance: Generator) -> str:
    """A payment code of one of three wallets."""
    begins, length = (("62", 19), ("13", 18), ("28", 18))[int(chance.integers(3))]
    return begins + "".join(str(digit) for digit in chance.integers(0, 10, length - len(begins)))


def payload(chance: Generator) -> str:
    """A text of `PAYLOAD_BYTES` bytes, such as a merchant's code holds."""
    return "".join(chr(letter) for letter in chance.integers(0x21, 0x7F, PAYLOAD_BYTES))


@lru_cache(maxsize=256)
def draw_qr(content: str) -> Frame:
    """Draw a QR code, ten pixels to a module, with its quiet zone; error correction M."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=10, border=4)
    code.add_data(content)
    return np.asarray(code.make_image(PilImage).get_image().convert("L"), dtype=np.uint8)


@lru_cache(maxsize=256)
def draw_code128(content: str) -> Frame:
    """Draw a Code-128 of digits, six pixels to a module, with its quiet zone, a fifth as high as it is wide."""
    barcode = zxingcpp.create_barcode(content, zxingcpp.BarcodeFormat.Code128)
    row = np.asarray(zxingcpp.write_barcode_to_image(barcode, scale=6, add_quiet_zones=True))[4]
    bars = np.full((len(row) // 5 + 60, len(row)), 255, np.uint8)
    bars[30:-30] = row
    return bars


KINDS: Mapping[str, Kind] = {
    "qr": Kind(draw_qr, (280, 420), 180.0, pay_code),
    "code128": Kind(draw_code128, (620, 840), TILT_MAX_DEGREES, pay_code),
    "payload": Kind(draw_qr, (420, 560), 180.0, payload),
}


def degraded(kind: str, degradation: str, chance: Generator) -> tuple[str, Frame]:
    """Draw one frame; returns also what its code says."""
    what = KINDS[kind]
    content = what.content(chance)
    view = View(side=float(chance.uniform(*what.side)), angle=float(chance.uniform(-4, 4)))
    view = DEGRADATIONS[degradation](view, float(chance.uniform(-what.turn, what.turn)), chance)
    return content, seen(what.draw(content), view, chance)


def seen(code: Frame, view: View, chance: Generator) -> Frame:
    """A drawn code as the camera sees it, on a phone that somebody holds."""
    code = 255 - code if view.inverted else code
    frame = _surroundings(chance)
    grid = _placed(code.shape, view, chance)
    paper = cv2.warpPerspective(code, grid, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full_like(code, 255), grid, (WIDTH, HEIGHT))
    frame = np.where(mask > 127, paper, frame).astype(np.uint8)
    return _through_the_lens(frame, view, chance)


def without_code(chance: Generator) -> Frame:
    """A counter without a code: surfaces, print, stripes, grids and noise, some of it much like bars and modules."""
    frame = _surroundings(chance)
    for _ in range(int(chance.integers(1, 5))):
        patch = _PATCHES[int(chance.integers(len(_PATCHES)))](chance)
        view = View(side=float(chance.uniform(120, 600)), angle=float(chance.uniform(-180, 180)), keystone=0.1)
        grid = _placed(patch.shape, view, chance)
        seen_patch = cv2.warpPerspective(patch, grid, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
        mask = cv2.warpPerspective(np.full_like(patch, 255), grid, (WIDTH, HEIGHT))
        frame = np.where(mask > 127, seen_patch, frame).astype(np.uint8)
    view = View(side=0, blur=float(chance.uniform(0, 2)), noise=float(chance.uniform(0, 25)))
    return _through_the_lens(frame, view, chance)


def _surroundings(chance: Generator) -> Frame:
    """A counter top, unevenly lit."""
    coarse = chance.integers(60, 190, (6, 10)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _placed(shape: tuple[int, ...], view: View, chance: Generator) -> NDArray[np.float32]:
    """Where the corners of a drawing lie in the frame, as the matrix that puts them there."""
    height, width = shape[:2]
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [view.side / 2, view.side * height / width / 2]
    half *= 1 - chance.uniform(0, view.keystone, (4, 2)) if view.keystone else 1
    turn = math.radians(view.angle)
    corners = half @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    room = np.maximum(0, np.array([WIDTH, HEIGHT]) / 2 - np.abs(corners).max(axis=0) - 8)
    corners += np.array([WIDTH, HEIGHT]) / 2 + chance.uniform(-1, 1, 2) * np.minimum(room, [200, 100])
    drawn = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix: Any = cv2.getPerspectiveTransform(drawn, corners.astype(np.float32))
    return np.asarray(matrix, dtype=np.float32)


def _through_the_lens(frame: Frame, view: View, chance: Generator) -> Frame:
    image = frame.astype(np.float32)
    if view.glare:
        image += view.glare * _spot(chance)
    if view.dark:
        low, high = view.dark
        image = low + image * ((high - low) / 255)
    if view.blur:
        image = cv2.GaussianBlur(image, (0, 0), view.blur).astype(np.float32)
    if view.motion:
        image = cv2.filter2D(image, -1, _smear(view.motion, chance)).astype(np.float32)
    if view.noise:
        image += view.noise * chance.standard_normal(image.shape, np.float32)
    return image.clip(0, 255).astype(np.uint8)


def _spot(chance: Generator) -> NDArray[np.float32]:
    """A lamp that is mirrored somewhere in the middle."""
    x0, y0 = WIDTH / 2 + chance.uniform(-150, 150), HEIGHT / 2 + chance.uniform(-80, 80)
    x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
    reach = chance.uniform(60, 140)
    return np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * reach**2)).astype(np.float32)


def _smear(length: int, chance: Generator) -> NDArray[np.float32]:
    kernel = np.zeros((length, length), np.float32)
    turn, middle = chance.uniform(0, math.pi), (length - 1) / 2
    for step in np.linspace(-middle, middle, 4 * length):
        kernel[round(middle + step * math.sin(turn)), round(middle + step * math.cos(turn))] = 1
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def _stripes(chance: Generator) -> Frame:
    """Bars of no code: widths of one to four, as Code-128 has them."""
    bars = [shade for at in range(120) for shade in [255 * (at % 2)] * int(chance.integers(1, 5))]
    return np.repeat(np.array([bars], np.uint8), len(bars) // 4, axis=0).repeat(3, axis=1)


def _modules(chance: Generator) -> Frame:
    """A grid like a QR code's, without its finder patterns."""
    return (chance.integers(0, 2, (29, 29)) * 255).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)


def _print(chance: Generator) -> Frame:
    """Lines of figures."""
    paper = np.full((300, 500), 235, np.uint8)
    for line in range(6):
        text = "".join(str(digit) for digit in chance.integers(0, 10, 20))
        cv2.putText(paper, text, (10, 45 + 45 * line), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 20, 2)
    return paper


def _shapes(chance: Generator) -> Frame:
    """Boxes in boxes, like finder patterns in the wrong places."""
    sheet = np.full((300, 300), 240, np.uint8)
    for _ in range(8):
        x, y, side = (int(value) for value in chance.integers((0, 0, 20), (220, 220, 80)))
        cv2.rectangle(sheet, (x, y), (x + side, y + side), 10, int(chance.integers(3, 12)))
        cv2.rectangle(sheet, (x + side // 3, y + side // 3), (x + side * 2 // 3, y + side * 2 // 3), 10, -1)
    return sheet


_PATCHES: tuple[Callable[[Generator], Frame], ...] = (_stripes, _modules, _print, _shapes)
