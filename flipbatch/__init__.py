"""flipbatch tells from one video frame whether a page is being flipped.

The rooms of this package stand in the order in which the data flows; ``README.md`` draws the way.
"""

import os
import secrets
import sys
from pathlib import Path

# Read by Ray when it is imported, which any of our modules may do: under `uv run` it would start every worker
# in a copy of the checkout, through uv, without the environment that the driver has.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


def _require_token() -> None:
    """Let a Ray that is started here serve only who has its token: its ports are open to the whole network.

    Read by Ray when it is imported, too. One that runs already is joined as the environment says.
    """
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # as Ray looks for it
    joins = "RAY_ADDRESS" in os.environ or Path(temporary, "ray", "ray_current_cluster").exists()
    if joins or "RAY_AUTH_MODE" in os.environ or "ray" in sys.modules:
        return
    os.environ["RAY_AUTH_MODE"] = "token"
    if not {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


_require_token()

__version__ = "0.1.0"
