"""A job that was submitted to Ray runs in a copy of the working directory: relative paths are refused.

Knows the environment that ``ray job submit`` sets. Does not import Ray, which a command may not need.
"""

from __future__ import annotations

import json
import os

from flipbatch.errors import InputError


def refuse_relative(**arguments: str | None) -> None:
    """Refuse relative paths in a submitted job: it runs in a copy of the checkout that Ray deletes.

    Parameters
    ----------
    **arguments
        URIs by the name of their flag.

    Raises
    ------
    InputError
    """
    config = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    if not config.get("runtime_env", {}).get("working_dir"):
        return
    for name, value in arguments.items():
        if value and "://" not in value and not value.startswith(("/", "~")):
            raise InputError(
                f"--{name} {value} is relative: a submitted job runs in a copy of the working directory that "
                "is deleted after it. Give an absolute path, or a URI."
            )
