"""Facts about the folders that a listing passes over: those that are hidden, and those of systems."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from flipbatch import storage
from flipbatch.storage.listing import PassedOver, list_files, open_listing
from flipbatch.storage.system_names import is_passed_over
from tests.conftest import errors_as_nobody
from tests.proxy import running

FOLDERS = [
    ".snapshot",
    ".Trash-1000",
    ".@__thumb",
    ".ipynb_checkpoints",
    "$RECYCLE.BIN",
    "#recycle",
    "@eaDir",
]
FOLDERS += ["lost+found", "System Volume Information", "__MACOSX", ".AppleDouble", "LOST.DIR", "~snapshot"]
FOLDERS += [
    "found.000",
    "found.017",
    "$SysReset",
    "$WINDOWS.~BT",
    "$WINDOWS.~WS",
    "MSOCache",
    "WindowsImageBackup",
]
FOLDERS += ["@SynoEAStream", "@SynoResource", "@appstore", "@__qini", "_gsdata_", "Backups.backupdb"]
FOLDERS += ["@GMT-2026.11.26-15.18.00", "files_trashbin", "appdata_oc0a1b2c3d4e"]


@pytest.fixture(params=["local", "remote", "s3"])
def folder(request, tmp_path, remote, s3_server):
    """A frame, and another one below a hidden folder in a hidden folder."""
    if request.param == "s3":
        boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket="passed")
    root = {"local": str(tmp_path), "remote": remote, "s3": "s3://passed/frames"}[request.param]
    for name in ("flip/a_1.jpg", "flip/.b_1.jpg", ".cache/flip/a_1.jpg", "flip/.cache/.tmp/a_1.jpg"):
        storage.write(f"{root}/{name}", b"1")
    yield root
    storage.remove_folder(root)


def listed(folder, pattern=""):
    """Return the paths of listed files, and the folders that were passed over."""
    passed = []
    listing = open_listing(f"{folder}{pattern}")
    files = [file.uri[len(folder) + 1 :] for file in listing.files(lambda *what: passed.append(what))]
    assert len(files) == listing.expected
    return sorted(files), passed


@pytest.mark.parametrize("name", [*FOLDERS, *map(str.lower, FOLDERS), *map(str.upper, FOLDERS)])
def test_a_hidden_folder_and_one_of_a_system_are_passed_over(tmp_path, name):
    storage.write(f"{tmp_path}/flip/{name}/a_1.jpg", b"1")
    assert listed(str(tmp_path)) == ([], [(PassedOver.SYSTEM, f"flip/{name}")])


@pytest.mark.parametrize(
    "name",
    [
        "flip",
        "snapshot",
        "recycle",
        "eaDir",
        "lost",
        "a.b",
        "_x",
        "@me",
        "#1",
        ".",
        "found.0001",
        "found",
        "backup",
        "appdata_oc",
    ],
)
def test_an_ordinary_folder_is_not(name):
    assert not is_passed_over(name)


def test_folders_are_passed_over_in_every_storage_and_hidden_files_are_not(folder):
    assert listed(folder) == (
        ["flip/.b_1.jpg", "flip/a_1.jpg"],
        [(PassedOver.SYSTEM, ".cache"), (PassedOver.SYSTEM, "flip/.cache")],
    )


@pytest.mark.parametrize(
    ("pattern", "files", "passed"),
    [
        ("/*/*.jpg", ["flip/.b_1.jpg", "flip/a_1.jpg"], [".cache"]),
        ("/**/a_1.jpg", ["flip/a_1.jpg"], [".cache", "flip/.cache"]),
        ("/.cache/**", [".cache/flip/a_1.jpg"], []),
        ("/.c*/*/a_1.jpg", [".cache/flip/a_1.jpg"], []),
        ("/*/.cache/*/*", [], [".cache", "flip/.cache/.tmp"]),
        ("/flip/.cache/.tmp", ["flip/.cache/.tmp/a_1.jpg"], []),
        ("/f*/.cache/.t*/*.jpg", ["flip/.cache/.tmp/a_1.jpg"], []),
        ("/**/.cache/**/*.jpg", [".cache/flip/a_1.jpg"], ["flip/.cache/.tmp"]),
    ],
)
def test_a_folder_that_is_asked_for_by_name_is_listed(folder, pattern, files, passed):
    assert listed(folder, pattern) == (files, [(PassedOver.SYSTEM, one) for one in passed])


def test_a_system_folder_that_a_pattern_names_is_listed(tmp_path):
    storage.write(f"{tmp_path}/x/@eaDir/a_1.jpg", b"1")
    assert listed(str(tmp_path), "/*/@eaDir/*")[0] == ["x/@eaDir/a_1.jpg"]
    assert listed(str(tmp_path), "/*/@*/*")[0] == []


def test_a_root_below_a_hidden_folder_is_listed(folder):
    assert listed(f"{folder}/.cache") == (["flip/a_1.jpg"], [])


@pytest.mark.parametrize("pattern", ["", "/*/*.jpg", "/**"])
def test_a_system_folder_that_one_may_not_read_is_no_obstacle(public_folder, pattern):
    storage.write(f"{public_folder}/flip/a_1.jpg", b"1")
    (public_folder / "flip").chmod(0o755)
    for name in ("lost+found", ".Trash-0"):
        (public_folder / name).mkdir(mode=0o700)
    assert errors_as_nobody(f"assert len(list(listing.list_files('{public_folder}{pattern}'))) == 1") == ""


def test_nothing_below_a_hidden_prefix_is_requested(s3_server, monkeypatch):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="requests")
    for key in ("a/b_1.jpg", ".snapshot/a/b_1.jpg"):
        client.put_object(Bucket="requests", Key=key, Body=b"1")
    asked = []
    monkeypatch.setattr(
        "flipbatch.storage.s3_by_botocore._list_page",
        lambda bucket, request: asked.append(request["Prefix"]) or bucket.client.list_objects_v2(**request),
    )
    assert listed("s3://requests")[0] == ["a/b_1.jpg"]
    assert sorted(set(asked)) == ["", "a/"]


def test_a_second_name_of_a_folder_is_passed_over_and_reported(tmp_path):
    storage.write(f"{tmp_path}/flip/a_1.jpg", b"1")
    (tmp_path / "flip/up").symlink_to(tmp_path)
    (tmp_path / "zzz").symlink_to(tmp_path / "flip")
    assert listed(str(tmp_path)) == (
        ["flip/a_1.jpg"],
        [(PassedOver.LINK, "zzz"), (PassedOver.LINK, "flip/up")],
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


def test_names_on_the_web_are_quoted_and_passed_over_as_well(tmp_path):
    for name in ("flip/a b_1.jpg", "@eaDir/a_1.jpg", "System Volume Information/a_1.jpg", ".x/a_1.jpg"):
        storage.write(f"{tmp_path}/{name}", b"1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    with running(server):
        address = f"http://127.0.0.1:{server.server_port}"
        files, passed = listed(address)
        assert (files, len(passed)) == (["flip/a%20b_1.jpg"], 3)
        assert [file.uri for file in list_files(f"{address}/{files[0]}")] == [f"{address}/{files[0]}"]
        assert storage.read(f"{address}/{files[0]}") == b"1"
