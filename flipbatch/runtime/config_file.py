"""``--config FILE.yaml``: flags of a command in a file. Those of the command line win.

A value is read as the text that is written, and goes through the parser of its flag. Knows argparse and YAML;
knows no command.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flipbatch.errors import FlipbatchError, InputError

if TYPE_CHECKING:
    import yaml

_LONGEST_FILE = 2**20
_NOT_IN_FILES = ("help", "config")


def add_config(command: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    command.add_argument(
        "--config",
        metavar="FILE.yaml",
        help="YAML file of flags, any URI: names without dashes in front, a list for several values, true or "
        "false for a flag without a value. Paths in it are relative to the working directory. Flags of the "
        "command line win",
    )


def parse_with_config(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments of a command, and of its file if it names one.

    Parameters
    ----------
    parser : ArgumentParser
        With the arguments of `add_config`, or with subcommands that have them. If there is a file, it may be
        used only once: values of the file become defaults.
    arguments : sequence of str

    Raises
    ------
    InputError, StorageError
        If the file can't be read, or one of its names or values is wrong.
    SystemExit
        If an argument is wrong; a message has been printed.
    """
    uri = _uri_in(arguments)
    if uri is None:
        return parser.parse_args(arguments)
    command = _command(parser, arguments)
    flags = _Flags(command, uri)
    flags.set_defaults()
    parsed = parser.parse_args(arguments)
    flags.drop_excluded(parsed)
    return parsed


def _uri_in(arguments: Sequence[str]) -> str | None:
    finder = argparse.ArgumentParser(add_help=False)
    finder.add_argument("--config", nargs="?")
    return finder.parse_known_args(arguments)[0].config


def _command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the subcommand that the arguments name, or else `parser`."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return next((action.choices[one] for one in arguments if one in action.choices), parser)
    return parser


class _Flags:
    """The flags in a file, for the parser of a command."""

    def __init__(self, command: argparse.ArgumentParser, uri: str) -> None:
        self._command, self._uri = command, uri
        self._known = dict(_names(command))
        self._found: dict[argparse.Action, Any] = {}
        for name, value in _entries(_mapping(uri), uri):
            self._add(name, value)

    def _add(self, name: str, value: yaml.Node) -> None:
        try:
            action = self._action(name)
            if action in self._found:
                raise InputError("it is there twice: remove one")
            self._require_no_other(action)
            self._found[action] = _value(action, value)
        except (InputError, argparse.ArgumentTypeError) as error:
            raise _at(value, self._uri, f"{name}: {str(error).rstrip('.')}") from error

    def _action(self, name: str) -> argparse.Action:
        known = name.replace("_", "-")
        if known in self._known:
            return self._known[known]
        nearest = difflib.get_close_matches(known, self._known, 1, cutoff=0)[0]
        raise InputError(f"{self._command.prog} has no such flag; the nearest name is {nearest}")

    def _require_no_other(self, action: argparse.Action) -> None:
        for other in self._excluded_by(action):
            if other in self._found:
                raise InputError(f"not allowed with {_name(other)}: remove one")

    def _excluded_by(self, action: argparse.Action) -> Iterator[argparse.Action]:
        for group in self._command._mutually_exclusive_groups:
            if action in group._group_actions:
                yield from (other for other in group._group_actions if other is not action)

    def set_defaults(self) -> None:
        """Make the values the defaults of their flags, which are then no longer required."""
        self._before = {action: action.default for action in self._found}
        for action, value in self._found.items():
            action.default, action.required = value, False
        for group in self._command._mutually_exclusive_groups:
            group.required = group.required and self._found.keys().isdisjoint(group._group_actions)

    def drop_excluded(self, parsed: argparse.Namespace) -> None:
        """Take the values back that a flag of the command line excludes."""
        for action, before in self._before.items():
            given = [getattr(parsed, other.dest) != other.default for other in self._excluded_by(action)]
            if any(given):
                setattr(parsed, action.dest, before)


# ---------------------------------------------------------------------------------------- names and values


def _names(command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Yield the flags that a file may have, by name."""
    for action in command._actions:
        name = _name(action)
        if name and action.help != argparse.SUPPRESS and name not in _NOT_IN_FILES:
            yield name, action


def _name(action: argparse.Action) -> str:
    """Return the long name of a flag, without dashes in front."""
    return next((one[2:] for one in action.option_strings if one.startswith("--")), "")


def _value(action: argparse.Action, node: yaml.Node) -> Any:
    """Return a value as the flag of the command line gives it."""
    texts = _texts(node)
    if action.nargs == 0:
        return _switch(node)
    if action.nargs == "+" and texts:
        return [_parsed(action, text) for text in texts]
    if not isinstance(node.value, str):
        raise InputError("it has to be one value, not a list" if texts else "the list is empty")
    return _parsed(action, texts[0])


def _texts(node: yaml.Node) -> list[str]:
    """Return the texts of a scalar, or of a list of scalars."""
    import yaml

    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not all(isinstance(one, yaml.ScalarNode) for one in nodes):
        raise InputError("it has to be a value, or a list of values")
    return [one.value for one in nodes]


def _switch(node: yaml.Node) -> bool:
    text = str(node.value).lower()
    if text not in ("true", "false"):
        raise InputError("it has to be true or false")
    return text == "true"


def _parsed(action: argparse.Action, text: str) -> Any:
    parse = action.type
    value = parse(text) if callable(parse) else text
    if action.choices is not None and value not in action.choices:
        raise InputError(f"invalid choice: {value!r} (choose from {', '.join(map(repr, action.choices))})")
    return value


# ---------------------------------------------------------------------------------------- YAML


def _mapping(uri: str) -> yaml.MappingNode | None:
    """Read a file; return its mapping, or None if it is empty."""
    import yaml

    from flipbatch import storage

    place = storage.normalise(uri)
    data = storage.read_required(place, "the file of --config")
    if len(data) > _LONGEST_FILE:
        raise InputError(f"{uri} is no file for --config: it has {len(data):,} bytes.")
    try:
        node = yaml.compose(data, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{uri} is no YAML file: {_problem(error)}.") from error
    if not isinstance(node, yaml.MappingNode | None):
        raise _at(node, uri, "the file has to be a mapping, with a line NAME: VALUE for each flag")
    return node


def _problem(error: yaml.YAMLError) -> str:
    from flipbatch.runtime.error_text import one_line

    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else one_line(error)


def _entries(mapping: yaml.MappingNode | None, uri: str) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in mapping.value if mapping is not None else ():
        if not isinstance(key.value, str):
            raise _at(key, uri, "the name of a flag has to be a text")
        yield key.value, value


def _at(node: yaml.Node, uri: str, problem: str) -> FlipbatchError:
    return InputError(f"{uri}, line {node.start_mark.line + 1}: {problem}.")
