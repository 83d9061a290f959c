"""Facts about the keys of S3: each object is listed and read under the key that it has."""

from __future__ import annotations

import boto3
import pytest

from flipbatch import storage
from flipbatch.storage.listing import list_files, open_listing
from flipbatch.storage.s3_by_botocore import list_keys
from flipbatch.storage.s3_settings import opened

KEYS = [
    *("a_1.jpg", "flip/a_1.jpg", "flip/a_2.jpg", "flip.jpg", "flip-/a_1.jpg"),
    *("/leading_1.jpg", "//two_1.jpg", "empty//a_1.jpg", "empty///a_1.jpg", "empty/a_1.jpg"),
    *("./dot_1.jpg", "../dots_1.jpg", "in/./dot_1.jpg", "in/../dots_1.jpg", "seen/..a_1.jpg"),
    *("tab\t_1.jpg", "bell\x07/a_1.jpg", "delete\x7f_1.jpg", "next\x85_1.jpg"),
    *("per%20cent_1.jpg", "slash%2Fa_1.jpg", "%_1.jpg", "p+q_1.jpg", "a b_1.jpg", " a_1.jpg", "a_1.jpg "),
    *("q?versionId=1", "h#x_1.jpg", "a&b=c;d:e@f$g!h(i),_1.jpg", "a~b^c|d`e_1.jpg", "<x>'\"\\_1.jpg"),
    *("é_1.jpg", "e\u0301_1.jpg", "日本/語_1.jpg", "😀_1.jpg", "[x]/*_{1}.jpg"),
    "full/",  # with bytes, this is no placeholder
]
PLACEHOLDERS = ["flip/", "only/", "empty//", "/"]


@pytest.fixture(scope="module")
def bucket(s3_server):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="keys")
    for key in KEYS:
        client.put_object(Bucket="keys", Key=key, Body=key.encode())
    for key in PLACEHOLDERS:
        client.put_object(Bucket="keys", Key=key, Body=b"")
    return "s3://keys"


def test_every_object_is_listed_once_and_placeholders_are_not(bucket):
    assert sorted(file.uri for file in list_files(bucket)) == sorted(f"{bucket}/{key}" for key in KEYS)


def test_every_listed_object_is_read_as_the_version_that_was_listed(bucket):
    files = list(list_files(bucket))
    assert all(version for _, version in files)
    data = storage.read_many((uri for uri, _ in files), versions=(version for _, version in files))
    assert [f"{bucket}/{one.decode()}" for one in data if isinstance(one, bytes)] == [uri for uri, _ in files]


@pytest.mark.parametrize("key", KEYS)
def test_first_bytes_and_other_versions_are_known_of_every_object(bucket, key):
    assert storage.read(f"{bucket}/{key}", limit=3) == key.encode()[:3]
    with pytest.raises(storage.ReplacedError):
        storage.read(f"{bucket}/{key}", version="other")


@pytest.mark.parametrize("key", ["plain", "a//b", "./a", "tab\t", "日本/語+?#%20"])
def test_an_object_of_any_key_is_written_created_found_and_removed(bucket, key):
    uri = f"{bucket}/written/{key}"
    storage.write(uri, b"1")
    assert not storage.create(uri, b"2")
    assert (storage.exists(uri), storage.read(uri)) == (True, b"1")
    storage.remove_file(uri)
    assert not storage.exists(uri)
    assert storage.create(uri, b"3")
    storage.remove_folder(f"{bucket}/written")
    assert not storage.exists(f"{bucket}/written")


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("flip/*.jpg", ["flip/a_1.jpg", "flip/a_2.jpg"]),
        ("empty/*", ["empty/a_1.jpg"]),
        ("empty/**", ["empty///a_1.jpg", "empty//a_1.jpg", "empty/a_1.jpg"]),
        ("f*/a_?.jpg", ["flip-/a_1.jpg", "flip/a_1.jpg", "flip/a_2.jpg"]),
        ("[x]", ["[x]/*_{1}.jpg"]),
        ("empty//*.jpg", ["empty//a_1.jpg"]),
        ("e*//*.jpg", ["empty//a_1.jpg"]),
        ("/*.jpg", ["/leading_1.jpg"]),
    ],
)
def test_patterns_match_keys(bucket, pattern, keys):
    assert sorted(file.uri for file in list_files(f"{bucket}/{pattern}")) == [
        f"{bucket}/{key}" for key in keys
    ]


def test_names_in_a_directory_have_no_placeholder(bucket):
    assert storage.names_in(f"{bucket}/flip") == ["a_1.jpg", "a_2.jpg"]
    assert storage.names_in(f"{bucket}/only") == storage.names_in(f"{bucket}/none") == []


def test_the_name_in_a_file_is_its_own(bucket, tmp_path):
    (tmp_path / "a_1.jpg").touch()
    assert (
        storage.names_in(f"{bucket}/flip/a_1.jpg") == storage.names_in(f"{tmp_path}/a_1.jpg") == ["a_1.jpg"]
    )


def test_a_directory_with_only_a_placeholder_has_no_files(bucket):
    assert list(list_files(f"{bucket}/only")) == []
    assert storage.exists(f"{bucket}/only")


@pytest.mark.parametrize("key", ["a_1.jpg", "empty//a_1.jpg", "in/../dots_1.jpg", "[x]/*_{1}.jpg"])
def test_an_object_is_listed_alone_as_it_is_in_its_directory(bucket, key):
    (file,) = list_files(f"{bucket}/{key}")
    assert file in list(list_files(bucket))
    assert storage.read(file.uri, version=file.version) == key.encode()


def test_an_object_at_the_top_of_a_bucket_lies_in_the_bucket(bucket):
    assert open_listing(f"{bucket}/a_1.jpg").root == bucket
    assert open_listing(f"{bucket}//leading_1.jpg").root == f"{bucket}/"


def test_an_empty_bucket_is_an_empty_directory(s3_server):
    boto3.client("s3", endpoint_url=s3_server).create_bucket(Bucket="nothing")
    assert list(list_files("s3://nothing")) == []
    assert storage.exists("s3://nothing")
    assert not storage.exists("s3://no-such-bucket")


def test_removing_a_folder_removes_placeholders_and_nothing_beside_it(bucket):
    client = opened("keys").client
    for key in ("gone/", "gone/a", "gone//b", "gone-not"):
        client.put_object(Bucket="keys", Key=key, Body=b"")
    storage.remove_folder(f"{bucket}/gone")
    assert [key for keys in list_keys(opened("keys"), "gone", delimiter="") for key, _ in keys.objects] == [
        "gone-not"
    ]
    storage.remove_file(f"{bucket}/gone-not")


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_pages_together_are_the_whole(bucket, most):
    pages = list(list_keys(opened("keys"), "", delimiter="", most=most))
    keys = [key for page in pages for key, _ in page.objects]
    assert sorted(keys) == sorted(KEYS + PLACEHOLDERS)
    assert len(pages) == -(-len(keys) // most)
