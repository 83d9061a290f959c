"""The subcommands of ``flipbatch``: `train`, `score`, `demo` and `benchmark`.

Each module defines the arguments of its subcommand, calls the library and sets the exit code. Does not know
how the library works.
"""
