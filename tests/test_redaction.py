"""No error, log line or run file holds credentials."""

from __future__ import annotations

import logging

import pytest

from flipbatch.errors import StorageError, redacted
from flipbatch.runtime.command_line import RedactingFormatter
from flipbatch.scoring.run import run_identity


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("sftp://me:p@ss@host/frames", "sftp://me:***@host/frames"),
        ("Can't read ftp://me@host/a b: no.", "Can't read ftp://***@host/a b: no."),
        ("https://h/a.jpg?X-Amz-Signature=abc&v=1", "https://h/a.jpg?X-Amz-Signature=***&v=1"),
        ("https://h/a?sv=1&sig=a%2Fb", "https://h/a?sv=1&sig=***"),
        ("https://h/a?AWSAccessKeyId=AK&Expires=1", "https://h/a?AWSAccessKeyId=***&Expires=1"),
        ("/home/me@work/a?key=1", "/home/me@work/a?key=1"),
        ("s3://bucket/a@b.jpg", "s3://bucket/a@b.jpg"),
        ("two: ftp://a:b@h and ftp://c:d@h", "two: ftp://***@h and ftp://***@h"),
        ("https://token@h/a", "https://***@h/a"),
        ("abfs://frames@account.dfs.core.windows.net/a", "abfs://frames@account.dfs.core.windows.net/a"),
        ("github://org:repository@main/a", "github://org:repository@main/a"),
    ],
)
def test_credentials_are_redacted_and_nothing_else(text, without):
    assert redacted(text) == without


def test_errors_hold_no_credentials():
    assert str(StorageError("Can't list ftp://me:pass@host: no.")) == "Can't list ftp://***@host: no."


def test_logs_hold_no_credentials():
    record = logging.LogRecord(
        "flipbatch", logging.INFO, "", 0, "%s is finished", ("ftp://me:pass@host",), None
    )
    assert RedactingFormatter().format(record) == "ftp://***@host is finished"


def test_a_run_is_the_same_with_other_credentials_and_holds_none():
    one, other = (run_identity(f"ftp://me:{word}@host/frames", None, None, []) for word in ("old", "new"))
    assert one == other
    assert "old" not in str(one)
