"""Facts about requests to S3: a real server on loopback, behind a slow proxy."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.stub import Stubber
from fsspec.config import conf as fsspec_settings
from s3fs.errors import translate_boto_error

from flipbatch import storage
from flipbatch.errors import StorageError
from flipbatch.storage import filesystems, reading, retries, s3_by_botocore, s3_errors, s3_settings, writing
from flipbatch.storage.listing import list_files
from flipbatch.storage.request_limit import RequestLimit
from tests.slow_proxy import slow_proxy

LONG = 32 * 2**20
ODD_KEYS = ["a b%20c#?é+&_1.jpg", "a%2Fb", "[x]/{y}~_1.jpg", "x?versionId=3", "a//b_1.jpg", "./a"]
COUNT = 3 * storage.READS_IN_FLIGHT


@pytest.fixture(scope="module")
def bucket(s3_server):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="reads")
    for key in (*ODD_KEYS, *map(str, range(COUNT))):
        client.put_object(Bucket="reads", Key=key, Body=key.encode())
    client.put_object(Bucket="reads", Key="empty", Body=b"")
    client.put_object(Bucket="reads", Key="long", Body=bytes(LONG))
    return "s3://reads"


@pytest.fixture
def fresh():
    """Settings are read anew in this test, and in those after it."""
    s3_settings._open.cache_clear()
    yield
    s3_settings._open.cache_clear()


@pytest.fixture
def proxy(bucket, s3_server, fresh, monkeypatch):
    """The server between this test and S3; not slow yet. It has asked nobody to slow down."""
    monkeypatch.setattr(reading, "_requests", RequestLimit(storage.READS_IN_FLIGHT))
    with slow_proxy(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        yield proxy


def wait_for(fact):
    ends = time.monotonic() + 60
    while not fact() and time.monotonic() < ends:
        time.sleep(0.01)
    assert fact()


def reason_of(uri):
    with pytest.raises(OSError) as error:  # noqa: PT011
        storage.read(uri, limit=5)
    return storage.reason(error.value)


# ---------------------------------------------------------------------------------------- one object


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_is_read_exactly(bucket, key):
    assert storage.read(f"{bucket}/{key}") == key.encode()


@pytest.mark.parametrize("limit", [None, 1, 99])
def test_an_object_is_read_whole_or_its_first_bytes(bucket, limit):
    assert storage.read(f"{bucket}/12", limit) == b"12"[:limit]
    assert storage.read(f"{bucket}/empty", limit) == b""


def test_a_missing_object_and_a_missing_bucket_are_file_not_found(bucket):
    for uri in (f"{bucket}/none", "s3://no-such-bucket/none"):
        assert reason_of(uri) == "there is no such file, directory or bucket"


@pytest.mark.parametrize("limit", [None, 3])
def test_an_object_that_was_replaced_since_it_was_listed_is_refused(bucket, s3_server, limit):
    client = boto3.client("s3", endpoint_url=s3_server)
    client.put_object(Bucket="reads", Key="replaced/one", Body=b"one")
    (listed,) = list_files(f"{bucket}/replaced")
    assert storage.read(listed.uri, limit, listed.version) == b"one"
    client.put_object(Bucket="reads", Key="replaced/one", Body=b"two")
    with pytest.raises(storage.ReplacedError, match="it was replaced after it was listed"):
        storage.read(listed.uri, limit, listed.version)


def test_an_object_beyond_the_limit_is_not_fetched_whole(proxy):
    assert storage.read("s3://reads/long", limit=1000) == bytes(1000)
    assert proxy.bytes_sent < LONG / 2


def test_s3a_is_s3(bucket, proxy):
    assert storage.read("s3a://reads/12") == b"12"
    assert proxy.requests == 1


def test_settings_of_fsspec_are_followed_by_all_requests(proxy, monkeypatch):
    monkeypatch.setitem(fsspec_settings, "s3", {"endpoint_url": proxy.address})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    filesystems._filesystem.cache_clear()
    storage.write("s3://reads/custom/a", b"1")
    assert storage.create("s3://reads/custom/b", b"2")
    assert not storage.create("s3://reads/custom/b", b"3")
    assert [storage.read(uri, version=version) for uri, version in list_files("s3://reads/custom")] == [
        b"1",
        b"2",
    ]
    storage.remove_folder("s3://reads/custom")
    assert not storage.exists("s3://reads/custom")
    filesystems._filesystem.cache_clear()


# ---------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (403, "InvalidAccessKeyId"), (400, "ExpiredToken")]
)
def test_forbidden_is_one_sentence_without_addresses(proxy, status, code):
    proxy.refusals.append((status, code))
    reason = reason_of("s3://reads/12")
    assert reason.startswith(f"permission was denied; check the credentials and rights (S3 answered {status}")
    assert reason.endswith(f"({code}))")


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_in_trouble_is_retried(proxy, status):
    proxy.refusals += [(status, "SlowDown")] * 2
    assert storage.read("s3://reads/12") == b"12"
    assert proxy.requests == 3


def test_a_server_that_stays_in_trouble_is_an_error(proxy, monkeypatch):
    monkeypatch.setattr(retries, "RETRIED_FOR_SECONDS", 0.0)
    proxy.refusals += [(503, "ServiceUnavailable")] * 2
    assert reason_of("s3://reads/12") == "S3 answered 503 Service Unavailable (ServiceUnavailable)"


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, "TooManyRequests")])
def test_an_overloaded_server_is_given_up_much_later(proxy, impatient, monkeypatch, status, code):
    monkeypatch.setattr(retries, "RETRIED_FOR_SECONDS", 0.0)
    proxy.refusals += [(status, code)] * 4
    assert storage.read("s3://reads/12") == b"12"
    assert storage.take_retries() == 4
    monkeypatch.setattr(retries, "SLOWED_FOR_SECONDS", 0.0)
    proxy.refusals.append((status, code))
    assert code in reason_of("s3://reads/12")


def test_an_overloaded_server_gets_fewer_requests_at_once(proxy, impatient, monkeypatch):
    limit = RequestLimit(8, halved_every_seconds=0.0)
    monkeypatch.setattr(reading, "_requests", limit)
    proxy.refusals += [(503, "SlowDown")] * 2
    assert storage.read("s3://reads/12") == b"12"
    assert limit.allowed == 2
    assert all(isinstance(data, bytes) for data in storage.read_many(["s3://reads/12"] * 60))
    assert limit.allowed == 8


def test_no_server_is_an_error_of_one_line(bucket, fresh, monkeypatch):
    monkeypatch.setattr(retries, "RETRIED_FOR_SECONDS", 0.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    assert reason_of("s3://reads/12") == "HTTP error: error sending request"


# ---------------------------------------------------------------------------------------- writing


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.001)
    storage.take_retries()


@pytest.mark.parametrize("status", [409, 429, 500, 503])
@pytest.mark.parametrize("folder", ["statuses", "statuses//odd"])
def test_a_write_is_retried_by_its_status(proxy, impatient, folder, status):
    uri = f"s3://reads/{folder}/{status}"
    proxy.refusals += [(status, "Code")] * 2
    storage.write(uri, b"1")
    proxy.refusals += [(status, "Code")] * 2
    storage.remove_file(uri)
    storage.create("s3://reads/statuses/known", b"1")  # from here on, nothing is looked for before
    storage.take_retries()
    proxy.refusals += [(status, "ConditionalRequestConflict")] * 2
    assert storage.create(uri, b"2")
    assert (storage.take_retries(), storage.read(uri)) == (2, b"2")


@pytest.mark.parametrize("folder", ["unknown", "unknown//odd"])
def test_a_server_without_conditional_requests_gets_a_plain_put(proxy, impatient, monkeypatch, folder):
    monkeypatch.setitem(writing._never_replaces, "s3://reads", True)
    proxy.refusals.append((501, "NotImplemented"))
    assert storage.create(f"s3://reads/{folder}/a", b"1")
    proxy.refusals.append((501, "NotImplemented"))
    assert not storage.create(f"s3://reads/{folder}/a", b"2")
    assert (storage.take_retries(), storage.read(f"s3://reads/{folder}/a")) == (0, b"1")


@pytest.mark.parametrize("status", [403, 400])
def test_a_refused_write_is_one_sentence(proxy, status):
    proxy.refusals.append((status, "AccessDenied"))
    with pytest.raises(StorageError, match=rf"^Can't write s3://reads/x: permission was denied; .*{status}"):
        storage.write("s3://reads/x", b"1")


def test_a_listing_fetches_two_pages_ahead_at_most(proxy, monkeypatch):
    monkeypatch.setattr(s3_by_botocore, "KEYS_PER_PAGE", 10)
    files = list_files("s3://reads")
    for _ in range(10):
        next(files)
    assert proxy.requests <= 3
    assert sum(1 for _ in files) > COUNT
    assert proxy.requests > COUNT / 10


def test_a_page_of_a_listing_is_retried(proxy, impatient):
    proxy.refusals += [(503, "SlowDown")] * 2
    assert len(storage.names_in("s3://reads")) > COUNT
    assert storage.take_retries() == 2


def test_a_large_object_is_written_whole(proxy):
    data = bytes(range(256)) * 50_000
    storage.write("s3://reads/parts", data)
    assert storage.read("s3://reads/parts") == data
    assert storage.create("s3://reads/created-in-one", data)


# ---------------------------------------------------------------------------------------- many objects


def test_many_requests_are_in_flight_and_never_more_than_allowed(proxy):
    proxy.latency = 0.3
    read = storage.read_many(f"s3://reads/{i}" for i in range(COUNT))
    assert list(read) == [str(i).encode() for i in range(COUNT)]
    assert storage.READS_IN_FLIGHT / 2 < proxy.most_in_flight <= storage.READS_IN_FLIGHT


def test_the_first_requests_are_sent_before_the_first_item_is_taken(proxy):
    read = storage.read_many(f"s3://reads/{i}" for i in range(COUNT))
    wait_for(lambda: proxy.requests == storage.READS_IN_FLIGHT)
    assert next(read) == b"0"


def test_two_readers_at_once_share_one_limit(proxy):
    proxy.latency = 0.1
    first, second = (storage.read_many(f"s3://reads/{i}" for i in range(COUNT)) for _ in range(2))
    assert list(first) == list(second)
    assert proxy.most_in_flight <= storage.READS_IN_FLIGHT


# ---------------------------------------------------------------------------------------- settings


@pytest.mark.usefixtures("fresh")
def test_missing_credentials_are_one_sentence(bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert reason_of(f"{bucket}/12").startswith("no credentials were found; set AWS_ACCESS_KEY_ID")


@pytest.mark.usefixtures("fresh")
def test_wrong_settings_are_not_retried(bucket, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "none")
    storage.take_retries()
    assert reason_of(f"{bucket}/12") == "S3 is not set up: The config profile (none) could not be found"
    assert storage.take_retries() == 0


@pytest.mark.parametrize("status", [403, 404, 408, 409, 412, 429, 500, 501, 502, 503, 504])
def test_errors_of_s3fs_may_pass_by_their_status(status):
    answer = {"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = translate_boto_error(ClientError(answer, "PutObject"))
    assert s3_errors.may_pass(error) == (status in (408, 409, 429, 500, 502, 503, 504))


@pytest.mark.usefixtures("fresh")
def test_a_profile_gives_credentials_endpoint_and_region(bucket, s3_server, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    keys = "aws_access_key_id = a\naws_secret_access_key = b\n"
    (tmp_path / "config").write_text(
        f"[profile phones]\n{keys}endpoint_url = {s3_server}\nregion = eu-west-3\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "phones")
    assert storage.read(f"{bucket}/12") == b"12"
    assert s3_settings._open("reads").store.config.get("region") == "eu-west-3"


def test_expiring_credentials_are_renewed(bucket, fresh, monkeypatch):
    asked = []
    monkeypatch.setattr(s3_settings, "_BELIEVED_FOR", timedelta(seconds=1))
    monkeypatch.setattr(
        "botocore.credentials.Credentials.get_frozen_credentials",
        lambda self: asked.append(datetime.now(UTC)) or self,
    )
    for _ in range(3):
        storage.read(f"{bucket}/12")
        time.sleep(0.15)  # obstore never asks twice within a tenth of a second
    assert len(asked) >= 3


def test_a_store_shows_no_secret(bucket):
    storage.read(f"{bucket}/12")
    assert "test" not in repr(s3_settings._open("reads"))
    assert "secret_access_key" not in s3_settings._open("reads").store.config


@pytest.mark.parametrize("status", [200, 403, 404])
def test_the_region_of_a_bucket_is_known_even_if_access_is_refused(s3_server, status):
    client = Session().create_client("s3")
    answer = {"HTTPHeaders": {"x-amz-bucket-region": "eu-west-3"}, "HTTPStatusCode": status}
    with Stubber(client) as stubber:
        if status == 200:
            stubber.add_response("head_bucket", {"ResponseMetadata": answer})
        else:
            stubber.add_client_error(
                "head_bucket", str(status), http_status_code=status, response_meta=answer
            )
        assert s3_settings._region_of(client, "reads") == "eu-west-3"


def test_a_server_may_want_the_bucket_in_its_name(fresh, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example:9000")
    assert s3_settings._open("reads").store.config.get("endpoint") == "http://reads.storage.example:9000"
