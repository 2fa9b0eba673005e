"""A link in a mail, and the page behind it."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from hookline.sdk import File
from hookline.store.port import PutSignal

from .conftest import BASE, TOKEN, Place, dumped

MAIL = [{"connection": "mail"}]
PNG = re.compile(r'<img class="thumbnail" src="([^"]+)"')


def picture(size: tuple[int, int] = (900, 600), kind: str = "PNG") -> bytes:
    pillow = pytest.importorskip("PIL.Image", reason="hookline[images] is not installed")
    made = io.BytesIO()
    pillow.new("RGB", size, "red").save(made, kind, comment=b"<script>")
    return made.getvalue()


def kept(place: Place, content: bytes, name: str, mime: str) -> dict[str, Any]:
    stored = place.engine.artifacts.save(content)
    file = File(f"artifact:{stored.sha256}", name=name, mime=mime, bytes=stored.size, sha256=stored.sha256)
    found: dict[str, Any] = file.to_json()
    return found


def test_each_person_is_mailed_a_link_that_decides_as_that_person(place: Place) -> None:
    run = place.go(via=MAIL, show={"text": "Hello"})
    assert sorted(each.recipients for each in place.mail.taken) == [
        ["ada@example.com"],
        ["grace@example.com"],
    ]
    mail = place.mail.taken[0].message
    assert mail["Subject"] == "Publish <it>?"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "text: Hello" in mail.get_content()
    assert place.link("ada") != place.link("grace")
    answer = place.form(place.link("grace"), decision="rejected", comment="not yet")
    assert (answer.status_code, answer.headers["Location"]) == (303, place.link("grace"))
    place.end(run)
    approval = place.approval(run)
    assert (approval.status, approval.decided_by) == ("rejected", "grace")
    page = place.client.get(place.link("ada")).text
    assert "It is decided: rejected by grace." in page
    assert "<form" not in page


def test_a_scanner_that_opens_every_link_decides_nothing(place: Place) -> None:
    run = place.go(via=MAIL)
    path = place.link("ada")
    for method in ("GET", "HEAD"):
        for query in ("", "?decision=approved", "?decision=rejected&comment=x"):
            prefetch = {"Purpose": "prefetch", "Sec-Purpose": "prefetch", "User-Agent": "Scanner"}
            answer = place.client.open(path + query, method=method, headers=prefetch)
            assert answer.status_code == 200
    # A machine that even posts what it finds has no form token, or that of no form.
    for values in ({}, {"decision": "approved"}, {"decision": "approved", "form_token": "0" * 64}):
        assert place.client.post(path, data=values).status_code == 403
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert place.client.open(path, method=method).status_code == 405
    assert place.approval(run).status == "pending"
    assert place.engine.store.signals(run) == []


def test_a_page_of_another_site_cannot_post(place: Place) -> None:
    run = place.go(via=MAIL)
    other = place.form(place.link("ada"), decision="x")
    assert other.status_code == 422
    token = re.findall(r'name="form_token" value="([^"]+)"', place.client.get(place.link("ada")).text)[0]
    values = {"form_token": token, "decision": "approved"}
    assert place.client.post(place.link("grace"), data=values).status_code == 403, "it is good for one page"
    assert place.approval(run).status == "pending"


def test_a_link_decides_once(place: Place) -> None:
    run = place.go(via=MAIL, quorum=2)
    path = place.link("ada")
    page = place.client.get(path).text
    assert place.form(path, decision="approved").status_code == 303
    place.until(lambda: place.approval(run).data["decisions"])
    assert "Your decision is recorded: approved." in place.client.get(path).text
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
    again = place.client.post(path, data={**hidden, "decision": "rejected"})
    assert again.status_code == 303
    assert [each["decision"] for each in place.approval(run).data["decisions"]] == ["approved"]
    assert place.form(place.link("grace"), decision="approved").status_code == 303
    assert place.end(run)["decision"] == "approved"


def test_the_secret_leaves_no_trace(place: Place) -> None:
    place.go(via=MAIL)
    answer = place.client.get(place.link("ada"))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    secret = place.link("ada").rpartition(".")[2]
    assert secret not in dumped(place)


def test_no_token_is_asked_for_and_nothing_else_is_shown(place: Place) -> None:
    place.go(via=MAIL)
    page = place.client.get(place.link("ada"))
    assert page.status_code == 200
    assert "/runs/" not in page.text
    assert place.client.get("/approvals").status_code == 401
    assert place.client.get("/decide/apr_x.y").status_code == 404


def test_files_are_shown_small_and_sent_as_downloads(place: Place) -> None:
    file = kept(place, picture(), "cat.png", "image/png")
    evil = kept(place, b"<script>alert(1)</script>", "x.html", "text/html")
    other = place.engine.artifacts.save(b"a secret of another run").sha256
    place.go(via=MAIL, show={"picture": file, "page": evil})
    path = place.link("ada")
    page = place.client.get(path).text
    (source,) = PNG.findall(page)
    assert source == f"{path}/files/{file['sha256']}/thumbnail"
    small = place.client.get(source)
    assert (small.status_code, small.mimetype) == (200, "image/jpeg")
    assert "sandbox" in small.headers["Content-Security-Policy"]
    assert b"script" not in small.data
    from PIL import Image

    assert max(Image.open(io.BytesIO(small.data)).size) == 480
    for each in (file, evil):
        sent = place.client.get(f"{path}/files/{each['sha256']}?type=text/html")
        assert sent.headers["Content-Disposition"].startswith("attachment")
        assert sent.mimetype == "application/octet-stream"
        assert "sandbox" in sent.headers["Content-Security-Policy"]
    assert place.client.get(f"{path}/files/{evil['sha256']}/thumbnail").status_code == 404
    for hidden in (other, "0" * 64, "..", "%2e%2e"):
        assert place.client.get(f"{path}/files/{hidden}").status_code == 404, "only what is shown"


def test_a_picture_that_is_none_or_too_large_is_a_download_only(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hookline.server import thumbnails

    broken = kept(place, b"\x89PNG\r\n\x1a\n" + b"x" * 99, "broken.png", "image/png")
    large = kept(place, picture((300, 300), "GIF"), "large.gif", "image/gif")
    monkeypatch.setattr(thumbnails, "MAX_PIXELS", 299 * 299)
    place.go(via=MAIL, show=[broken, large])
    path = place.link("ada")
    for file in (broken, large):
        assert place.client.get(f"{path}/files/{file['sha256']}/thumbnail").status_code == 404
        assert place.client.get(f"{path}/files/{file['sha256']}").status_code == 200


def test_scores_and_cost_are_shown(place: Place) -> None:
    verdict = {
        "schema": "moderation.verdict/1",
        "action": "review",
        "reason": "violence 0.61 >= review 0.4",
        "categories": [
            {"name": "hate", "score": 0.02, "decision": "allow"},
            {"name": "violence", "score": 0.61, "decision": "review"},
        ],
    }
    place.go(via=MAIL, show={"scores": verdict})
    page = place.client.get(place.link("ada")).text
    assert "review: violence 0.61 &gt;= review 0.4\nviolence 0.61 (review)\nhate 0.02 (allow)" in page


def test_what_somebody_saw_is_what_they_decided_on(place: Place) -> None:
    run = place.go(via=MAIL)
    path = place.link("ada")
    assert place.form(path, decision="approved", sha256="0" * 64).status_code == 409
    assert place.form(path, decision="approved").status_code == 303
    place.end(run)
    history = place.engine.history(run)
    (decided,) = [each["data"] for each in history if each["kind"] == "approval.decided"]
    assert (decided["person"], decided["seen"]) == ("ada", place.approval(run).data["sha256"])


def test_a_mail_that_is_refused_is_shown(place: Place) -> None:
    place.mail.replies["RCPT ada@example.com"] = "550 no such mailbox"
    run = place.go(via=MAIL)
    told = place.approval(run).data["told"]
    assert (told["1/mail/ada"]["status"], told["1/mail/grace"]["status"]) == ("failed", "sent")
    assert "no such mailbox" in told["1/mail/ada"]["error"]
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
    page = place.client.get(f"/approvals/{place.approval(run).id}", headers=headers).text
    assert "no such mailbox" in page
    assert "Only those who were asked decide on this" in page


def test_a_decision_that_no_run_has_heard_of_is_shown_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = place.go(via=MAIL)
    monkeypatch.setattr(place.engine.runner, "wake", lambda run_id: None)
    monkeypatch.setattr(place.engine.store, "signalled_runs", lambda limit: [])
    assert place.form(place.link("ada"), decision="approved").status_code == 303
    assert "Your decision is recorded: approved." in place.client.get(place.link("ada")).text
    late = place.form(place.link("grace"), decision="rejected")
    assert late.status_code == 409
    assert "decided: approved by ada" in late.text
    assert place.status(run) == "waiting"


def test_a_signal_of_an_older_version_still_counts(place: Place) -> None:
    run = place.go(via=MAIL)
    body = {"decision": "approved", "by": "ada", "comment": "", "form": None}
    unit = PutSignal(run, "approval", "steps[0]", "approval:old:ada", body, place.engine.clock())
    place.engine.store.submit(unit, lambda answer: None)
    place.engine.store.flush()
    place.engine.runner.deliver(lambda: place.engine.runner.wake(run))
    assert place.end(run)["by"] == "ada"


def test_the_link_leads_to_the_public_address(place: Place) -> None:
    place.go(via=MAIL)
    assert f"{BASE}/decide/apr_" in place.mail.taken[0].message.get_content()
