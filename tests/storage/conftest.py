"""What tests of storage share: a storage that fails, and short pauses before retries."""

from __future__ import annotations

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from flipbatch import storage
from flipbatch.storage import retries


class BrokenStorage(MemoryFileSystem):
    """A storage that answers every request with one error."""

    protocol = "broken"
    error: Exception = OSError("the disk is on fire.")

    def _refuse(self, *_, **__):
        raise self.error

    cat_file = pipe_file = info = ls = _refuse


@pytest.fixture
def broken(monkeypatch):
    fsspec.register_implementation("broken", BrokenStorage, clobber=True)
    return lambda error: monkeypatch.setattr(BrokenStorage, "error", error)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.01)
    storage.take_retries()
