"""Boxes: text, the part within the frame, the pixels."""

import numpy as np
import pytest

from seds.video.boxes import clip_box, format_box, padded, parse_box, pixels


def test_text_round_trip() -> None:
    for text in ("", "0,0,10,20", "12.5,-3,400.25,300"):
        assert format_box(parse_box(text)) == text
    assert parse_box("1, 2,3 ,4") == (1, 2, 3, 4)


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "5,0,5,9", "0,9,5,1", "nan,0,1,1", "0,0,inf,1", "1;2;3;4"])
def test_what_is_no_box_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=f"bbox '{text}': expected"):
        parse_box(text)


def test_the_part_within_the_frame() -> None:
    assert clip_box(None, 40, 30) == (0, 0, 40, 30)
    assert clip_box((-5.0, 10.0, 20.0, 99.0), 40, 30) == (0, 10, 20, 30)
    assert clip_box(padded((0.0, 0.0, 40.0, 30.0), 1.25), 40, 30) == (0, 0, 40, 30)
    for outside in ((40.0, 0.0, 50.0, 30.0), (-9.0, 0.0, 0.0, 30.0), (0.0, -20.0, 40.0, -1.0)):
        with pytest.raises(ValueError, match=f"bbox {format_box(outside)} lies outside .* 40x30 px"):
            clip_box(outside, 40, 30)


def test_a_crop_is_of_every_pixel_touched() -> None:
    image = np.arange(30 * 40).reshape(30, 40)
    assert np.array_equal(image[pixels((1.5, 2.0, 4.1, 3.0))], image[2:3, 1:5])
    assert np.array_equal(image[pixels(clip_box(None, 40, 30))], image)
    assert image[pixels((7.2, 7.2, 7.3, 7.3))].shape == (1, 1)


def test_padding_keeps_the_centre() -> None:
    assert padded((10.0, 20.0, 30.0, 60.0), 1.5) == (5, 10, 35, 70)
