"""Languages by name, for a person."""

from __future__ import annotations

from collections.abc import Sequence

# Of ISO 639-1; another is shown by its code.
_NAMES = {
    "ar": "Arabic", "bn": "Bengali", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


def language_names(codes: Sequence[str]) -> str:
    """ "English", or "German, Chinese and English", of codes of ISO 639-1."""
    *others, last = [_NAMES.get(code, code) for code in codes] or ["an unknown language"]
    return f"{', '.join(others)} and {last}" if others else last
