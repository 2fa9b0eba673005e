"""What stores tell about uploads is read as they send it, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.loader import import_room

from . import shapes

NOTICES = import_room("triggers._s3.notices")

KEY = "raw/Grüße & so +1%2F (ä).png"
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


def read(body: str) -> Any:
    return NOTICES.read(body.encode())


def keys(body: str) -> list[str]:
    told = read(body)
    assert told.problems == []
    return [notice.key for notice in told.notices]


@pytest.mark.parametrize(
    "body",
    [
        shapes.s3(shapes.record(KEY)),
        shapes.minio(KEY),
        shapes.event_bridge(KEY),
        shapes.r2(KEY),
        shapes.b2(KEY),
        json.dumps(shapes.sns(shapes.s3(shapes.record(KEY)))),
        json.dumps(shapes.sns(shapes.event_bridge(KEY))),
    ],
    ids=["s3", "minio", "event bridge", "r2", "b2", "s3 by sns", "event bridge by sns"],
)
def test_every_shape_tells_the_same(body: str) -> None:
    (notice,) = read(body).notices
    assert (notice.bucket, notice.key, notice.bytes) == ("uploads", KEY, 1)
    assert notice.version_id == ""
    assert notice.etag in (ETAG, "")


def test_what_aws_tells_of_a_version_is_kept() -> None:
    versioned = shapes.record("a", versionId="096fKKXTRTtl3on89fVO.nfljtsv6qko")
    (notice,) = read(shapes.s3(versioned)).notices
    assert notice.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    assert notice.sequencer == "0055AED6DCD90281E5"
    (notice,) = read(shapes.event_bridge("a", **{"version-id": "v1"})).notices
    assert notice.version_id == "v1"
    (notice,) = read(shapes.s3(shapes.record("a", versionId="null"))).notices
    assert notice.version_id == ""


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(shapes.TEST_EVENT),
        json.dumps(shapes.sns(json.dumps(shapes.TEST_EVENT))),
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "uploads"}),
        shapes.s3(),
        shapes.s3(shapes.record("a", name="ObjectRemoved:Delete", size=None, eTag=None)),
        shapes.s3(shapes.record("a", name="ObjectTagging:Put")),
        shapes.event_bridge("a", "Object Deleted"),
        shapes.event_bridge("a", "Object Tags Added"),
        shapes.r2("a", "DeleteObject"),
        shapes.r2("a", "LifecycleDeletion"),
        shapes.b2("a", kind="b2:HideMarkerCreated:Hide"),
        shapes.b2(),
    ],
    ids=str,
)
def test_what_is_no_upload_is_passed_over(body: str) -> None:
    told = read(body)
    assert (told.notices, told.problems) == ([], [])


@pytest.mark.parametrize(
    "name",
    ["Put", "Post", "Copy", "CompleteMultipartUpload", "SomethingNew"],
)
def test_every_way_to_create_counts(name: str) -> None:
    assert keys(shapes.s3(shapes.record("a", name=f"ObjectCreated:{name}"))) == ["a"]


def test_all_records_are_read_and_a_bad_one_keeps_back_none() -> None:
    records = [
        shapes.record("a"),
        {"eventVersion": "2.1", "eventName": "ObjectCreated:Put"},
        shapes.record("b"),
        shapes.record("c", event_version="3.0"),
        shapes.record("d", key="%FF%FE"),
        shapes.record("e", key="with%00nul"),
        shapes.record("f", size="many"),
        shapes.record("g", sequencer="not hex"),
        "no object",
        shapes.record("h"),
    ]
    told = read(shapes.s3(*records))
    assert [notice.key for notice in told.notices] == ["a", "b", "h"]
    assert [problem.partition(":")[0] for problem in told.problems] == [
        f"record {number}" for number in (1, 3, 4, 5, 6, 7, 8)
    ]


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.3", "2.4", "2.6", "2.99"])
def test_any_version_2_is_read(version: str) -> None:
    assert keys(shapes.s3(shapes.record("a", event_version=version))) == ["a"]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "null",
        "{}",
        '{"Records": null}',
        '{"Records": {}}',
        '{"Records": [1], "Records": [2]}',
        '{"a":' * 100 + "1" + "}" * 100,
        json.dumps({"hello": "world"}),
        json.dumps(shapes.sns("no json")),
        json.dumps(shapes.sns(shapes.s3(shapes.record("a")), Type="SubscriptionConfirmation")),
        json.dumps(shapes.sns(json.dumps(shapes.sns(shapes.s3(shapes.record("a")))))),
        json.dumps({"Records": [{}] * 1001}),
    ],
    ids=lambda text: text[:30],
)
def test_what_nobody_can_read_is_said_so(body: str) -> None:
    with pytest.raises(ValueError):
        read(body)


@given(st.text(min_size=1, max_size=60).filter(lambda text: "\0" not in text))
def test_any_key_survives_the_encoding(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    assert keys(shapes.s3(shapes.record(key))) == [key]
    assert keys(shapes.event_bridge(key)) == [key]


@given(st.integers(0, 2**70), st.integers(0, 2**70))
def test_sequencers_are_padded_on_the_right(one: int, other: int) -> None:
    before = NOTICES.in_sequence
    a, b = f"{one:X}", f"{other:x}"
    assert not (before(a, b) and before(b, a))
    assert before("0055AED6DCD90281E5", "0055AED6DCD90281E6")
    assert before("0055AED6DC", "0055AED6DCD90281E5")
    assert not before("0055aed6dc", "0055AED6DC00")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Records",
                        "s3",
                        "object",
                        "key",
                        "events",
                        "detail",
                        "detail-type",
                        "source",
                        "action",
                        "account",
                        "bucket",
                        "Type",
                        "TopicArn",
                        "Message",
                        "eventVersion",
                        "eventName",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_nothing_but_a_value_error_comes_of_any_json(value: Any) -> None:
    try:
        read(json.dumps(value))
    except ValueError:
        return
