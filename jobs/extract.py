"""``flipbatch extract`` as a script, for ``ray job submit`` from a checkout."""

import sys

from flipbatch.cli import main

if __name__ == "__main__":
    sys.exit(main(["extract", *sys.argv[1:]]))
