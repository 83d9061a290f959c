"""The ``flipbatch`` command: one subcommand per job.

Knows which subcommands there are; what each takes and does is in `flipbatch.commands`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flipbatch import __version__
from flipbatch.commands import benchmark, demo, export, extract, pretrain, score, train
from flipbatch.runtime.command_line import add_common, run
from flipbatch.runtime.completion import INSTALLATION, add_completion
from flipbatch.runtime.native_decoder import NATIVE_DECODER

COMMANDS = {
    "train": train,
    "score": score,
    "extract": extract,
    "export": export,
    "demo": demo,
    "pretrain": pretrain,
    "benchmark": benchmark,
}

_WITHOUT_RAY = {"extract", "export"}

_RAY = (
    "On Ray, a command joins the Ray at RAY_ADDRESS (HOST:PORT), otherwise one that `ray start` started on "
    "this machine, and otherwise starts an own one. RAY_ADDRESS=local always starts an own one."
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command and of all its subcommands."""
    top = argparse.ArgumentParser(
        prog="flipbatch",
        description="Predict from a single video frame whether a page is being flipped.",
        epilog=f"`flipbatch COMMAND --help` lists the arguments of a command. {INSTALLATION}",
    )
    top.add_argument("--version", action="version", version=f"flipbatch {__version__}, {_decoder()}")
    add_completion(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.SUMMARY, description=module.DESCRIPTION, epilog=_epilog(name)
        )
        module.add_arguments(command)
        add_common(command)
        command.set_defaults(main=module.main, go_on=module.GO_ON)
    return top


def _epilog(name: str) -> str:
    epilog = COMMANDS[name].EPILOG
    return epilog if name in _WITHOUT_RAY else f"{epilog} {_RAY}"


def _decoder() -> str:
    """Return which decoder runs on this machine."""
    if NATIVE_DECODER is None:
        return "JPEGs decoded by simplejpeg alone (its native decoder was not built)"
    return "JPEGs decoded by its native decoder"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; return the exit code."""
    return run(parser(), arguments)


if __name__ == "__main__":
    sys.exit(main())
