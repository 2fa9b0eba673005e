"""News of a feed reach Slack, each of them once."""

from __future__ import annotations

from pathlib import Path

from hookline.testing.httpd import Response
from hookline.testing.slack import SlackStandIn

from .conftest import Site
from .installation import install, texts, wait_until

FEED = "https://github.com/python/cpython/releases.atom"


def atom(*titles: str) -> Response:
    entries = "".join(
        f"<entry><id>urn:{title}</id><title>{title}</title><link href='/{title}'/></entry>"
        for title in titles
    )
    body = f"<feed xmlns='http://www.w3.org/2005/Atom'><title>Releases</title>{entries}</feed>"
    return Response.text(200, body, "application/atom+xml")


def test_every_new_item_is_told_once(tmp_path: Path, slack: SlackStandIn, site: Site) -> None:
    site.answers["/releases.atom"] = atom("v1")
    with install(
        tmp_path / "project",
        "feed-to-slack",
        environment={"SLACK_BASE_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.token},
        origins=(slack.base_url, site.url),
        change=lambda text: text.replace(FEED, f"{site.url}/releases.atom").replace('"10m"', '"200ms"'),
        triggers=True,
    ) as hookline:
        hookline.await_first_look("feed-to-slack")
        site.answers["/releases.atom"] = atom(
            "v3 <!channel>".replace("<", "&lt;").replace(">", "&gt;"), "v2", "v1"
        )
        wait_until(lambda: len(texts(slack, "general")) == 2)
        wait_until(lambda: len([run for run in hookline.runs("feed-to-slack") if run["finished_at"]]) == 2)
    assert texts(slack, "ops") == []
    assert sorted(text.split("\n")[0] for text in texts(slack, "general")) == [
        "Releases: v2",
        "Releases: v3 &lt;!channel&gt;",
    ]
