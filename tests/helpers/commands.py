"""Commands as they are typed."""

from typer.testing import CliRunner, Result

from seds.cli import app


def seds(*arguments: str, code: int = 0) -> Result:
    """What `seds` with these arguments prints; it ends with that code."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result
