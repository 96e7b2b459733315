"""``/openapi.json``: OpenAPI 3.1, made from the registry of operations and nothing else."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from chat_core import VERSION
from chat_web.api.schemas import Problem
from chat_web.http.errors import STATUS
from chat_web.http.operations import FORM, JSON, Caller, NoBody, NoQuery, Operation, Route

OPENAPI: Final[web.AppKey[bytes]] = web.AppKey("openapi")

_REFERENCE: Final = "#/components/schemas/{name}"
_IN_PATH: Final = re.compile(r"\{(\w+)(?::([^{}]*))?\}")

_SECURITY: Final[Mapping[Caller, Sequence[Mapping[str, Sequence[str]]]]] = {
    Caller.ANYBODY: [],
    Caller.GUEST: [{"bearer": []}, {}],
    Caller.PERSON: [{"bearer": []}],
}

# What may stand in an address, by the name that it has there.
_PATH_WORDS: Final[Mapping[str, str]] = {
    "id": "A conversation's, message's or person's id",
    "room_id": "A room's id",
    "name": "A channel's name",
    "username": "A user name",
    "emoji": "One emoji",
    "user_id": "A label; it is not an identity",
    "digest": "The digest of all static files",
    "path": "A file's path",
}


def install(app: web.Application, routes: Sequence[Route]) -> None:
    """Make the document of these routes, once."""
    app[OPENAPI] = msgspec.json.encode(document(routes))


async def openapi(request: web.Request) -> web.Response:
    """``/openapi.json``"""
    return web.Response(body=request.app[OPENAPI], content_type="application/json")


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The description of every route."""
    schemas = _Schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": VERSION,
            "description": "A trailing slash changes nothing. Every failure has one shape.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def plain_path(path: str) -> str:
    """The path without the patterns of its parts."""
    return _IN_PATH.sub(r"{\1}", path)


class _Schemas:
    """The JSON schemas of everything that is taken or given."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._types: list[Any] = [Problem]
        for route in routes:
            for shape in _shapes(route.operation):
                if shape not in self._types:
                    self._types.append(shape)
        found, components = msgspec.json.schema_components(self._types, ref_template=_REFERENCE)
        self._found = found
        self.components = dict(components)
        for route in routes:  # a query stands as parameters, not as an object
            self.components.pop(route.operation.query.__name__, None)
        self._queries = components

    def of(self, shape: Any) -> dict[str, Any]:
        return self._found[self._types.index(shape)]

    def query(self, shape: type[Any]) -> Iterator[dict[str, Any]]:
        """The parameters of a query."""
        schema = self._queries[shape.__name__]
        for name, its in schema["properties"].items():
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": _without_null(its),
            }


def _shapes(operation: Operation) -> Iterator[Any]:
    if operation.query is not NoQuery:
        yield operation.query
    if operation.body is not NoBody:
        yield operation.body
    yield from (
        shape for shape in operation.answers.values() if shape is not None and shape.__class__ is not str
    )


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation = route.operation
    shown: dict[str, Any] = {
        "operationId": _name(route),
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": _SECURITY[operation.caller],
        "responses": {**_answers(operation, schemas), **_failures(operation)},
    }
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_WORDS[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name, _ in _IN_PATH.findall(route.path)
    ]
    if operation.query is not NoQuery:
        parameters.extend(schemas.query(operation.query))
    if parameters:
        shown["parameters"] = parameters
    if operation.takes_body:
        kinds = (JSON, FORM) if operation.takes_form else (JSON,)
        shown["requestBody"] = {
            "required": operation.needs_body,
            "content": {kind: {"schema": schemas.of(operation.body)} for kind in kinds},
        }
    return shown


def _name(route: Route) -> str:
    """One handler may stand at several addresses; an operation's id is one address's."""
    return "_".join((route.method.lower(), *re.findall(r"\w+", plain_path(route.path))))


def _answers(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, shape in operation.answers.items():
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if isinstance(shape, str):
            answer["content"] = {shape: {"schema": {"type": "string"}}}
        elif shape is not None:
            answer["content"] = {"application/json": {"schema": schemas.of(shape)}}
        answers[str(status)] = answer
    return answers


def _failures(operation: Operation) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in operation.all_errors():
        by_status.setdefault(STATUS[code], []).append(code)
    failures: dict[str, Any] = {}
    for status, codes in by_status.items():
        if status in operation.answers:  # said already, as an answer
            continue
        schema = {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "allOf": [{"$ref": _REFERENCE.format(name=Problem.__name__)}],
                    "properties": {"code": {"enum": codes}},
                }
            },
        }
        failure: dict[str, Any] = {
            "description": ", ".join(codes),
            "content": {"application/json": {"schema": schema}},
        }
        if "too_many" in codes or "unavailable" in codes:
            failure["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
        failures[str(status)] = failure
    return failures


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A value of a query is a text or it is not there: never null."""
    others = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    plain = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    if len(others) == 1:
        return {**plain, **others[0]}
    return {name: value for name, value in schema.items() if name != "default" or value is not None}
