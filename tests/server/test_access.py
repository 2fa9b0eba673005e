"""Who gets in: every route, with every kind of credential."""

from __future__ import annotations

import pytest
from server_lab import DEV_PORT, TOKEN, Lab, basic
from test_hooks import is_problem

from hookline.server.access import Access
from hookline.server.app import ROUTES
from hookline.server.headers import SECURITY_HEADERS
from hookline.server.routes import Route

ROUTE_IDS = [route.endpoint for route in ROUTES]
OPEN = {
    "GET /hooks/<path:path>",
    "POST /hooks/<path:path>",
    "POST /callbacks/<token>",
    "POST /answers/<connection>",
    "GET /decide/<token>",
    "POST /decide/<token>",
    "GET /decide/<token>/files/<sha256>",
    "GET /decide/<token>/files/<sha256>/thumbnail",
    "GET /healthz",
    "GET /readyz",
    "GET /static/<name>",
}


def address(route: Route) -> str:
    path = route.template
    for name in route.variables:
        path = path.replace(f"{{{name}}}", "hookline.css" if name == "name" and "static" in path else "none")
    return path


def call(lab: Lab, route: Route, **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = lab.client.open(address(route), method=route.method, headers=names)
    for name, value in SECURITY_HEADERS:
        assert answer.headers[name] == value
    return answer.status_code


def test_every_address_is_declared(shared: Lab) -> None:
    rules = {rule.endpoint for rule in shared.app.url_map.iter_rules()}
    assert rules == {route.endpoint for route in ROUTES}
    assert len(ROUTES) == len(rules)
    assert {route.endpoint for route in ROUTES if route.permission == "open"} == OPEN
    assert all(
        route.permission != "read"
        for route in ROUTES
        if route.method == "POST" and "validate" not in route.path
    )


def test_an_address_without_a_declaration_is_not_answered(lab: Lab) -> None:
    lab.app.add_url_rule("/sneaked-in", view_func=lambda: "secret")
    is_problem(lab.get("/sneaked-in"), 403, "S705")


@pytest.mark.parametrize("route", ROUTES, ids=ROUTE_IDS)
def test_who_gets_in(shared: Lab, route: Route) -> None:
    is_open = route.permission == "open"
    wrong = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": basic(TOKEN, "wrong")},
        {"Authorization": "Basic !!!"},
        {"Authorization": TOKEN},
    ]
    for headers in wrong:
        status = call(shared, route, **headers)
        assert status not in (401, 403) if is_open else status == 401, headers
    for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", basic("ada", TOKEN)):
        status = call(shared, route, Authorization=right)
        # A form also needs the token of its page; everything else is past the guard.
        assert status != 401
        assert status != 403 or (route.method == "POST" and not route.is_listed)


@pytest.mark.parametrize("route", ROUTES, ids=ROUTE_IDS)
def test_dev_answers_its_own_address_only(shared_dev: Lab, route: Route) -> None:
    own = f"127.0.0.1:{DEV_PORT}"
    is_form = route.method == "POST" and not route.is_listed and route.permission != "open"
    for host in (own, f"localhost:{DEV_PORT}", f"[::1]:{DEV_PORT}", f"LOCALHOST:{DEV_PORT}"):
        assert (call(shared_dev, route, Host=host) == 403) == is_form
        assert (call(shared_dev, route, Host=host, Origin=f"http://{own}") == 403) == is_form
    for host in (
        "evil.example",
        f"evil.example:{DEV_PORT}",
        "127.0.0.1:1",
        "127.0.0.1",
        f"127.0.0.1.evil:{DEV_PORT}",
    ):
        assert call(shared_dev, route, Host=host) == 403
    for origin in ("http://evil.example", "null", f"http://evil.example:{DEV_PORT}", f"http://{own}.evil"):
        assert call(shared_dev, route, Host=own, Origin=origin) == 403


def test_dev_refuses_foreign_hosts_everywhere(shared_dev: Lab) -> None:
    is_problem(shared_dev.get("/nowhere", Host="evil.example"), 403, "S701")
    is_problem(shared_dev.get("/nowhere"), 404, "S404")


def test_a_saved_password_is_of_no_use_to_a_foreign_page(lab: Lab) -> None:
    run = lab.start("callback", {})
    path = f"/api/v1/runs/{run}/cancel"
    saved = {"Authorization": basic("ada", TOKEN)}
    is_problem(lab.post(path, {}, **saved, Origin="https://evil.example"), 403, "S702")
    is_problem(lab.post(path, {}, **saved, Origin="null"), 403, "S702")
    is_problem(lab.post(path, {}, **saved, Sec_Fetch_Site="cross-site"), 403, "S702")
    assert lab.get("/", Sec_Fetch_Site="cross-site").status_code == 200  # a link that leads here
    assert lab.post(path, {}, **saved, Origin="http://localhost").status_code == 202


def test_the_public_address_is_ones_own(labs: object) -> None:
    lab = labs(base_url="https://hooks.example.org")  # type: ignore[operator]
    answer = lab.post("/api/v1/validate", {}, Origin="https://hooks.example.org")
    assert answer.status_code == 200
    is_problem(lab.post("/api/v1/validate", {}, Origin="https://hooks.example.com"), 403, "S702")


def test_an_empty_token_is_refused() -> None:
    for token in ("", "  "):
        with pytest.raises(ValueError, match="empty"):
            Access(token)


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(Access(TOKEN))


def test_a_browser_is_asked_for_the_password(lab: Lab) -> None:
    answer = lab.client.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert any(value.startswith("Basic ") for value in answer.headers.getlist("WWW-Authenticate"))
    assert answer.mimetype == "text/html"
    # Whoever has closed the browser's question reads what to answer.
    assert "HOOKLINE_ADMIN_TOKEN" in answer.text
    assert lab.client.get("/", headers={"Authorization": basic("ada", TOKEN)}).status_code == 200
