import os

import pytest

from seds.errors import SedsError, unicode_text
from seds.system.files import StorageError


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("Grüße 手話 🌧", "Grüße 手話 🌧"),
        (os.fsdecode(b"caf\xe9.mp4"), r"caf\xe9.mp4"),
        (os.fsdecode(b"\xff\x80/\xc3\xbc"), r"\xff\x80/ü"),
        ("\ud800 and \udc7f", r"\ud800 and \udc7f"),
    ],
)
def test_names_of_the_file_system_become_text(text, readable):
    assert unicode_text(text) == readable
    assert readable.encode()


def test_message_of_an_error_is_text():
    name = os.fsdecode(b"caf\xe9")
    assert str(SedsError(f"{name}: is not a video")) == r"caf\xe9: is not a video"
    assert f"{StorageError(name, OSError(28, 'No space left on device'))}".startswith(r"caf\xe9 cannot be written: No")
