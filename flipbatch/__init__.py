"""flipbatch tells from one video frame whether a page is being flipped.

The rooms of this package stand in the order in which the data flows; ``README.md`` draws the way.
"""

import os

# Read by Ray when it is imported, which any of our modules may do: under `uv run` it would start every worker
# in a copy of the checkout, through uv, without the environment that the driver has.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

__version__ = "0.1.0"
