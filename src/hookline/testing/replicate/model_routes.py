"""Models, versions, deployments, search, hardware and the account."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hookline.testing.clock import rfc3339
from hookline.testing.httpd import Request, Response
from hookline.testing.replicate.catalog import Model, openapi_schema
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

_DETAILS = ("description", "github_url", "paper_url", "license_url", "cover_image_url")
_COLLECTION = {"name": "Built-in models", "slug": "built-in", "description": "Models of the stand-in"}


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
            Route("POST", "/v1/models", "models", self._create),
            Route("PATCH", one, "models", self._update),
            Route("DELETE", one, "models", self._delete),
            Route("DELETE", f"{one}/versions/{{version}}", "models", self._delete_version),
            Route("GET", f"{one}/examples", "models", self._examples),
            Route("GET", f"{one}/readme", "models", self._readme),
            Route("GET", "/v1/deployments", "models", self._list_deployments),
            Route("POST", "/v1/deployments", "models", self._create_deployment),
            Route("GET", deployment, "models", self._get_deployment),
            Route("PATCH", deployment, "models", self._update_deployment),
            Route("DELETE", deployment, "models", self._delete_deployment),
            Route("GET", "/v1/collections", "models", self._collections),
            Route("GET", "/v1/collections/{slug}", "models", self._collection),
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
        if not model.published:
            return self._page([])
        null_schema = self._null_schema()
        versions = model.all_versions
        return self._page([self._parts.wire.version(each, null_schema=null_schema) for each in versions])

    def _version(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        version = model.with_version(names["version"]) if model is not None else None
        if model is None or not model.versions_listed or version is None:
            return _not_found()
        return Response.of(200, self._parts.wire.version(version, null_schema=self._null_schema()))

    def _examples(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None:
            return _not_found()
        example = self._parts.wire.example(model)
        return self._page([] if example is None else [example])

    def _readme(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None or (model.owner == self._parts.username and model.readme is None):
            return _not_found()
        return Response.text(200, model.readme or f"# {model.slug}\n\n{model.description}\n")

    def _create(self, request: Request, names: Mapping[str, str]) -> Response:
        body = request.json()
        missing = [key for key in ("owner", "name", "visibility", "hardware") if key not in body]
        if missing:
            return _invalid([(key, f"{key} is required") for key in missing])
        if body["owner"] != self._parts.username:
            return problem(403, "You may not create models for this owner.", "Forbidden")
        found = _bad_configuration(body)
        if body["visibility"] not in ("public", "private"):
            found.append(("visibility", "must be public or private"))
        slug = f"{body['owner']}/{body['name']}"
        if self._parts.catalog.by_slug(slug) is not None:
            found.append(("name", "A model with that name and owner already exists"))
        if found:
            return _invalid(found)
        details = {key: str(value) for key, value in body.items() if key in _DETAILS and value is not None}
        schema = openapi_schema({}, [], {})
        model = Model(
            body["owner"],
            body["name"],
            details.get("description", ""),
            schema,
            None,
            published=False,
            visibility=body["visibility"],
            details=details,
        )
        self._parts.catalog.put(model)
        return Response.of(201, self._parts.wire.model(model))

    def _update(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None:
            return _not_found()
        if model.owner != self._parts.username:
            return problem(403, "You may not change this model.", "Forbidden")
        body = {key: str(value) for key, value in request.json().items() if value is not None}
        unknown = sorted(set(body) - {*_DETAILS, "readme", "weights_url"})
        if unknown:
            return _invalid([(key, f"Additional property {key} is not allowed") for key in unknown])
        readme = body.pop("readme", model.readme)
        changed = replace(model, details={**model.details, **body}, readme=readme)
        self._parts.catalog.put(changed)
        return Response.of(200, self._parts.wire.model(changed))

    def _delete(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if model is None:
            return _not_found()
        if model.owner != self._parts.username or model.visibility != "private" or model.published:
            return problem(403, "Only your own private models without versions can be deleted.", "Forbidden")
        self._parts.catalog.remove(model.slug)
        return Response(204)

    def _delete_version(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._found(names)
        if not _shows(model, names["version"]) or model is None:
            return _not_found()
        with self._guard:
            deployed = any(item.model.version == model.version for item in self._deployments.values())
        if model.owner != self._parts.username or deployed:
            return problem(403, "This version cannot be deleted.", "Forbidden")
        self._parts.catalog.put(replace(model, published=False))
        return Response(202)

    def _collections(self, request: Request, names: Mapping[str, str]) -> Response:
        # The text is what Replicate's own example shows in place of null; its client 2.x follows it.
        following = "null" if self._parts.faults.take("list.null_string_next") else None
        found = {"next": following, "previous": None, "results": [checked("collection", dict(_COLLECTION))]}
        return Response.of(200, checked("page", found))

    def _collection(self, request: Request, names: Mapping[str, str]) -> Response:
        if names["slug"] != _COLLECTION["slug"]:
            return _not_found()
        models = [
            self._parts.wire.model(model)
            for model in self._parts.catalog.models.values()
            if model.owner == "hookline"
        ]
        return Response.of(200, {**_COLLECTION, "full_description": None, "models": models})

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
            model = found.model
            if "version" in body:
                release = self._parts.catalog.by_reference(f"{model.slug}:{body['version']}")
                if release is None:
                    return _invalid([("version", "no such version of the model")])
                model = release[0]
            found = self._deployments[slug] = replace(
                found,
                model=model,
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


def _shows(model: Model | None, version: str) -> bool:
    return model is not None and model.versions_listed and model.published and model.version == version


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
