"""The inbox as slack_sdk and as plain HTTP see it."""

import urllib.error
from collections.abc import Iterator

import httpx
import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler
from slack_sdk.webhook import WebhookClient

from hookline.testing.clock import ManualClock
from hookline.testing.slack import SlackStandIn


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as server:
        yield server


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient(slack.token, base_url=slack.api_url, retry_handlers=[])


def post(slack: SlackStandIn, method: str, **more: object) -> httpx.Response:
    headers = {"Authorization": f"Bearer {slack.token}"}
    return httpx.post(slack.api_url + method, headers=headers, timeout=10, **more)  # type: ignore[arg-type]


def error_of(call: object, *arguments: object, **more: object) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(*arguments, **more)  # type: ignore[operator]
    return str(caught.value.response["error"])


class TestWithSlackSdk:
    def test_auth(self, client: WebClient) -> None:
        assert client.auth_test()["user"] == "hookline"

    @pytest.mark.parametrize("reference", ["#art", "art", "id"])
    def test_post_by_name_and_id(self, slack: SlackStandIn, client: WebClient, reference: str) -> None:
        channel = slack.channel_id("art") if reference == "id" else reference
        answer = client.chat_postMessage(channel=channel, text="hello")
        (message,) = slack.messages
        assert (answer["channel"], answer["ts"]) == (slack.channel_id("art"), message.ts)
        assert answer["message"]["text"] == message.text == "hello"

    def test_blocks_threads_and_metadata(self, slack: SlackStandIn, client: WebClient) -> None:
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*a*"}}]
        metadata = {"event_type": "step", "event_payload": {"idempotency_key": "run/1"}}
        parent = client.chat_postMessage(channel="#art", text="a", blocks=blocks, metadata=metadata)
        client.chat_postMessage(channel="#art", text="reply", thread_ts=parent["ts"])
        first, second = slack.messages
        assert (first.blocks, first.metadata, second.thread_ts) == (blocks, metadata, parent["ts"])
        replies = client.conversations_replies(channel=parent["channel"], ts=parent["ts"])
        assert [item["text"] for item in replies["messages"]] == ["a", "reply"]

    def test_an_idempotency_key_can_be_looked_up(self, slack: SlackStandIn, client: WebClient) -> None:
        metadata = {"event_type": "step", "event_payload": {"idempotency_key": "run/1"}}
        channel = client.chat_postMessage(channel="#art", text="a", metadata=metadata)["channel"]
        with_it = client.conversations_history(channel=channel, include_all_metadata=True)
        without = client.conversations_history(channel=channel)
        assert with_it["messages"][0]["metadata"] == metadata
        assert "metadata" not in without["messages"][0]

    def test_update_and_delete(self, slack: SlackStandIn, client: WebClient) -> None:
        made = client.chat_postMessage(channel="#art", text="a")
        client.chat_update(channel=made["channel"], ts=made["ts"], text="b")
        assert [item.text for item in slack.messages] == ["b"]
        assert slack.messages[0].edited_at is not None
        assert (
            error_of(client.chat_update, channel=made["channel"], ts="1.000000", text="x")
            == "message_not_found"
        )
        client.chat_delete(channel=made["channel"], ts=made["ts"])
        assert slack.messages == []
        assert error_of(client.chat_delete, channel=made["channel"], ts=made["ts"]) == "message_not_found"

    def test_history_pages_newest_first(self, slack: SlackStandIn, client: WebClient) -> None:
        channel = slack.channel_id("art")
        for number in range(5):
            client.chat_postMessage(channel=channel, text=str(number))
        client.chat_postMessage(channel="#ops", text="elsewhere")
        texts = []
        for page in client.conversations_history(channel=channel, limit=2):
            texts += [item["text"] for item in page["messages"]]
        assert texts == ["4", "3", "2", "1", "0"]
        third = slack.messages[2].ts
        newer = client.conversations_history(channel=channel, oldest=third)["messages"]
        assert [item["text"] for item in newer] == ["4", "3"]
        from_third = client.conversations_history(channel=channel, oldest=third, inclusive=True)["messages"]
        assert [item["text"] for item in from_third] == ["4", "3", "2"]

    def test_history_needs_the_id(self, client: WebClient) -> None:
        assert error_of(client.conversations_history, channel="#art") == "channel_not_found"

    def test_the_three_step_upload(self, slack: SlackStandIn, client: WebClient) -> None:
        data = bytes(range(256))
        answer = client.files_upload_v2(
            channel=slack.channel_id("art"), content=data, filename="a.bin", title="A", initial_comment="look"
        )
        (file,) = slack.files
        assert (file.id, file.data, file.title, file.shared) == (answer["file"]["id"], data, "A", True)
        (message,) = slack.messages
        assert (message.text, message.file_ids) == ("look", (file.id,))
        assert slack.upload_leaks == []
        assert client.files_info(file=file.id)["file"]["size"] == 256
        assert httpx.get(answer["file"]["url_private"]).content == data

    def test_an_incoming_webhook(self, slack: SlackStandIn) -> None:
        answer = WebhookClient(slack.webhook_url).send(text="hello")
        assert (answer.status_code, answer.body) == (200, "ok")
        assert [(item.text, item.arrived_by) for item in slack.messages] == [("hello", "webhook")]

    def test_errors_of_an_incoming_webhook_are_plain_text(self, slack: SlackStandIn) -> None:
        assert httpx.post(slack.webhook_url, content=b"{").text == "invalid_payload"
        assert httpx.post(slack.webhook_url, json={}).text == "no_text"
        gone = httpx.post(slack.webhook_url + "x", json={"text": "a"})
        assert (gone.status_code, gone.text) == (404, "no_service")


class TestRefusals:
    @pytest.mark.parametrize(("token", "error"), [("xoxb-wrong", "invalid_auth"), ("", "not_authed")])
    def test_tokens(self, slack: SlackStandIn, token: str, error: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(slack.api_url + "auth.test", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"ok": False, "error": error})

    def test_the_token_may_be_in_the_form(self, slack: SlackStandIn) -> None:
        assert httpx.post(slack.api_url + "auth.test", data={"token": slack.token}).json()["ok"] is True

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"channel": "#nowhere", "text": "a"}, "channel_not_found"),
            ({"text": "a"}, "channel_not_found"),
            ({"channel": "#art"}, "no_text"),
            ({"channel": "#art", "text": ""}, "no_text"),
            ({"channel": "#art", "text": "x" * 40_001}, "msg_too_long"),
            ({"channel": "#art", "text": "a", "blocks": [{"text": "no type"}]}, "invalid_blocks"),
            ({"channel": "#art", "text": "a", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
            ({"channel": "#art", "text": "a", "blocks": "["}, "invalid_blocks_format"),
            (
                {
                    "channel": "#art",
                    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
                },
                "invalid_blocks",
            ),
            (
                {
                    "channel": "#art",
                    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5,
                },
                "msg_blocks_too_long",
            ),
            ({"channel": "#art", "text": "a", "metadata": {"event_type": "x"}}, "invalid_metadata_format"),
            *(
                ({"channel": "#art", "text": "a", "blocks": [block]}, "invalid_blocks")
                for block in (
                    {"type": "paragraph"},
                    {"type": "section"},
                    {"type": "section", "text": "plain"},
                    {"type": "section", "text": {"type": "html", "text": "x"}},
                    {"type": "section", "text": {"type": "mrkdwn", "text": ""}},
                    {"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]},
                    {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
                    {"type": "image", "image_url": "https://a.example/b.png"},
                    {"type": "actions", "elements": []},
                    {"type": "actions", "elements": [{"type": "button", "text": "no object"}]},
                    {"type": "context", "elements": [{"type": "plain_text", "text": "x"}] * 11},
                    {"type": "markdown", "text": "x" * 12_001},
                )
            ),
        ],
    )
    def test_messages(self, slack: SlackStandIn, body: dict[str, object], error: str) -> None:
        answer = post(slack, "chat.postMessage", json=body)
        assert answer.status_code == 200
        assert (answer.json()["ok"], answer.json()["error"]) == (False, error)
        assert slack.messages == []

    def test_json_and_form_are_the_same_message(self, slack: SlackStandIn) -> None:
        blocks = '[{"type": "divider"}]'
        post(slack, "chat.postMessage", data={"channel": "#art", "text": "a", "blocks": blocks})
        post(
            slack, "chat.postMessage", json={"channel": "#art", "text": "a", "blocks": [{"type": "divider"}]}
        )
        form, body = slack.messages
        assert (form.text, form.blocks, form.channel) == (body.text, body.blocks, body.channel)

    def test_json_without_charset_is_warned_about(self, slack: SlackStandIn) -> None:
        answer = post(slack, "chat.postMessage", json={"channel": "#art", "text": "a"}).json()
        assert answer["warning"] == "missing_charset"
        assert answer["response_metadata"] == {"warnings": ["missing_charset"]}

    @pytest.mark.parametrize(
        ("method", "content", "kind", "error"),
        [
            ("chat.postMessage", b"{", "application/json", "invalid_json"),
            ("chat.postMessage", b"[]", "application/json", "json_not_object"),
            ("chat.postMessage", b"x", "text/plain", "invalid_post_type"),
            ("files.upload", b"a=b", "application/x-www-form-urlencoded", "unknown_method"),
        ],
    )
    def test_requests(self, slack: SlackStandIn, method: str, content: bytes, kind: str, error: str) -> None:
        headers = {"Authorization": f"Bearer {slack.token}", "Content-Type": kind}
        assert httpx.post(slack.api_url + method, headers=headers, content=content).json()["error"] == error

    def test_an_upload_must_be_complete_before_it_is_shared(
        self, slack: SlackStandIn, client: WebClient
    ) -> None:
        made = client.files_getUploadURLExternal(filename="a", length=3)
        files = [{"id": made["file_id"], "title": "A"}]
        assert error_of(client.files_completeUploadExternal, files=files) == "file_not_found"
        assert httpx.post(made["upload_url"], content=b"four").status_code == 400
        assert (
            httpx.post(made["upload_url"], content=b"abc", headers={"Authorization": "x"}).status_code == 200
        )
        assert len(slack.upload_leaks) == 1
        assert client.files_completeUploadExternal(files=files)["ok"]
        assert slack.messages == []


class TestFaults:
    def test_rate_limit(self, slack: SlackStandIn, client: WebClient) -> None:
        slack.faults.set("ratelimited", value="30")
        with pytest.raises(SlackApiError) as caught:
            client.chat_postMessage(channel="#art", text="a")
        response = caught.value.response
        assert (response.status_code, response["error"]) == (429, "ratelimited")
        assert response.headers["Retry-After"] == "30"
        assert slack.messages == []
        client.chat_postMessage(channel="#art", text="a")

    @pytest.mark.parametrize(("fault", "posted"), [("html_500", 0), ("html_500_after", 1)])
    def test_html(self, slack: SlackStandIn, fault: str, posted: int) -> None:
        slack.faults.set(fault)
        answer = post(slack, "chat.postMessage", json={"channel": "#art", "text": "a"})
        assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
        assert len(slack.messages) == posted

    @pytest.mark.parametrize(("fault", "posted"), [("timeout", 0), ("timeout_after", 1)])
    def test_silence(self, slack: SlackStandIn, fault: str, posted: int) -> None:
        slack.faults.set(fault)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                slack.api_url + "chat.postMessage",
                headers={"Authorization": f"Bearer {slack.token}"},
                json={"channel": "#art", "text": "a"},
                timeout=0.3,
            )
        assert len(slack.messages) == posted

    @pytest.mark.parametrize(("fault", "posted"), [("reset_before", 0), ("reset_after", 1)])
    def test_reset(self, slack: SlackStandIn, client: WebClient, fault: str, posted: int) -> None:
        slack.faults.set(fault)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            client.chat_postMessage(channel="#art", text="a")
        assert len(slack.messages) == posted

    def test_a_client_that_retries_blindly_posts_twice(self, slack: SlackStandIn) -> None:
        slack.faults.set("reset_after")
        retrying = WebClient(
            slack.token, base_url=slack.api_url, retry_handlers=[ConnectionErrorRetryHandler()]
        )
        retrying.chat_postMessage(channel="#art", text="a")
        assert len(slack.messages) == 2

    def test_any_error(self, slack: SlackStandIn, client: WebClient) -> None:
        slack.faults.set("error", value="is_archived")
        assert error_of(client.chat_postMessage, channel="#art", text="a") == "is_archived"

    def test_over_http(self, slack: SlackStandIn) -> None:
        url = f"{slack.base_url}/_standin/faults"
        assert httpx.post(url, json={"name": "ratelimited", "value": 2}).json()["faults"][0]["value"] == "2"
        assert httpx.post(url, json={"name": "rate_limited"}).status_code == 400
        httpx.delete(url)
        assert post(slack, "auth.test").json()["ok"] is True


class TestInbox:
    def test_the_page_shows_messages_and_escapes_them(self, slack: SlackStandIn, client: WebClient) -> None:
        assert "Nothing has been posted yet" in httpx.get(slack.base_url).text
        text = "&lt;script&gt;alert(1)&lt;/script&gt; <https://example.com/a?b=1|the page> <javascript:x|bad>"
        client.chat_postMessage(channel="#art", text=text, username="<b>")
        page = httpx.get(slack.base_url)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        assert "<script" not in page.text
        assert "href='https://example.com/a?b=1'>the page</a>" in page.text
        assert "href='javascript" not in page.text
        assert "<b>" not in page.text

    def test_messages_as_json(self, slack: SlackStandIn, client: WebClient) -> None:
        client.chat_postMessage(channel="#art", text="hello")
        (message,) = httpx.get(f"{slack.base_url}/_standin/messages").json()["messages"]
        assert (message["channel"]["name"], message["text"]) == ("art", "hello")

    def test_waiting_for_messages(self, slack: SlackStandIn, client: WebClient) -> None:
        client.chat_postMessage(channel="#art", text="hello")
        assert [item.text for item in slack.wait_for_messages(1)] == ["hello"]
        with pytest.raises(TimeoutError):
            slack.wait_for_messages(2, timeout=0.01)

    def test_ts_is_unique_even_within_one_second(self) -> None:
        with SlackStandIn(clock=ManualClock(), channels=["only"]) as slack:
            client = WebClient(slack.token, base_url=slack.api_url)
            stamps = [client.chat_postMessage(channel="#only", text="a")["ts"] for _ in range(20)]
            assert len(set(stamps)) == 20
            assert stamps == sorted(stamps)
            assert all(stamp.startswith("1795000000.") for stamp in stamps)
            assert error_of(client.chat_postMessage, channel="#general", text="a") == "channel_not_found"
