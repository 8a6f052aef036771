"""The stages of the pipeline, a module each: python -m stages.NAME. What stands here runs before any of them."""

from seds.system.threads import wait_asleep

wait_asleep()
