"""What becomes of a verified request's body."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry

from hookline.sdk import HookRefused
from hookline.testing import FakeHookContext

from .hooks import WEBHOOK, receive, refusal, request

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def multipart(*parts: tuple[str, str | None, str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A form of (field, file name, content type, content)."""
    lines = []
    for field, name, mime, content in parts:
        file_name = f'; filename="{name}"' if name is not None else ""
        kind = f"Content-Type: {mime}\r\n" if mime else ""
        head = f'--BOUND\r\nContent-Disposition: form-data; name="{field}"{file_name}\r\n{kind}\r\n'
        lines.append(head.encode() + content + b"\r\n")
    return b"".join(lines) + b"--BOUND--\r\n", {"content-type": "multipart/form-data; boundary=BOUND"}


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"a": [1, 2.5, "\xc3\xa9", null]}', {"a": [1, 2.5, "é", None]}),
        ("application/json; charset=UTF-8", b"[1]", [1]),
        ("application/vnd.api+json", b'"x"', "x"),
        ("APPLICATION/JSON", b"{}", {}),
        (
            "application/x-www-form-urlencoded",
            b"a=1&b=x+y%21&b=z&c=",
            {"a": "1", "b": ["x y!", "z"], "c": ""},
        ),
        ("application/x-www-form-urlencoded", b"payload=%7B%22a%22%3A1%7D", {"payload": '{"a":1}'}),
        ("text/plain", "grüße".encode(), "grüße"),
        ("text/plain; charset=iso-8859-1", "grüße".encode("latin-1"), "grüße"),
        ("text/xml", b"<a/>", "<a/>"),
        ("application/json", b"", None),
        ("", b"", None),
        ("application/octet-stream", b"", None),
    ],
)
def test_the_content_type_alone_decides(content_type: str, body: bytes, expected: object) -> None:
    assert receive(request(body, {"content-type": content_type})).data["body"] == expected


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"{}"),
        ("application/octet-stream", b"{}"),
        ("image/png", b"\x89PNG"),
        ("application/jsonp", b"{}"),
        ("json", b"{}"),
        ("text/plain; charset=utf-7", b"+ADw-"),
        ("text/plain; charset=utf-16", b"a\0"),
    ],
)
def test_other_content_types_are_415(content_type: str, body: bytes) -> None:
    assert refusal(request(body, {"content-type": content_type})).status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"a": 99999999999999999999}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"[" * 65 + b"]" * 65,
        b"[" + b"0," * 100_001 + b"0]",
        b'{"' + b"k" * 300 + b'": 1}',
        b"9" * 5000,
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_json_that_others_would_misread_is_400(body: bytes) -> None:
    assert refusal(request(body, JSON)).status == 400


@pytest.mark.parametrize("body", [b"a=%ff", b"a=%00", b"\xc3\xa9=1", b"%00=1"])
def test_a_form_that_is_no_text_is_400(body: bytes) -> None:
    assert refusal(request(body, FORM)).status == 400


def test_a_form_of_too_many_fields_is_413() -> None:
    assert refusal(request(b"&".join(b"a=1" for _ in range(101)), FORM)).status == 413
    assert len(receive(request(b"&".join(b"a=1" for _ in range(100)), FORM)).data["body"]["a"]) == 100


def test_the_largest_body_is_configured() -> None:
    assert receive(request(b'"' + b"x" * 98 + b'"', JSON), max_bytes=100).data["body"] == "x" * 98
    assert refusal(request(b'"' + b"x" * 99 + b'"', JSON), max_bytes=100).status == 413
    assert refusal(request(b"x" * 2001, {"content-type": "text/plain"}), max_bytes="2KB").status == 413
    assert refusal(request(b"x" * 1_048_577, {"content-type": "text/plain"})).status == 413
    assert refusal(request(b"x"), max_bytes="many").code == "C610"


def test_too_large_is_refused_before_the_signature_is_computed() -> None:
    found = refusal(request(b"x" * 101), auth={"type": "github"}, secrets=["topsecret"], max_bytes=100)
    assert found.status == 413


# The Ni8mare case: a JSON body that describes uploads must never become one.
@pytest.mark.parametrize(
    "files",
    [
        [{"filepath": "/etc/passwd", "originalFilename": "a.txt", "mimetype": "text/plain"}],
        {"photo": {"filepath": "/etc/passwd"}},
    ],
    ids=["list", "object"],
)
def test_files_named_by_json_are_only_json(files: Any) -> None:
    ctx = FakeHookContext()
    event = receive(request(json.dumps({"files": files}).encode(), JSON), ctx=ctx)
    assert event.data["files"] == []
    assert event.data["body"] == {"files": files}


@pytest.mark.parametrize(
    "sent",
    [
        request(b'{"$file": "s3://private/key", "connection": "s3"}', JSON),
        request(b'{"files": [{"a": [{"$file": "artifact:00"}]}]}', JSON),
        request(b"%24file=s3://private/key", FORM),
        request(*multipart(("$file", None, "", b"s3://private/key"))),
        request(*multipart(("$file", "a.txt", "text/plain", b"x"))),
        request(b"{}", JSON, query={"$file": "s3://private/key"}),
    ],
    ids=["json", "deep", "form", "field", "upload", "query"],
)
def test_a_file_reference_from_outside_is_422(sent: Any) -> None:
    found = refusal(sent)
    assert (found.status, found.code) == (422, "C609")


def test_headers_cannot_form_a_file_reference() -> None:
    event = receive(request(b"{}", {**JSON, "$file": "s3://private/key", "name": "x"}))
    assert event.data["headers"] == {**JSON, "name": "x"}


def test_uploads_are_kept_and_named_by_the_server() -> None:
    ctx = FakeHookContext()
    body, headers = multipart(
        ("title", None, "", "Grüße".encode()),
        ("photo", "../../etc/cat.png", "image/png", b"\x89PNG\r\n--BOUN\r\nD"),
        ("photo", "C:\\\\temp\\\\dog.png", "", b"dog"),
        ("note", "", "text/html", b"<script>"),
    )
    event = receive(request(body, headers), ctx=ctx)
    first, second, third = event.data["files"]
    assert (first["name"], first["mime"], first["bytes"]) == ("cat.png", "image/png", 15)
    assert (second["name"], second["mime"]) == ("dog.png", "application/octet-stream")
    assert third["name"] == "file"
    assert all(each["$file"].startswith("artifact:") for each in event.data["files"])
    assert event.data["body"] == {"title": "Grüße", "photo": [first, second], "note": third}
    assert {ctx.fake_files._content[first["$file"]], ctx.fake_files._content[second["$file"]]} == {
        b"\x89PNG\r\n--BOUN\r\nD",
        b"dog",
    }


def test_a_refused_form_leaves_no_file_behind() -> None:
    ctx = FakeHookContext()
    body, headers = multipart(("photo", "cat.png", "image/png", b"cat"))
    schema = {"type": "object", "required": ["title"]}
    assert refusal(request(body, headers), ctx=ctx, schema=schema).status == 422
    assert refusal(request(body, headers), ctx=ctx, dedupe="body.title").status == 422
    assert ctx.fake_files._content == {}
    assert receive(request(body, headers), ctx=ctx, schema={"required": ["photo"]}).data["files"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--BOUND\r\n", "multipart/form-data; boundary=BOUND"),
        (b"garbage", "multipart/form-data; boundary=BOUND"),
        (multipart(("a", None, "", b"1"))[0], "multipart/form-data"),
        (multipart(("a", None, "", b"1"))[0], "multipart/form-data; boundary=" + "x" * 71),
        (multipart(("a", None, "", b"1\0"))[0], "multipart/form-data; boundary=BOUND"),
    ],
)
def test_a_broken_multipart_form_is_400(body: bytes, content_type: str) -> None:
    assert refusal(request(body, {"content-type": content_type})).status == 400


def test_a_multipart_form_of_too_many_parts_is_413() -> None:
    body, headers = multipart(*[("a", None, "", b"1")] * 101)
    assert refusal(request(body, headers)).status == 413


@pytest.mark.parametrize(
    ("dedupe", "key"),
    [
        ("header:X-Request-Id", "req-1"),
        ("body.id", "7"),
        ("body.items[1].id", "b"),
        ("body.a-b", "dash"),
    ],
)
def test_the_identity_comes_from_where_the_author_says(dedupe: str, key: str) -> None:
    body = json.dumps({"id": 7, "items": [{"id": "a"}, {"id": "b"}], "a-b": "dash"}).encode()
    assert receive(request(body, {**JSON, "x-request-id": "req-1"}), dedupe=dedupe).key == key


@pytest.mark.parametrize("dedupe", ["header:X-Missing", "body.missing", "body.items[9]", "body.flag", "body"])
def test_a_missing_identity_is_422(dedupe: str) -> None:
    found = refusal(request(b'{"items": [], "flag": true}', JSON), dedupe=dedupe)
    assert found.status == 422


@pytest.mark.parametrize("dedupe", ["query.id", "body[", "body..id", "bodyid"])
def test_a_path_that_is_none_is_the_authors_mistake(dedupe: str) -> None:
    assert refusal(request(b"{}", JSON), dedupe=dedupe).code == "C610"


def test_a_very_long_identity_is_shortened_and_stays_unique() -> None:
    keys = {receive(request(b"", {"x": "a" * 500 + end}), dedupe="header:x").key for end in ("1", "2")}
    assert len(keys) == 2
    assert all(len(key) < 200 for key in keys)


def test_without_an_identity_every_request_is_an_event() -> None:
    assert receive(request(b"{}", JSON)).key == ""


SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 1}, "kind": {"enum": ["a", "b"]}},
    "required": ["amount"],
}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"amount": 1, "kind": "a"}', 0),
        (b'{"amount": 0}', 422),
        (b'{"amount": 1, "kind": "c"}', 422),
        (b"{}", 422),
        (b"[]", 422),
        (b"", 422),
    ],
)
def test_the_body_is_checked_against_the_schema(body: bytes, status: int) -> None:
    if status:
        assert refusal(request(body, JSON), schema=SCHEMA).code == "C606"
    else:
        assert receive(request(body, JSON), schema=SCHEMA).data["body"]


@pytest.mark.parametrize(
    "schema", [{"$ref": "http://127.0.0.1:9/s"}, {"pattern": "(a+)+$"}, {"type": 3}], ids=str
)
def test_a_dangerous_schema_is_the_authors_mistake(schema: dict[str, Any]) -> None:
    assert refusal(request(b'"aaaa"', JSON), schema=schema).code == "C610"


def test_credentials_are_kept_out_of_the_event() -> None:
    secret = {
        "authorization": "Bearer x",
        "cookie": "a=b",
        "x-api-key": "k",
        "x-hub-signature": "sha1=…",
        "x-amz-security-token": "t",
        "proxy-authorization": "p",
        "bad header": "x",
    }
    event = receive(request(b"{}", {**JSON, **secret, "user-agent": "curl"}, query={"a": "1"}, method="PUT"))
    assert event.data["headers"] == {**JSON, "user-agent": "curl"}
    assert event.data["query"] == {"a": "1"}
    assert event.data["method"] == "PUT"


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_text_that_cannot_be_kept_is_400(value: str) -> None:
    assert refusal(request(b"{}", JSON, query={"q": value})).status == 400
    assert refusal(request(b"{}", {**JSON, "x-note": value})).status == 400


def test_the_sample_and_real_events_satisfy_the_output_schema() -> None:
    validator = jsonschema.Draft202012Validator(WEBHOOK.output_schema, registry=Registry())
    validator.validate(dict(WEBHOOK.sample))
    body, headers = multipart(("photo", "cat.png", "image/png", b"cat"))
    validator.validate(dict(receive(request(body, headers)).data))


CONTENT_TYPES = st.one_of(
    st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=BOUND",
            "text/plain",
            'multipart/form-data; boundary="a b"',
        ]
    ),
    st.text(st.characters(codec=None), max_size=40),
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(st.characters(codec=None)) | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode()),
    st.lists(
        st.sampled_from(
            [
                b"--BOUND",
                b"--BOUND--",
                b"\r\n",
                b"\n",
                b"Content-Disposition: form-data; name=",
                b'"a"',
                b'; filename="x"',
                b"Content-Type: text/plain; charset=utf-16",
                b"\xff\x00",
                b"; filename*=utf-9''%ff",
            ]
        )
    ).map(b"".join),
)


@settings(max_examples=500, deadline=None)
@given(content_type=CONTENT_TYPES, body=BODIES, dedupe=st.one_of(st.just(""), st.text(max_size=20)))
def test_any_body_is_an_event_that_can_be_kept_or_refused(
    content_type: str, body: bytes, dedupe: str
) -> None:
    try:
        event = receive(request(body, {"content-type": content_type}), dedupe=dedupe)
    except HookRefused as error:
        refused = error.status
    else:
        refused = 0
        assert json.loads(json.dumps(event.data, allow_nan=False)) == event.data
        json.dumps(event.data, ensure_ascii=False).encode("utf-8")
        assert "\0" not in str(event.data["body"])
    assert refused in (0, 400, 413, 415, 422)
