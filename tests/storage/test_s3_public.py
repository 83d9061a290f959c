"""Facts about buckets that anybody may read: without credentials, and without a signature."""

from __future__ import annotations

import http.client

import boto3
import pytest
from fsspec.config import conf as fsspec_settings

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.storage import s3_fsspec, s3_settings
from flipbatch.storage.listing import list_files
from tests.proxy import Proxy, ProxyHandler, running

KEYS = ["a_1.jpg", "odd//a_1.jpg"]


class _PublicOnly(ProxyHandler):
    """Refuses signed requests, as a server does that does not know the key."""

    def _answer(self):
        if self.headers.get("Authorization") or "Signature" in self.path:
            self.refuse(403, "InvalidAccessKeyId")
            return
        upstream = http.client.HTTPConnection(self.server.target)  # pyright: ignore[reportAttributeAccessIssue]
        upstream.request(self.command, self.path, headers=dict(self.headers))
        answer = upstream.getresponse()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())
        upstream.close()

    do_GET = do_HEAD = _answer  # noqa: N815  (the library's names)


@pytest.fixture
def public(s3_server, monkeypatch, tmp_path):
    """A public bucket, and no credentials in this process."""
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="public", ACL="public-read")
    for key in KEYS:
        client.put_object(Bucket="public", Key=key, Body=key.encode(), ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3_settings._open.cache_clear()
    with running(Proxy(s3_server, _PublicOnly)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        yield "public"
    s3_settings._open.cache_clear()


@pytest.mark.parametrize("protocol", ["s3", "s3a"])
def test_a_public_bucket_is_listed_and_read_without_credentials(public, monkeypatch, protocol):
    monkeypatch.setitem(fsspec_settings, "s3", {"anon": True})
    files = list(list_files(f"{protocol}://{public}"))
    assert [uri for uri, _ in files] == [f"{protocol}://{public}/{key}" for key in KEYS]
    assert [storage.read(uri, version=version).decode() for uri, version in files] == KEYS
    assert list(list_files(files[0].uri)) == files[:1]


def test_without_the_setting_the_error_names_it(public):
    with pytest.raises(StorageError, match=r"no credentials were found; .* or FSSPEC_S3_ANON=true if "):
        list(list_files(f"s3://{public}"))


@pytest.mark.parametrize(
    ("value", "anonymous"),
    [(True, True), (1, True), ("True", True), ("yes", True), (False, False), (0, False), ("False", False)],
)
def test_the_setting_may_be_written_in_many_ways(monkeypatch, value, anonymous):
    monkeypatch.setitem(fsspec_settings, "s3", {"anon": value})
    assert s3_fsspec.is_anonymous() == anonymous
    assert not s3_fsspec.has_others()


def test_other_settings_are_left_to_s3fs(monkeypatch):
    monkeypatch.setitem(fsspec_settings, "s3", {"anon": True, "requester_pays": True})
    assert s3_fsspec.has_others()
