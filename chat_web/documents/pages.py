"""The pages that show the documents: ``/docs`` and ``/ws/docs``. They read what the registries say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import msgspec
from aiohttp import web

from chat_web.documents.asyncapi import DIALOGUES
from chat_web.documents.dialect_docs import CLOSE_CODES
from chat_web.documents.openapi import OPENAPI
from chat_web.pages import render


@attrs.frozen(kw_only=True)
class Entry:
    """One operation as the page shows it. ``body`` is an example of what it takes."""

    id: str
    method: str
    path: str
    summary: str
    needs_token: bool
    parameters: Sequence[Mapping[str, Any]]
    body: str | None
    answers: Sequence[tuple[str, str]]


async def http(request: web.Request) -> web.Response:
    """``/docs``"""
    document = msgspec.json.decode(request.app[OPENAPI])
    groups: dict[str, list[Entry]] = {}
    for path, operations in document["paths"].items():
        for method, its in operations.items():
            entry = _entry(method, path, its, document["components"]["schemas"])
            groups.setdefault(its["tags"][0].replace("_", " ").capitalize(), []).append(entry)
    return render(request, "docs.html", title="HTTP reference: Parley", groups=groups)


async def sockets(request: web.Request) -> web.Response:
    """``/ws/docs``"""
    return render(
        request,
        "ws_docs.html",
        title="WebSocket reference: Parley",
        dialogues=DIALOGUES,
        close_codes=CLOSE_CODES,
    )


def _entry(method: str, path: str, its: Mapping[str, Any], schemas: Mapping[str, Any]) -> Entry:
    body = None
    if "requestBody" in its:
        schema = its["requestBody"]["content"]["application/json"]["schema"]
        shown = msgspec.json.encode(example(schema, schemas))
        body = msgspec.json.format(shown, indent=2).decode()
    return Entry(
        id=its["operationId"],
        method=method.upper(),
        path=path,
        summary=its["summary"],
        needs_token=bool(its["security"]),
        parameters=its.get("parameters", ()),
        body=body,
        answers=[(status, answer["description"]) for status, answer in its["responses"].items()],
    )


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value that the schema takes, as plain as it may be."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    match schema.get("type"):
        case "object":
            return dict(_properties(schema, schemas))
        case "array":
            return []
        case "string":
            return "text"
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return None


def _properties(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, its in schema.get("properties", {}).items():
        yield name, example(its, schemas)
