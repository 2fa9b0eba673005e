"""The stand-in for Google Drive as plain HTTP sees it: what it gives, and what it refuses as Drive does."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hookline.testing.clock import ManualClock
from hookline.testing.drive import FAULTS, FOLDER, DriveStandIn

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def drive() -> Iterator[DriveStandIn]:
    with DriveStandIn(clock=ManualClock()) as server:
        yield server


class Caller:
    """Calls the API as the person."""

    def __init__(self, drive: DriveStandIn) -> None:
        self.drive = drive
        accounts = drive.accounts
        form = {
            "grant_type": "refresh_token",
            "client_id": accounts.client_id,
            "client_secret": accounts.client_secret,
            "refresh_token": accounts.refresh_token,
        }
        self.token = httpx.post(drive.token_url, data=form).json()["access_token"]

    def __call__(self, method: str, path: str, params: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        url = path if "://" in path else f"{self.drive.base_url}{path}"
        return httpx.request(method, url, params=params, headers=headers, timeout=10, **more)

    def reason(self, method: str, path: str, params: Any = None, **more: Any) -> tuple[int, str]:
        """Status and reason of a refusal."""
        answer = self(method, path, params, **more)
        return answer.status_code, answer.json()["error"]["errors"][0]["reason"]


@pytest.fixture
def call(drive: DriveStandIn) -> Caller:
    return Caller(drive)


def assertion(drive: DriveStandIn, *, signed_by: Any = None, alg: str = "RS256", **claims: Any) -> str:
    key = json.loads(drive.accounts.service_account_key())
    now = int(drive.clock.now())
    scope = "https://www.googleapis.com/auth/drive"
    usual = {
        "iss": key["client_email"],
        "scope": scope,
        "aud": key["token_uri"],
        "iat": now,
        "exp": now + 3600,
    }
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": alg, "typ": "JWT", "kid": key["private_key_id"]}, usual | claims)
    ]
    private: Any = signed_by or load_pem_private_key(key["private_key"].encode(), None)
    signature = private.sign(".".join(parts).encode(), padding.PKCS1v15(), SHA256())
    return ".".join((*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")))


class TestTokens:
    def test_a_service_account(self, drive: DriveStandIn) -> None:
        answer = httpx.post(drive.token_url, data={"grant_type": GRANT, "assertion": assertion(drive)})
        assert answer.json()["token_type"] == "Bearer"
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        about = f"{drive.base_url}/drive/v3/about?fields=user"
        assert httpx.get(about, headers=headers).json()["user"]["emailAddress"] == drive.accounts.email
        drive.clock.advance(3600)
        assert httpx.get(about, headers=headers).status_code == 401

    @pytest.mark.parametrize(
        ("claims", "error"),
        [
            ({"iss": "other@example.com"}, "invalid_grant"),
            ({"aud": "https://example.com/token"}, "invalid_grant"),
            ({"exp": 9_999_999_999}, "invalid_grant"),
            ({"iat": 1, "exp": 3601}, "invalid_grant"),
            ({"scope": "https://example.com/all"}, "invalid_scope"),
            ({"sub": "boss@example.com"}, "unauthorized_client"),
            ({"alg": "none"}, "invalid_grant"),
            ({"signed_by": rsa.generate_private_key(65537, 2048)}, "invalid_grant"),
        ],
    )
    def test_what_is_refused(self, drive: DriveStandIn, claims: dict[str, Any], error: str) -> None:
        form = {"grant_type": GRANT, "assertion": assertion(drive, **claims)}
        answer = httpx.post(drive.token_url, data=form)
        assert answer.status_code in (400, 401)
        assert answer.json()["error"] == error

    @pytest.mark.parametrize("field", ["client_id", "client_secret", "refresh_token", "grant_type"])
    def test_a_wrong_refresh(self, drive: DriveStandIn, field: str) -> None:
        accounts = drive.accounts
        form = {
            "grant_type": "refresh_token",
            "client_id": accounts.client_id,
            "client_secret": accounts.client_secret,
            "refresh_token": accounts.refresh_token,
            field: "wrong",
        }
        assert httpx.post(drive.token_url, data=form).status_code in (400, 401)
        assert httpx.post(drive.token_url, json=form).json()["error"] == "invalid_request"

    def test_a_token_that_may_only_read(self, drive: DriveStandIn) -> None:
        drive.accounts.user_scopes = frozenset({"https://www.googleapis.com/auth/drive.readonly"})
        call = Caller(drive)
        assert call.reason("POST", "/drive/v3/files", json={"name": "a"}) == (403, "insufficientPermissions")
        assert call("GET", "/drive/v3/files").status_code == 200


class TestStrictness:
    @pytest.mark.parametrize(
        ("path", "params", "status", "reason"),
        [
            ("files", {"fields": "files(id,nmae)"}, 400, "invalidParameter"),
            ("files", {"fields": "files(id"}, 400, "invalidParameter"),
            ("files", {"supportAllDrives": "true"}, 400, "invalid"),
            ("files", {"includeItemsFromAllDrives": "true"}, 400, "invalid"),
            ("files", {"q": "'root' in parents and"}, 400, "invalid"),
            ("files", {"q": "'missing' in parents"}, 404, "notFound"),
            ("files", {"q": "title = 'a'"}, 400, "invalid"),
            ("files", {"pageSize": "1001"}, 400, "invalid"),
            ("files", {"pageToken": "made-up"}, 400, "invalid"),
            ("files", {"orderBy": "size"}, 400, "invalid"),
            ("files", {"corpora": "drive"}, 400, "invalid"),
            ("files/missing", {}, 404, "notFound"),
            ("changes", {}, 400, "required"),
            ("changes", {"pageToken": "x"}, 400, "invalid"),
            ("changes", {"pageToken": "99999999"}, 400, "invalid"),
            ("about", {}, 400, "required"),
        ],
    )
    def test_queries(self, call: Caller, path: str, params: dict[str, str], status: int, reason: str) -> None:
        assert call.reason("GET", f"/drive/v3/{path}", params) == (status, reason)

    def test_without_a_token(self, drive: DriveStandIn) -> None:
        assert httpx.get(f"{drive.base_url}/drive/v3/files").status_code == 401

    def test_what_may_not_be_written(self, drive: DriveStandIn, call: Caller) -> None:
        file = drive.people.put("a.txt", b"x")
        path = f"/drive/v3/files/{file}"
        assert call.reason("PATCH", path, json={"parents": ["x"]}) == (403, "fieldNotWritable")
        assert call.reason("PATCH", path, json={"md5Checksum": "x"}) == (403, "fieldNotWritable")
        assert call.reason("PATCH", path, json={"nmae": "x"}) == (400, "invalid")
        assert call.reason("PATCH", path, json={"appProperties": {"a": "x" * 124}}) == (
            400,
            "propertyTooLarge",
        )
        folder = drive.people.folder("f")
        assert call.reason("PATCH", path, {"addParents": folder})[0] == 403
        moved = call("PATCH", path, {"addParents": folder, "removeParents": drive.people.root})
        assert moved.status_code == 200
        assert drive.people.item(file).parent == folder
        assert call.reason("POST", "/drive/v3/files", json={"parents": [file]}) == (403, "parentNotAFolder")
        assert call.reason("POST", f"/drive/v3/files/{folder}/copy") == (403, "cannotCopyFile")

    def test_ids_come_from_drive_and_are_used_once(self, call: Caller) -> None:
        (id,) = call("GET", "/drive/v3/files/generateIds", {"count": 1}).json()["ids"]
        assert call("POST", "/drive/v3/files", json={"id": id, "name": "a"}).json()["id"] == id
        assert call.reason("POST", "/drive/v3/files", json={"id": id}) == (409, "fileIdInUse")
        assert call.reason("POST", "/drive/v3/files", json={"id": "made-up"}) == (400, "invalid")

    def test_shared_drives_are_seen_only_by_those_who_know_them(
        self, drive: DriveStandIn, call: Caller
    ) -> None:
        team = drive.people.shared_drive("team")
        file = drive.people.put("a.txt", b"x", team)
        assert call.reason("GET", f"/drive/v3/files/{file}") == (404, "notFound")
        assert call("GET", f"/drive/v3/files/{file}", {"supportsAllDrives": "true"}).status_code == 200
        assert call("GET", "/drive/v3/files").json()["files"] == []
        wide = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}
        # Without a corpus, Drive shows of shared drives what the account has opened before: nothing, here.
        assert call("GET", "/drive/v3/files", wide).json()["files"] == []
        assert len(call("GET", "/drive/v3/files", {**wide, "corpora": "allDrives"}).json()["files"]) == 1
        narrow = {**wide, "corpora": "drive", "driveId": team}
        assert len(call("GET", "/drive/v3/files", narrow).json()["files"]) == 1
        assert call.reason("DELETE", f"/drive/v3/files/{file}", {"supportsAllDrives": "true"}) == (
            403,
            "insufficientFilePermissions",
        )

    def test_readers_do_not_write(self, drive: DriveStandIn, call: Caller) -> None:
        folder = drive.people.folder("f")
        file = drive.people.put("a.txt", b"x", folder)
        drive.people.allow(folder, "reader")
        assert call.reason("PATCH", f"/drive/v3/files/{file}", json={"name": "b"}) == (
            403,
            "insufficientFilePermissions",
        )
        made = call.reason("POST", "/drive/v3/files", json={"name": "b", "parents": [folder]})
        assert made == (403, "insufficientParentPermissions")
        drive.people.allow(folder, "none")
        assert call.reason("GET", f"/drive/v3/files/{file}") == (404, "notFound")

    def test_a_service_account_owns_no_files(self, drive: DriveStandIn) -> None:
        form = {"grant_type": GRANT, "assertion": assertion(drive)}
        token = httpx.post(drive.token_url, data=form).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        url, body = f"{drive.base_url}/drive/v3/files", {"name": "a.txt"}
        refused = httpx.post(url, headers=headers, json=body).json()
        assert refused["error"]["errors"][0]["reason"] == "storageQuotaExceeded"
        assert httpx.post(url, headers=headers, json={**body, "mimeType": FOLDER}).status_code == 200
        team = {**body, "parents": [drive.people.shared_drive("team")]}
        assert httpx.post(f"{url}?supportsAllDrives=true", headers=headers, json=team).status_code == 200


class TestContent:
    def test_ranges_and_digests(self, drive: DriveStandIn, call: Caller) -> None:
        content = bytes(range(256)) * 10
        path = f"/drive/v3/files/{drive.people.put('a.bin', content)}"
        found = call("GET", path, {"fields": "size,md5Checksum,sha256Checksum"}).json()
        assert found == {
            "size": "2560",
            "md5Checksum": hashlib.md5(content).hexdigest(),
            "sha256Checksum": hashlib.sha256(content).hexdigest(),
        }
        part = call("GET", path, {"alt": "media"}, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])
        assert part.headers["content-range"] == "bytes 10-19/2560"
        beyond = call("GET", path, {"alt": "media"}, headers={"Range": "bytes=2560-"})
        assert beyond.status_code == 416

    def test_what_has_no_bytes(self, drive: DriveStandIn, call: Caller) -> None:
        document = f"/drive/v3/files/{drive.people.document('d', {'application/pdf': b'%PDF'})}"
        assert call.reason("GET", document, {"alt": "media"}) == (403, "fileNotDownloadable")
        assert call("GET", f"{document}/export", {"mimeType": "application/pdf"}).content == b"%PDF"
        assert call.reason("GET", f"{document}/export", {"mimeType": "text/plain"}) == (400, "badRequest")
        file = drive.people.put("a.txt", b"x")
        assert call.reason("GET", f"/drive/v3/files/{file}/export", {"mimeType": "text/plain"}) == (
            403,
            "fileNotExportable",
        )
        drive.people.item(file).abusive = True
        assert call.reason("GET", f"/drive/v3/files/{file}", {"alt": "media"}) == (
            403,
            "cannotDownloadAbusiveFile",
        )
        accepted = {"alt": "media", "acknowledgeAbuse": "true"}
        assert call("GET", f"/drive/v3/files/{file}", accepted).content == b"x"

    def test_multipart(self, drive: DriveStandIn, call: Caller) -> None:
        content = b"line\r\nline\n--x\r\n"
        body = (
            b'--b0\r\nContent-Type: application/json\r\n\r\n{"name": "a.bin"}\r\n'
            b"--b0\r\nContent-Type: image/png\r\n\r\n" + content + b"\r\n--b0--\r\n"
        )
        headers = {"Content-Type": "multipart/related; boundary=b0"}
        path, params = "/upload/drive/v3/files", {"uploadType": "multipart"}
        made = call("POST", path, params, headers=headers, content=body).json()
        item = drive.people.item(made["id"])
        assert (item.name, item.mime, item.content) == ("a.bin", "image/png", content)
        wrong = {"Content-Type": "multipart/form-data; boundary=b0"}
        assert call.reason("POST", path, params, headers=wrong, content=body)[0] == 400
        large = body.replace(content, b"x" * (5 * 1024**2 + 1))
        assert call.reason("POST", path, params, headers=headers, content=large)[0] == 413

    def test_resumable(self, drive: DriveStandIn, call: Caller) -> None:
        path, params = "/upload/drive/v3/files", {"uploadType": "resumable"}
        session = call("POST", path, params, json={"name": "a.bin"}).headers["location"]
        piece = b"x" * (256 * 1024)

        def put(span: str, content: bytes = b"") -> httpx.Response:
            return call("PUT", session, headers={"Content-Range": span}, content=content)

        assert "range" not in put("bytes */*").headers
        assert put("bytes 0-99/*", b"x" * 100).status_code == 400
        first = put("bytes 0-262143/*", piece)
        assert (first.status_code, first.headers["range"]) == (308, "bytes=0-262143")
        assert put("bytes 0-262143/*", piece).status_code == 400
        done = put("bytes 262144-262147/262148", b"last").json()
        assert drive.people.item(done["id"]).content == piece + b"last"
        assert put("bytes */262148").json() == done
        assert len(drive.people.named("a.bin")) == 1
        drive.clock.advance(8 * 86400)
        assert put("bytes */262148").status_code == 404


class TestChanges:
    def token(self, call: Caller, **params: str) -> str:
        return str(call("GET", "/drive/v3/changes/startPageToken", params).json()["startPageToken"])

    def test_only_the_newest_change_of_a_file_is_listed(self, drive: DriveStandIn, call: Caller) -> None:
        token = self.token(call)
        a, b = drive.people.put("a", b"x"), drive.people.put("b", b"x")
        drive.people.rename(a, "c")
        drive.people.delete(b)
        answer = call("GET", "/drive/v3/changes", {"pageToken": token}).json()
        assert [(each["fileId"], each["removed"]) for each in answer["changes"]] == [(a, False), (b, True)]
        assert answer["changes"][0]["file"]["name"] == "c"
        assert "nextPageToken" not in answer

    def test_pages_have_one_token_each(self, drive: DriveStandIn, call: Caller) -> None:
        token = self.token(call)
        files = [drive.people.put(f"{number}", b"x") for number in range(5)]
        found: list[str] = []
        for _ in range(3):
            params = {"pageToken": token, "pageSize": "2"}
            answer = call("GET", "/drive/v3/changes", params).json()
            found += [each["fileId"] for each in answer["changes"]]
            assert ("nextPageToken" in answer) is not ("newStartPageToken" in answer)
            token = answer.get("nextPageToken") or answer["newStartPageToken"]
        assert found == files

    def test_moving_a_folder_says_nothing_of_what_is_in_it(self, drive: DriveStandIn, call: Caller) -> None:
        folder, other = drive.people.folder("f"), drive.people.folder("g")
        drive.people.put("a", b"x", folder)
        token = self.token(call)
        drive.people.move(folder, other)
        answer = call("GET", "/drive/v3/changes", {"pageToken": token}).json()
        assert [each["fileId"] for each in answer["changes"]] == [folder]

    def test_expired_tokens_and_other_logs(self, drive: DriveStandIn, call: Caller) -> None:
        token = self.token(call)
        team = drive.people.shared_drive("team")
        of_team = {"driveId": team, "supportsAllDrives": "true"}
        assert call.reason("GET", "/drive/v3/changes/startPageToken", {"driveId": team})[0] == 400
        both = {**of_team, "includeItemsFromAllDrives": "true"}
        assert call.reason("GET", "/drive/v3/changes", {**both, "pageToken": token}) == (400, "invalid")
        assert (
            call.reason("GET", "/drive/v3/changes", {**of_team, "pageToken": self.token(call, **of_team)})[0]
            == 400
        )
        drive.expire_page_tokens()
        assert call.reason("GET", "/drive/v3/changes", {"pageToken": token}) == (410, "gone")

    def test_channels(self, drive: DriveStandIn, call: Caller) -> None:
        token = self.token(call)
        address = f"{drive.base_url}/_standin/health"
        body = {"id": "c-1", "type": "web_hook", "address": address, "token": "secret"}
        params = {"pageToken": token}
        wrong = {**body, "address": "http://example.com/hook"}
        assert call.reason("POST", "/drive/v3/changes/watch", params, json=wrong)[1] == (
            "push.webhookUrlNotHttps"
        )
        opened = call("POST", "/drive/v3/changes/watch", params, json=body).json()
        assert int(opened["expiration"]) == int((drive.clock.now() + 3600) * 1000)
        assert call.reason("POST", "/drive/v3/changes/watch", params, json=body)[1] == "channelIdNotUnique"
        drive.people.put("a", b"x")
        sync, change = drive.wait_for_pushes(lambda sent: len(sent) == 2)
        assert (sync.state, change.state, sync.number, change.number) == ("sync", "change", 1, 2)
        assert change.headers["X-Goog-Channel-Token"] == "secret"
        assert change.headers["X-Goog-Resource-ID"] == opened["resourceId"]
        stop = {"id": "c-1", "resourceId": opened["resourceId"]}
        assert call.reason("POST", "/drive/v3/channels/stop", json={**stop, "resourceId": "x"})[0] == 404
        assert call("POST", "/drive/v3/channels/stop", json=stop).status_code == 204
        long = {**body, "expiration": str(int((drive.clock.now() + 30 * 86400) * 1000))}
        call("POST", "/drive/v3/changes/watch", params, json=long)
        assert [channel.expiration - drive.clock.now() for channel in drive.channels] == [7 * 86400]
        drive.clock.advance(7 * 86400)
        assert drive.channels == []


class TestControl:
    def test_files_and_faults_over_http(self, drive: DriveStandIn, call: Caller) -> None:
        made = httpx.post(f"{drive.base_url}/_standin/files?name=a.txt", content=b"hello").json()
        assert drive.people.item(made["id"]).content == b"hello"
        wrong = httpx.post(f"{drive.base_url}/_standin/faults", json={"name": "files.rate_limit"})
        assert wrong.status_code == 400
        httpx.post(f"{drive.base_url}/_standin/faults", json={"name": "files.rate_limited"})
        assert call.reason("GET", "/drive/v3/files") == (403, "userRateLimitExceeded")
        state = httpx.get(f"{drive.base_url}/_standin/state").json()
        assert [file["name"] for file in state["files"]] == ["a.txt"]
        assert set(state["known_faults"]) == set(FAULTS)

    @pytest.mark.parametrize("kind", ["too_many", "server_error", "html_500", "unauthorized"])
    def test_faults_end(self, drive: DriveStandIn, call: Caller, kind: str) -> None:
        drive.faults.set(f"files.{kind}", times=1)
        assert call("GET", "/drive/v3/files").status_code >= 400
        assert call("GET", "/drive/v3/files").status_code == 200
