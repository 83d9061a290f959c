"""Facts about the completion of flags, with a real shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from flipbatch import cli

COMPLETE = """
source completion.bash
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"
_shtab_flipbatch
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with bash's script."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["--print-completion", "bash"])
    assert ended.value.code == 0
    (tmp_path / "completion.bash").write_text(capsys.readouterr().out)
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("sc", "score"),
        ("score --lim", "--limit"),
        ("score --executor l", "local"),
        ("score --config comp", "completion.bash"),
        ("train --models cnn_model mob", "mobilenet_v2"),
        ("demo --out comp", "completion.bash"),
    ],
)
def test_bash_completes_commands_flags_choices_and_files(folder: Path, words: str, completed: str) -> None:
    command = ["bash", "-c", COMPLETE, "bash", "flipbatch", *words.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [completed]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--print-completion", shell])
    assert "max-error-rate" in capsys.readouterr().out
