"""What a person does on the pages, in Chromium; without JavaScript too."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title = 'taken'</script><b>bold</b>"


@pytest.fixture(params=[True, False], ids=["with-javascript", "without-javascript"])
def page(browser: Any, request: pytest.FixtureRequest) -> Any:
    context = browser.new_context(java_script_enabled=request.param)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def test_from_the_list_to_a_decision(site: Any, page: Any) -> None:
    run = site.ask("the picture")
    page.goto(site.address)
    assert "waiting" in page.locator("tbody tr").first.inner_text()
    page.get_by_role("link", name=run).click()
    assert page.locator("h1").inner_text().startswith("ask")
    page.get_by_role("link", name="Approvals").click()
    assert "Publish the picture?" in page.locator("main").inner_text()
    page.get_by_role("button", name="Approve").click()
    site.engine.outcome(run).result(timeout=20)
    document = site.engine.run_document(run)
    assert (document["status"], document["output"]) == ("succeeded", "approved")
    page.goto(f"{site.address}/runs/{run}")
    assert "succeeded" in page.locator("h1").inner_text()


def test_what_is_decided_stands_above_the_buttons(site: Any, page: Any) -> None:
    site.ask("the picture")
    page.goto(f"{site.address}/approvals")
    shown = page.locator(".card .shown").get_by_text("the picture")
    button = page.get_by_role("button", name="Approve")
    assert shown.bounding_box()["y"] < button.bounding_box()["y"]
    assert "Who decides: operator" in page.locator(".card").inner_text()


def test_after_a_decision_the_buttons_are_gone(site: Any, page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.engine.runner, "wake", lambda run_id: None)
    monkeypatch.setattr(site.engine.store, "signalled_runs", lambda limit: [])
    site.ask("the picture")
    page.goto(f"{site.address}/approvals")
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("is recorded: approved").wait_for()
    assert page.get_by_role("button", name="Approve").count() == 0
    assert page.get_by_role("link", name="Refresh").count() == 1


def test_a_form_is_filled_in(site: Any, page: Any) -> None:
    run = site.fill()
    page.goto(f"{site.address}/approvals")
    page.get_by_role("link", name="Fill in the form and decide").click()
    page.get_by_role("button", name="Approve").click()
    assert page.locator("input:invalid, select:invalid").count() == 2, "the browser asks for what is missing"
    page.get_by_label("Count").fill("3")
    page.get_by_label("Size").select_option("large")
    page.get_by_label("As a gift").check()
    page.get_by_role("button", name="Approve").click()
    site.engine.outcome(run).result(timeout=20)
    assert site.engine.run_document(run)["output"] == {"count": 3, "size": "large", "gift": True}


def test_cancel_from_the_run_page(site: Any, page: Any) -> None:
    run = site.ask("nothing")
    page.goto(f"{site.address}/runs/{run}")
    page.get_by_role("button", name="Cancel").click()
    site.engine.outcome(run).result(timeout=20)
    assert site.engine.run_document(run)["status"] == "canceled"


def test_what_a_run_holds_is_shown_as_text(site: Any, page: Any) -> None:
    run = site.ask(HOSTILE)
    for path in ("/", f"/runs/{run}", "/approvals", "/events", "/costs"):
        page.goto(f"{site.address}{path}")
        assert "taken" not in page.title()
        assert page.locator("main b").count() == 0
    page.goto(f"{site.address}/approvals")
    assert HOSTILE in page.locator("main").inner_text()


def test_the_keyboard_reaches_what_decides(site: Any, browser: Any) -> None:
    run = site.ask("by keyboard")
    page = browser.new_page()
    page.goto(f"{site.address}/approvals")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Approve":
            break
    page.keyboard.press("Enter")
    site.engine.outcome(run).result(timeout=20)
    assert site.engine.run_document(run)["output"] == "approved"
    page.close()


def test_pages_fit_a_telephone_in_both_themes(site: Any, browser: Any) -> None:
    run = site.ask("a rather long text that has to be wrapped " * 4)
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 700}, color_scheme=scheme)
        page = context.new_page()
        for path in ("/", f"/runs/{run}", "/approvals", "/workflows", "/events", "/costs"):
            page.goto(f"{site.address}{path}")
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, f"{path} is {wide} px wider than the screen"
            for cell in page.locator("table.stack tbody :is(th, td)").all():
                box = cell.bounding_box()
                assert box is None or box["x"] + box["width"] <= 360, f"{path}: out of sight"
        context.close()


def test_a_link_is_opened_on_a_telephone_by_keyboard_and_without_scripts(site: Any, browser: Any) -> None:
    run, link = site.link("a rather long text that has to be wrapped " * 4)
    context = browser.new_context(viewport={"width": 360, "height": 700}, java_script_enabled=False)
    page = context.new_page()
    page.goto(link)
    assert "You decide as Ada Lovelace" in page.locator("main").inner_text()
    widest = max(
        box["x"] + box["width"] for each in page.locator("main *").all() if (box := each.bounding_box())
    )
    assert widest <= 360, f"something reaches {widest} px"
    page.get_by_label("Comment").focus()
    page.keyboard.type("fine")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("approved").first.wait_for()
    site.engine.outcome(run).result(timeout=20)
    output = site.engine.run_document(run)["output"]
    assert (output["decision"], output["by"], output["comment"]) == ("approved", "ada", "fine")
    page.goto(link)
    assert page.get_by_role("button").count() == 0
    context.close()


def test_an_open_run_is_kept_up_to_date(site: Any, browser: Any) -> None:
    run = site.ask("a long story")
    page = browser.new_page()
    page.goto(f"{site.address}/runs/{run}")
    for words in ("Once upon ", "a time <b>"):
        site.engine.views.show(run, "steps[1]", 1, words, replace=False)
    shown = page.locator('pre[data-step="steps[1]"]')
    shown.filter(has_text="Once upon a time <b>").wait_for()
    (approval,) = [row for row in site.engine.store.approvals("pending", 50, None).rows if row.run_id == run]
    site.engine.decide(approval.id, "approved", by="ada")
    page.locator("h1", has_text="succeeded").wait_for()
    assert page.locator("[data-live]").count() == 0
    page.close()
