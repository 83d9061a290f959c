"""Facts about ``--config``, with the parser of the real command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from flipbatch import cli, storage
from flipbatch.errors import FlipbatchError, StorageError
from flipbatch.runtime.config_file import parse_with_config

Parse = Callable[..., argparse.Namespace]

SCORE = "frames: /frames\nmodel: [a, b=c]\nout: /out\n"


@pytest.fixture
def parse(tmp_path: Path) -> Parse:
    """Parse a command whose file has these lines."""

    def parse(command: str, text: str, *arguments: str) -> argparse.Namespace:
        file = tmp_path / "job.yaml"
        file.write_text(text)
        return parse_with_config(cli.parser(), [command, "--config", str(file), *arguments])

    return parse


def test_a_file_gives_required_flags_and_lists(parse: Parse) -> None:
    parsed = parse("score", SCORE)
    assert (parsed.frames, parsed.model, parsed.out) == ("/frames", ["a", "b=c"], "/out")


def test_a_value_is_what_the_flag_makes_of_its_text(parse: Parse) -> None:
    parsed = parse("score", SCORE + "limit: 1e3\nthreshold: 0.5\nadapt: true\ngpu: false\nfps: 2.5")
    assert (parsed.limit, parsed.threshold, parsed.adapt, parsed.gpu) == (1000, 0.5, True, False)
    assert parse("train", "frames: a\nout: 2026-11-27\nweights: none\nfolds: 3").out == "2026-11-27"
    assert parse("pretrain", "out: a\nstops: cnn_model=7").stops == [("cnn_model", 7)]


def test_underscores_stand_for_dashes(parse: Parse) -> None:
    assert parse("score", SCORE + "max_error_rate: 1").max_error_rate == 1


@pytest.mark.parametrize("flag", ["--limit=5", "--limit 5"])
def test_a_flag_of_the_command_line_wins(parse: Parse, flag: str) -> None:
    assert parse("score", f"{SCORE}limit: 7", *flag.split()).limit == 5


def test_a_flag_of_the_command_line_wins_with_the_value_of_its_default(parse: Parse) -> None:
    assert parse("train", "frames: a\nout: b\nepochs: 3", "--epochs", "40").epochs == 40


def test_a_flag_of_the_command_line_replaces_the_one_that_it_excludes(parse: Parse) -> None:
    parsed = parse("score", SCORE + "every: 3\nverbose: true", "--manifest", "m.csv", "--fps", "2", "-q")
    assert (parsed.frames, parsed.manifest) == (None, "m.csv")
    assert (parsed.every, parsed.fps) == (None, 2)
    assert (parsed.verbose, parsed.quiet) == (False, True)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("limit: none", "limit: 'none' is not an integer ≥ 1"),
        ("threshold: 50", "threshold: '50' is not a number from 0 to 1"),
        ("executor: spark", "executor: invalid choice: 'spark' (choose from 'ray', 'local')"),
        ("limt: 5", "limt: flipbatch score has no such flag; the nearest name is limit"),
        ("--limit: 5", "--limit: flipbatch score has no such flag; the nearest name is limit"),
        ("adapt: 1", "adapt: it has to be true or false"),
        ("limit: [1, 2]", "limit: it has to be one value, not a list"),
        ("limit: []", "limit: the list is empty"),
        ("threshold: {a: 1}", "threshold: it has to be a value, or a list of values"),
        ("out: /other", "out: it is there twice: remove one"),
        ("manifest: m.csv", "manifest: not allowed with frames: remove one"),
        ("[a, b]: 1", "the name of a flag has to be a text"),
    ],
)
def test_a_wrong_line_is_one_sentence_with_its_place(parse: Parse, line: str, complaint: str) -> None:
    with pytest.raises(FlipbatchError) as error:
        parse("score", SCORE + line)
    place, _, said = str(error.value).partition(", line 4: ")
    assert place.endswith("job.yaml")
    assert said == complaint + "."


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- frames", "line 1: the file has to be a mapping, with a line NAME: VALUE for each flag."),
        ("frames: [", "is no YAML file: line 1: "),
        ("a: 1\n---\nb: 2", "is no YAML file: line 2: but found another document."),
        ("\0", "is no YAML file: "),
    ],
)
def test_a_file_that_is_no_mapping_is_one_sentence(parse: Parse, text: str, complaint: str) -> None:
    with pytest.raises(FlipbatchError) as error:
        parse("score", text)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_file_says_nothing(parse: Parse) -> None:
    assert parse("demo", "# nothing yet\n").seed == 0


def test_a_missing_file_is_one_sentence() -> None:
    with pytest.raises(StorageError, match=r"Can't read the file of --config .*/none\.yaml"):
        parse_with_config(cli.parser(), ["demo", "--config", "/none.yaml"])


def test_a_file_may_be_at_any_uri(remote: str) -> None:
    storage.write(f"{remote}/job.yaml", b"seed: 7")
    assert parse_with_config(cli.parser(), ["demo", f"--config={remote}/job.yaml"]).seed == 7


def test_a_wrong_file_ends_the_command_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.yaml").write_text("sead: 7")
    assert cli.main(["demo", "--config", str(tmp_path / "job.yaml")]) == 2
    assert capsys.readouterr().err.endswith("has no such flag; the nearest name is seed.\n")


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_takes_a_file(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert "--config FILE.yaml" in capsys.readouterr().out
