"""The Files API, and the output CDN on its other origin."""

import hashlib
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from testing_support import Served, client_of

from hookline.testing.clock import ManualClock
from hookline.testing.replicate import FileValue, ReplicateStandIn, TokenLeakError
from hookline.testing.replicate.contract import missing_fields


class TestFilesApi:
    def upload(self, served: Served, data: bytes, **form: str) -> httpx.Response:
        return served.api.post("/files", files={"content": ("ü.txt", data, "text/plain")}, data=form)

    def test_upload_read_list_delete(self, served: Served) -> None:
        answer = self.upload(served, b"hello", metadata='{"run": "r1"}')
        assert answer.status_code == 201
        body = answer.json()
        assert missing_fields("file", body) == ()
        assert (body["name"], body["content_type"], body["size"]) == ("ü.txt", "text/plain", 5)
        assert body["checksums"]["sha256"] == hashlib.sha256(b"hello").hexdigest()
        assert body["metadata"] == {"run": "r1"}
        assert served.api.get(body["urls"]["get"]).json()["id"] == body["id"]
        assert [item["id"] for item in served.api.get("/files").json()["results"]] == [body["id"]]
        deleted = served.api.delete(f"/files/{body['id']}")
        assert (deleted.status_code, deleted.content) == (204, b"")
        gone = served.api.get(f"/files/{body['id']}")
        assert (gone.status_code, gone.json()) == (404, {"detail": "File not found"})
        assert served.api.delete(f"/files/{body['id']}").status_code == 404

    @pytest.mark.parametrize("data", [b"", bytes(range(256)) * 100, b"--boundary\r\n\r\n--"])
    def test_bytes_come_back_unchanged(self, served: Served, data: bytes) -> None:
        body = self.upload(served, data).json()
        downloaded = httpx.get(served.server.download_url(body["id"]))
        assert downloaded.content == data

    def test_a_changed_signature_is_refused(self, served: Served) -> None:
        body = self.upload(served, b"hello").json()
        url = served.server.download_url(body["id"])
        assert httpx.get(url.replace("expiry=1", "expiry=2")).status_code == 404
        assert httpx.get(url.partition("?")[0]).status_code == 404

    def test_form_fields_win_over_the_part_s_headers(self, served: Served) -> None:
        body = self.upload(served, b"x", filename="other.bin", type="application/octet-stream").json()
        assert (body["name"], body["content_type"]) == ("other.bin", "application/octet-stream")

    def test_it_expires_after_24_hours(self, timed: Served) -> None:
        made = self.upload(timed, b"hello").json()["id"]
        timed.server.clock.advance(24 * 3600 - 1)
        assert timed.api.get(f"/files/{made}").status_code == 200
        timed.server.clock.advance(2)
        assert timed.api.get(f"/files/{made}").status_code == 404

    def test_too_large_is_413(self) -> None:
        with ReplicateStandIn(max_file_bytes=10) as server, client_of(server) as api:
            served = Served(server, api)
            assert self.upload(served, b"x" * 10).status_code == 201
            refused = self.upload(served, b"x" * 11)
            assert (refused.status_code, refused.json()["detail"]) == (
                413,
                "Files must be less than 100MB in size",
            )

    @pytest.mark.parametrize("metadata", ["[]", "{", '"x"'])
    def test_metadata_is_a_json_object(self, served: Served, metadata: str) -> None:
        assert self.upload(served, b"x", metadata=metadata).status_code == 400

    def test_the_part_is_named_content(self, served: Served) -> None:
        assert served.api.post("/files", files={"file": b"x"}).status_code == 400
        assert served.api.post("/files", content=b"x").status_code == 400


class TestCdn:
    def output(self, served: Served) -> str:
        made = served.made("picture", {"color": "#ff0000", "width": 2, "height": 2})
        (url,) = served.server.wait_for(made).output
        return str(url)

    def test_it_is_another_origin_and_needs_no_token(self, served: Served) -> None:
        url = self.output(served)
        assert urlsplit(url).netloc != urlsplit(served.server.base_url).netloc
        answer = httpx.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")

    def test_a_leaked_token_fails_the_test(self) -> None:
        with pytest.raises(TokenLeakError, match=r"out-0\.png"):
            self.leak_and_then(lambda: None)

    def test_a_leak_is_recorded_when_it_is_not_to_fail(self) -> None:
        with ReplicateStandIn(fail_on_token_leak=False) as server, client_of(server) as api:
            api.get(self.output(Served(server, api)))
            (leak,) = server.cdn_leaks
            assert leak.authorization == f"Bearer {server.token}"

    def test_another_failure_is_not_hidden_by_a_leak(self) -> None:
        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            self.leak_and_then(fail)

    def leak_and_then(self, act: Callable[[], None]) -> None:
        with ReplicateStandIn() as server, client_of(server) as api:
            assert api.get(self.output(Served(server, api))).status_code == 400
            act()

    def test_not_found_and_server_error(self, served: Served) -> None:
        url = self.output(served)
        served.server.faults.set("cdn.not_found")
        served.server.faults.set("cdn.server_error")
        assert sorted(httpx.get(url).status_code for _ in range(3)) == [200, 404, 500]

    def test_a_redirect_to_the_metadata_service(self, served: Served) -> None:
        url = self.output(served)
        served.server.faults.set("cdn.redirect")
        answer = httpx.get(url)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith("http://169.254.169.254/")

    def test_a_wrong_length(self, served: Served) -> None:
        url = self.output(served)
        served.server.faults.set("cdn.wrong_length")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url)

    def test_an_endless_body(self, served: Served) -> None:
        url = self.output(served)
        served.server.faults.set("cdn.endless")
        received = 0
        with httpx.stream("GET", url) as answer:
            for chunk in answer.iter_raw():
                received += len(chunk)
                if received > 2_000_000:
                    break
        assert received > 2_000_000
        assert httpx.get(url).status_code == 200

    def test_files_of_a_manual_prediction(self) -> None:
        with ReplicateStandIn(clock=ManualClock()) as server, client_of(server) as api:
            served = Served(server, api)
            made = served.made("manual", {})
            server.complete(made, {"video": FileValue(b"\x00\x01", "video/mp4", "out.mp4"), "seed": 7})
            output = served.read(made)["output"]
            assert output["seed"] == 7  # type: ignore[index]
            assert httpx.get(output["video"]).content == b"\x00\x01"  # type: ignore[index]
