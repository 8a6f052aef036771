"""Drawing a figure: filled, outlined shapes, painted from back to front at twice the size and averaged down."""

from __future__ import annotations

import cv2
import numpy as np

from seds.demo import face
from seds.demo.motion import SPREAD, TILT, TONGUE, Figure
from seds.demo.signer import Colour, Signer

SUPERSAMPLING = 2
_SHIFT = 4  # fractional bits of OpenCV's coordinates
_HALF_CIRCLE = np.stack(
    [np.cos(np.linspace(-np.pi / 2, np.pi / 2, 9)), np.sin(np.linspace(-np.pi / 2, np.pi / 2, 9))], 1
)
_CIRCLE = np.stack([np.cos(np.arange(28) * np.pi / 14), np.sin(np.arange(28) * np.pi / 14)], 1)
_INK = 0.9  # px, width of the outlines
_LASHES: Colour = (40, 28, 24)
_EYE_WHITE: Colour = (245, 245, 242)
_LIPS: Colour = (172, 62, 64)
_MOUTH: Colour = (62, 14, 20)
_TEETH: Colour = (250, 248, 240)
_TONGUE: Colour = (236, 110, 122)
_NAIL: Colour = (250, 226, 220)

# Shoulder widths from the point between the shoulders: one side of the torso down from the neck, and the neckline.
_TORSO = np.array(
    [[-0.13, -0.19], [-0.34, -0.135], [-0.50, -0.105], [-0.58, -0.03], [-0.55, 0.20], [-0.455, 0.42], [-0.42, 0.85],
     [-0.47, 1.30], [-0.50, 1.75]]
)  # fmt: skip
_NECKLINE = np.array([[0.15, -0.175], [0.08, -0.04], [0, 0.01], [-0.08, -0.04], [-0.15, -0.175]])
# Half head heights from the middle of the head.
_FACE_OUTLINE = _CIRCLE * [face.HALF_WIDTH, 0.98]
_CROWN = np.stack([0.78 * np.cos(np.linspace(3.2, 6.22, 17)), 0.95 * np.sin(np.linspace(3.2, 6.22, 17)) - 0.12], 1)
_FRINGE = np.array([[0.70, -0.30], [0.61, -0.58], [0.30, -0.78], [-0.25, -0.80], [-0.60, -0.60], [-0.70, -0.28]])

# Radii of the arm's bones in shoulder widths, at their upper and lower end.
_ARM_RADII = ((0.104, 0.064), (0.066, 0.056))
# Radii in hand lengths: of each finger at its knuckle and three further joints, the thumb first; of the palm's corners.
_FINGER_RADII = np.array([[0.085, 0.068, 0.057, 0.045], [0.062, 0.055, 0.048, 0.040], [0.063, 0.056, 0.049, 0.041],
                          [0.060, 0.053, 0.047, 0.039], [0.053, 0.046, 0.041, 0.035]])  # fmt: skip
_PALM = [0, 1, 5, 9, 13, 17]
_PALM_RADII = np.array([0.115, 0.09, 0.066, 0.066, 0.066, 0.062])


class Canvas:
    """An image at SUPERSAMPLING times the size; coordinates and widths are px of the final image."""

    def __init__(self, background: np.ndarray) -> None:
        self.image = background.copy()  # [S*size, S*size, 3] RGB

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillPoly(self.image, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)

    def convex(self, points: np.ndarray, colour: Colour) -> None:
        cv2.fillConvexPoly(self.image, _fixed(points), colour, cv2.LINE_AA, _SHIFT)

    def line(self, points: np.ndarray, colour: Colour, width: float = 1.0, closed: bool = False) -> None:
        thickness = max(1, round(width * SUPERSAMPLING))
        cv2.polylines(self.image, [_fixed(points)], closed, colour, thickness, cv2.LINE_AA, _SHIFT)

    def ellipse(self, centre: np.ndarray, radii: tuple[float, float], colour: Colour, angle: float = 0.0) -> None:
        cosine, sine = np.cos(angle), np.sin(angle)
        self.convex(centre + _CIRCLE * radii @ np.array([[cosine, sine], [-sine, cosine]]), colour)

    def bone(self, a: np.ndarray, b: np.ndarray, radii: tuple[float, float], colour: Colour, ink: float = 0.48) -> None:
        """A limb from `a` to `b` with round ends of these radii, outlined in a shade of its colour."""
        x, y = b[0] - a[0], b[1] - a[1]
        length = max(float(np.hypot(x, y)), 1e-6)
        cap = _HALF_CIRCLE @ (np.array([[x, y], [-y, x]]) / length)  # [9, 2], around the far end
        ring = np.empty((18, 2))
        for extra, fill in ((_INK, shade(colour, ink)), (0.0, colour)):
            ring[:9] = b[:2] + (radii[1] + extra) * cap
            ring[9:] = a[:2] - (radii[0] + extra) * cap
            self.convex(ring, fill)

    def finished(self) -> np.ndarray:
        """uint8 [size, size, 3] RGB."""
        size = self.image.shape[0] // SUPERSAMPLING
        return cv2.resize(self.image, (size, size), interpolation=cv2.INTER_AREA)


def background(signer: Signer, size: int) -> np.ndarray:
    """The wall behind a signer, lit from above, at SUPERSAMPLING times the size."""
    side = size * SUPERSAMPLING
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    light = 1.06 - 0.16 * y - 0.10 * np.abs(x - 0.4)
    return np.clip(np.array(signer.wall, np.float32) * light[..., None], 0, 255).astype(np.uint8)


def draw(figure: Figure, signer: Signer, wall: np.ndarray) -> np.ndarray:
    """uint8 [size,size,3] RGB of a figure before a wall made by `background`."""
    canvas = Canvas(wall)
    _torso(canvas, figure, signer)
    _head(canvas, figure, signer)
    for side in np.argsort(figure.hands[:, 0, 2], kind="stable"):  # the farther arm first
        _arm(canvas, figure, signer, side)
        _hand(canvas, figure, signer, side)
    return canvas.finished()


def shade(colour: Colour, factor: float) -> Colour:
    """Darker below 1, lighter above."""
    red, green, blue = (min(255, int(channel * factor + 0.5)) for channel in colour)
    return red, green, blue


def _fixed(points: np.ndarray) -> np.ndarray:
    """To OpenCV's fixed-point coordinates; the middle of a final pixel is the middle of the pixels averaged into it."""
    one = 1 << _SHIFT
    return np.floor(points * (SUPERSAMPLING * one) + (0.5 * (SUPERSAMPLING - 1) * one + 0.5)).astype(np.int32)


def _torso(canvas: Canvas, figure: Figure, signer: Signer) -> None:
    unit, half, tilt = figure.unit, 0.5 * signer.head * figure.unit, figure.face[TILT]
    if signer.haircut == "long":  # falls behind the shoulders
        behind, size = np.array([0.0, 0.25]), (0.98 * half, 1.35 * half)
        canvas.ellipse(face.place(figure, signer, behind), size, shade(signer.hair, 0.8), tilt)
    middle = figure.shoulders[:, :2].mean(0)
    seam = shade(signer.top, 0.6)
    outline = middle + unit * np.concatenate([_TORSO, (_TORSO * [-1, 1])[::-1]]) * [signer.girth, 1]
    canvas.polygon(outline, signer.top)
    canvas.line(outline, seam, closed=True)
    chin = face.place(figure, signer, np.array([0.0, 0.55]))
    shadow = shade(signer.skin, 0.82)
    canvas.bone(chin, middle - [0, 0.08 * unit], (0.125 * unit, 0.135 * unit), shadow, ink=1.0)
    canvas.polygon(middle + unit * _NECKLINE, signer.skin)
    canvas.line(middle + unit * _NECKLINE, seam)


def _head(canvas: Canvas, figure: Figure, signer: Signer) -> None:
    half, tilt, ink = 0.5 * signer.head * figure.unit, figure.face[TILT], shade(signer.skin, 0.55)
    dark = shade(signer.hair, 0.8)
    brows = shade(signer.hair, 0.6)
    if signer.haircut == "bun":
        canvas.ellipse(face.place(figure, signer, np.array([0.0, -1.08])), (0.34 * half, 0.30 * half), dark, tilt)
    for ear in face.ears(figure, signer):
        canvas.ellipse(ear, (0.12 * half, 0.20 * half), ink, tilt)
        canvas.ellipse(ear, (0.10 * half, 0.18 * half), shade(signer.skin, 0.82), tilt)
    outline = face.place(figure, signer, _FACE_OUTLINE)
    canvas.convex(outline, signer.skin)
    canvas.line(outline, ink, closed=True)
    canvas.polygon(face.place(figure, signer, np.concatenate([_CROWN, _FRINGE])), signer.hair)

    points = face.landmarks(figure, signer)
    for eye, brow in ((face.RIGHT_EYE, face.RIGHT_BROW), (face.LEFT_EYE, face.LEFT_BROW)):
        lids = points[eye]
        canvas.convex(lids, _EYE_WHITE)
        opening = float(np.linalg.norm(lids[1] - lids[5]))
        if opening > 0.06 * half:
            canvas.ellipse(lids.mean(0), (0.075 * half, min(0.075 * half, opening / 2)), _LASHES)
        canvas.line(lids[:4], _LASHES, 1.5)
        canvas.line(points[brow], brows, 0.09 * half)
    canvas.line(points[face.NOSE_BRIDGE][1:], shade(signer.skin, 0.85))
    canvas.line(points[face.NOSE_BASE], ink)
    canvas.polygon(points[face.LIPS], _LIPS)
    canvas.polygon(points[face.MOUTH], _MOUTH)
    upper, lower = points[face.MOUTH][:5], points[face.MOUTH][[0, 7, 6, 5, 4]]
    share = 0.3 + 0.7 * min(1.0, figure.face[SPREAD])  # of the opening's height, that upper teeth fill
    canvas.polygon(np.concatenate([upper, (upper + share * (lower - upper))[::-1]]), _TEETH)
    if figure.face[SPREAD] > 0.5:
        canvas.line((upper + lower) / 2, _MOUTH)
    if figure.face[TONGUE] > 0.1:
        middle, (x, y) = face.tongue(figure.face)
        canvas.ellipse(face.place(figure, signer, middle), (x * half, y * half), _TONGUE, tilt)


def _arm(canvas: Canvas, figure: Figure, signer: Signer, side: int) -> None:
    """Upper arm and forearm; the sleeve covers `signer.sleeve` of the two bones."""
    unit, loose = figure.unit, 0.016 * figure.unit
    chain = figure.shoulders[side], figure.elbows[side], figure.hands[side, 0]
    for bone, (upper, lower) in enumerate(_ARM_RADII):
        a, b = chain[bone], chain[bone + 1]
        upper, lower = upper * signer.girth * unit, lower * signer.girth * unit
        covered = float(np.clip(signer.sleeve - bone, 0, 1))
        if covered < 1:
            canvas.bone(a, b, (upper, lower), signer.skin)
        if covered > 0:
            hem = a + covered * (b - a), upper + covered * (lower - upper) + loose
            canvas.bone(a, hem[0], (upper + loose, hem[1]), signer.top, ink=0.6)


def _hand(canvas: Canvas, figure: Figure, signer: Signer, side: int) -> None:
    """Palm, thumb and fingers, painted by depth; bare palms are lighter than backs, and fingers seen from behind have
    nails."""
    points, scale = figure.hands[side], signer.hand * figure.unit
    skin = signer.palm if figure.palms[side, 2] > 0 else signer.skin
    parts = [(points[_PALM, 2].mean(), -1, 0)]
    for finger in range(5):
        depths = points[1 + 4 * finger : 5 + 4 * finger, 2]
        parts += [((depths[bone] + depths[bone + 1]) / 2 + 0.3, finger, bone) for bone in range(3)]  # over a level palm
    nearest = points[:, 2].max()
    for depth, finger, bone in sorted(parts):
        if finger < 0:
            _palm(canvas, points[_PALM, :2], scale, skin)
            continue
        radii = _FINGER_RADII[finger] * scale
        a, b = points[1 + 4 * finger + bone], points[2 + 4 * finger + bone]
        # Bones behind others lie in their shadow, so that a curled finger stands out from the one behind it.
        lit = shade(skin, 1.03 - 0.25 * min(0.6, (nearest - depth) / scale))
        canvas.bone(a, b, (radii[bone], radii[bone + 1]), lit)
        if bone == 2 and figure.facing[side, finger, 2] < -0.25:
            along = (b - a)[:2]
            nail = b[:2] - 0.1 * along
            canvas.ellipse(nail, (0.6 * radii[3], 0.5 * radii[3]), _NAIL, float(np.arctan2(along[1], along[0])))


def _palm(canvas: Canvas, corners: np.ndarray, scale: float, skin: Colour) -> None:
    for extra, fill in ((_INK, shade(skin, 0.48)), (0.0, skin)):
        discs = corners[:, None] + (_PALM_RADII * scale + extra)[:, None, None] * _CIRCLE
        canvas.convex(cv2.convexHull(discs.reshape(-1, 2).astype(np.float32))[:, 0], fill)
