"""``--print-completion SHELL``: a script with which a shell completes flags, choices and files.

Knows argparse and shtab; knows no command.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")
INSTALLATION = (
    'A shell completes flags and files after `eval "$(flipbatch --print-completion bash)"` in ~/.bashrc; '
    'zsh after `flipbatch --print-completion zsh > "${fpath[1]}/_flipbatch"`.'
)

_FILES = ("URI", "FILE", "DIR")
"""Words in the metavar of a flag that takes files."""


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Add ``--print-completion``."""
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=SHELLS,
        help="print a completion script for this shell, and end",
    )


class _PrintCompletion(argparse.Action):
    """Prints the script and ends the process; shtab is imported only then."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        import shtab

        for action in _actions(parser):
            if any(word in str(action.metavar) for word in _FILES):
                action.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]
        print(shtab.complete(parser, shell=str(values)))
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
