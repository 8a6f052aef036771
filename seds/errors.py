"""The errors that are meant for a person: what `seds` and the stages show as one line, without a traceback."""

from __future__ import annotations


class SedsError(Exception):
    """Something that a user can mend. The message names the file, the value and what was expected or what to run."""
