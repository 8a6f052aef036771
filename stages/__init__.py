"""The stages of the pipeline, a module each: python -m stages.NAME. What stands here runs before any of them."""

import sys
from importlib.util import find_spec

# Whatever Python comes first on PATH runs this, so its syntax stays readable by old ones. Of the packages, dvclive is
# the least likely to be found in another environment.
if find_spec("dvclive") is None:
    sys.exit(
        sys.executable
        + " does not have this project's packages. Activate the environment, which `make setup` installs: "
        ". .venv/bin/activate"
    )

from seds.system.threads import sleep_soon

sleep_soon()
