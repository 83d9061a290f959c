"""Facts about `flipbatch.storage.names`, on real files and on fsspec's storage in memory."""

from __future__ import annotations

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from flipbatch import storage
from flipbatch.errors import StorageError


def test_files_and_directories_exist(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        storage.write(f"{folder}/a/b", b"1")
        assert storage.exists(f"{folder}/a")
        assert storage.exists(f"{folder}/a/b")
        assert not storage.exists(f"{folder}/none")


def test_the_placeholder_of_a_directory_is_not_a_name_in_it(remote, monkeypatch):
    storage.write(f"{remote}/folder/a", b"1")
    ls = MemoryFileSystem.ls
    monkeypatch.setattr(
        MemoryFileSystem, "ls", lambda self, path, detail: [f"{path}/", *ls(self, path, detail=detail)]
    )
    assert storage.names_in(f"{remote}/folder") == ["a"]


def test_names_in_a_directory_are_sorted(tmp_path, remote):
    for folder in (str(tmp_path), remote):
        for name in ("b", "c/d", "a"):
            storage.write(f"{folder}/{name}", b"1")
        assert storage.names_in(folder) == ["a", "b", "c"]
        assert storage.names_in(f"{folder}/none") == []


def test_a_storage_without_an_answer_is_a_storage_error(broken):
    broken(OSError("the disk is on fire."))
    for act, word in ((storage.exists, "look at"), (storage.names_in, "list")):
        with pytest.raises(StorageError, match=f"^Can't {word} broken://a: the disk is on fire\\.$"):
            act("broken://a")
    with pytest.raises(StorageError, match=r"^Can't write broken://a: the disk is on fire\.$"):
        storage.write("broken://a", b"1")
