"""Models, versions, deployments, search, hardware and the account."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hookline.testing.clock import rfc3339
from hookline.testing.httpd import Request, Response
from hookline.testing.replicate.catalog import Model
from hookline.testing.replicate.contract import checked
from hookline.testing.replicate.records import JsonObject
from hookline.testing.replicate.routing import Route
from hookline.testing.replicate.services import Services
from hookline.testing.replicate.wire import problem

__all__ = ["ModelRoutes"]

HARDWARE: tuple[tuple[str, str], ...] = (
    ("CPU", "cpu"),
    ("Nvidia L40S GPU", "gpu-l40s"),
    ("2x Nvidia L40S GPU", "gpu-l40s-2x"),
    ("Nvidia A100 (80GB) GPU", "gpu-a100-large"),
    ("2x Nvidia A100 (80GB) GPU", "gpu-a100-large-2x"),
    ("Nvidia H100 GPU", "gpu-h100"),
)


@dataclass(frozen=True, slots=True)
class _Deployment:
    name: str
    model: Model
    hardware: str
    min_instances: int
    max_instances: int
    number: int
    created_at: float


class ModelRoutes:
    """The routes below ``/v1/models``, ``/v1/deployments`` and the small read-only ones."""

    def __init__(self, services: Services) -> None:
        self._parts = services
        self._deployments: dict[str, _Deployment] = {}
        self._guard = threading.Lock()

    def routes(self) -> tuple[Route, ...]:
        """What this module answers."""
        one = "/v1/models/{owner}/{name}"
        deployment = "/v1/deployments/{owner}/{name}"
        return (
            Route("GET", "/v1/models", "models", self._list),
            Route("QUERY", "/v1/models", "models", self._query),
            Route("GET", "/v1/search", "models", self._search, open=True),
            Route("GET", one, "models", self._get),
            Route("GET", f"{one}/versions", "models", self._versions),
            Route("GET", f"{one}/versions/{{version}}", "models", self._version),
            Route("GET", f"{one}/examples", "models", self._examples),
            Route("GET", f"{one}/readme", "models", self._readme),
            Route("GET", "/v1/deployments", "models", self._list_deployments),
            Route("POST", "/v1/deployments", "models", self._create_deployment),
            Route("GET", deployment, "models", self._get_deployment),
            Route("PATCH", deployment, "models", self._update_deployment),
            Route("DELETE", deployment, "models", self._delete_deployment),
            Route("GET", "/v1/collections", "models", self._collections),
            Route("GET", "/v1/hardware", "account", self._hardware),
            Route("GET", "/v1/account", "account", self._account),
            Route("GET", "/v1/webhooks/default/secret", "secret", self._secret),
        )

    def deployment_model(self, slug: str) -> Model | None:
        """The model behind deployment ``owner/name``."""
        with self._guard:
            found = self._deployments.get(slug)
        return None if found is None else found.model

    def _null_schema(self) -> bool:
        return self._parts.faults.take("models.null_schema") is not None

    def _found(self, names: Mapping[str, str]) -> Model | None:
        return self._parts.catalog.by_slug(f"{names['owner']}/{names['name']}")

    def _page(self, results: list[JsonObject]) -> Response:
        return Response.of(200, checked("page", {"next": None, "previous": None, "results": results}))

    def _list(self, request: Request, names: Mapping[str, str]) -> Response:
        return self._page([self._parts.wire.model(model) for model in self._parts.catalog.models.values()])

    def _query(self, request: Request, names: Mapping[str, str]) -> Response:
        # Documented as text/plain; the official client 2.0.0b4 sends the text as a JSON string.
        query = request.body.decode().strip().strip('"')
        return self._page([self._parts.wire.model(model) for model in self._matching(query)])

    def _search(self, request: Request, names: Mapping[str, str]) -> Response:
        query = request.query.get("query")
        if not query:
            return Response.of(400, {"detail": 'Query parameter "query" is required'})
        limit = request.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 50:
            return Response.of(400, {"detail": 'Query parameter "limit" must be from 1 to 50'})
        models = [
            {"model": self._parts.wire.model(model), "metadata": {"tags": [], "score": 1.0}}
            for model in self._matching(query)[: int(limit)]
        ]
        return Response.of(200, {"query": query, "models": models, "collections": [], "pages": []})

    def _matching(self, query: str) -> list[Model]:
        text = query.strip().lower()
        return [
            model
            for model in self._parts.catalog.models.values()
            if text in model.slug.lower() or text in model.description.lower()
        ]

    def _get(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None:
            return _not_found()
        return Response.of(200, self._parts.wire.model(model, null_schema=self._null_schema()))

    def _versions(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None or not model.versions_listed:
            return _not_found()
        return self._page([self._parts.wire.version(model, null_schema=self._null_schema())])

    def _version(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None or not model.versions_listed or model.version != names["version"]:
            return _not_found()
        return Response.of(200, self._parts.wire.version(model, null_schema=self._null_schema()))

    def _examples(self, request: Request, names: Mapping[str, str]) -> Response:
        return _not_found() if self._found(names) is None else self._page([])

    def _readme(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None:
            return _not_found()
        return Response.text(200, f"# {model.slug}\n\n{model.description}\n")

    def _collections(self, request: Request, names: Mapping[str, str]) -> Response:
        # The string is what Replicate's own example of this page shows in place of null.
        return Response.of(200, {"next": "null", "previous": None, "results": []})

    def _hardware(self, request: Request, names: Mapping[str, str]) -> Response:
        return Response.of(200, [{"name": name, "sku": sku} for name, sku in HARDWARE])

    def _account(self, request: Request, names: Mapping[str, str]) -> Response:
        username = self._parts.username
        body = {
            "type": "user",
            "username": username,
            "name": username.title(),
            "github_url": f"https://github.com/{username}",
            "avatar_url": None,
        }
        return Response.of(200, checked("account", body))

    def _secret(self, request: Request, names: Mapping[str, str]) -> Response:
        return Response.of(200, {"key": self._parts.webhooks.secret})

    def _list_deployments(self, request: Request, names: Mapping[str, str]) -> Response:
        with self._guard:
            found = list(self._deployments.values())
        return self._page([self._deployment_body(item) for item in found])

    def _create_deployment(self, request: Request, names: Mapping[str, str]) -> Response:
        body = request.json()
        missing = [
            key
            for key in ("name", "model", "version", "hardware", "min_instances", "max_instances")
            if key not in body
        ]
        if missing:
            return _invalid([(key, f"{key} is required") for key in missing])
        found = self._parts.catalog.by_reference(f"{body['model']}:{body['version']}")
        if found is None:
            return _invalid([("version", "no such version of the model")])
        if problems := _bad_configuration(body):
            return _invalid(problems)
        deployment = _Deployment(
            body["name"],
            found[0],
            body["hardware"],
            body["min_instances"],
            body["max_instances"],
            1,
            self._parts.clock.now(),
        )
        with self._guard:
            self._deployments[f"{self._parts.username}/{deployment.name}"] = deployment
        return Response.of(200, self._deployment_body(deployment))

    def _get_deployment(self, request: Request, names: Mapping[str, str]) -> Response:
        with self._guard:
            found = self._deployments.get(f"{names['owner']}/{names['name']}")
        return _not_found() if found is None else Response.of(200, self._deployment_body(found))

    def _update_deployment(self, request: Request, names: Mapping[str, str]) -> Response:
        slug = f"{names['owner']}/{names['name']}"
        body = request.json()
        if problems := _bad_configuration(body):
            return _invalid(problems)
        with self._guard:
            found = self._deployments.get(slug)
            if found is None:
                return _not_found()
            found = self._deployments[slug] = replace(
                found,
                hardware=body.get("hardware", found.hardware),
                min_instances=body.get("min_instances", found.min_instances),
                max_instances=body.get("max_instances", found.max_instances),
                number=found.number + 1,
                created_at=self._parts.clock.now(),
            )
        return Response.of(200, self._deployment_body(found))

    def _delete_deployment(self, request: Request, names: Mapping[str, str]) -> Response:
        with self._guard:
            found = self._deployments.pop(f"{names['owner']}/{names['name']}", None)
        return _not_found() if found is None else Response(204)

    def _deployment_body(self, item: _Deployment) -> JsonObject:
        username = self._parts.username
        creator = {"type": "user", "username": username, "name": username.title()}
        release = {
            "number": item.number,
            "model": item.model.slug,
            "version": item.model.version,
            "created_at": rfc3339(item.created_at),
            "created_by": creator,
            "configuration": {
                "hardware": item.hardware,
                "min_instances": item.min_instances,
                "max_instances": item.max_instances,
            },
        }
        body = {"owner": username, "name": item.name, "current_release": checked("release", release)}
        return checked("deployment", body)


def _bad_configuration(body: JsonObject) -> list[tuple[str, str]]:
    skus = [sku for _, sku in HARDWARE]
    found: list[tuple[str, str]] = []
    if "hardware" in body and body["hardware"] not in skus:
        found.append(
            (
                "hardware",
                f"{body['hardware']} is not a valid hardware SKU. Your options are: {', '.join(skus)}",
            )
        )
    for key, limit in (("min_instances", 5), ("max_instances", 20)):
        if key in body and not (isinstance(body[key], int) and 0 <= body[key] <= limit):
            found.append((key, f"must be from 0 to {limit}"))
    return found


def _invalid(problems: list[tuple[str, str]]) -> Response:
    lines = "".join(f"\n- {key}: {text}" for key, text in problems)
    errors = [{"pointer": f"/{key}", "detail": text} for key, text in problems]
    return problem(400, f"The following errors occurred:{lines}", "Validation failed", errors=errors)


def _not_found() -> Response:
    return problem(404, "The requested resource could not be found.", "Not found")
