"""What the HTML pages share: templates that escape every text, and pictures inside the page."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from PIL import Image

from seds.messages import printable

_JPEG_QUALITY = 75


def environment(*packages: str) -> Environment:
    """Of the templates in these packages and seds.pages: escaping is on, and a name that is not given is an error."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(package, "") for package in (*packages, "seds.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["printable"] = printable
    return templates


def jpeg_url(image: np.ndarray) -> str:
    """A data: URL of uint8 [H,W,3] RGB."""
    _, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


def palette_url(levels: np.ndarray, colours: np.ndarray) -> str:
    """A data: URL (PNG) of uint8 [H,W] places in `colours`, uint8 [256,3] RGB."""
    image = Image.fromarray(levels, "P")
    image.putpalette(colours.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
