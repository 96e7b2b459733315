"""The registry of HTTP operations: each says once what it takes, gives and refuses.

    @operation(answers={201: shapes.Channel}, errors=("channel_exists",))
    async def create(call: Call[NoQuery, NewChannel]) -> web.Response:
        ...

From that come the handler that aiohttp runs (who calls, then query and body,
checked), and the description in ``/openapi.json``. What an operation takes is
read from its signature. Where it stands is the matter of ``routes``.
"""

import enum
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

import attrs
import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from chat_core import Chat, Person
from chat_web.app_keys import CHAT
from chat_web.encoding.strict_json import NotUnderstood, decoded
from chat_web.http.auth import Identity, caller_of
from chat_web.http.errors import STATUS, Rejected
from chat_web.http.rate_limits import REQUEST_LIMITS, SOURCE_LIMITS

HTML: Final = "text/html"
TEXT: Final = "text/plain"
FILE: Final = "application/octet-stream"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
FORM_FIELDS_MAX: Final = 32

_MISSING: Final = re.compile(r"Object missing required field `(.+)`")


class Caller(enum.Enum):
    """The callers that an operation allows."""

    ANYBODY = "anybody"
    GUEST = "anybody, and a guest's token counts"
    PERSON = "who has a token"


@attrs.frozen
class NoQuery:
    """Nothing is asked for after the ``?``."""


@attrs.frozen
class NoBody:
    """No body is read."""


Q = TypeVar("Q")
B = TypeVar("B")


@attrs.frozen
class Call(Generic[Q, B]):
    """One request to an operation, as far as it was understood."""

    request: web.Request
    identity: Identity | None
    query: Q
    body: B

    @property
    def caller(self) -> Identity:
        """The caller of an operation that requires a token."""
        if self.identity is None:
            raise TypeError("this operation is for anybody: who calls is not known")
        return self.identity

    @property
    def person(self) -> Person:
        return self.caller.person

    @property
    def source(self) -> str:
        """The pseudonym of where the request comes from."""
        return self.request.app[SOURCE_LIMITS].of(self.request, self.now)

    @property
    def chat(self) -> Chat:
        return self.request.app[CHAT]

    @property
    def now(self) -> float:
        return self.chat.clock.now()

    def path(self, name: str) -> str:
        """The value of this path parameter."""
        return self.request.match_info[name]


Answers: TypeAlias = Mapping[int, Any]
"""By status: the type of the JSON, one of the media types above, or None where there is no body."""


@attrs.frozen(eq=False)
class Operation:
    """One operation: a method on a path."""

    handle: Handler
    name: str
    tag: str
    summary: str
    caller: Caller
    query: type[Any]
    body: type[Any]
    answers: Answers
    errors: Sequence[str]
    takes_form: bool = False

    @property
    def takes_body(self) -> bool:
        return self.body is not NoBody

    @property
    def needs_body(self) -> bool:
        """Whether an empty body means something else than ``{}``."""
        return _is_needed(self.body)

    def all_errors(self) -> Sequence[str]:
        """Every error code of the operation, including those of the middlewares."""
        codes = [*self.errors, "too_many", "too_slow", "unavailable"]
        if self.caller is not Caller.ANYBODY:
            codes.append("unauthenticated")
        if self.query is not NoQuery:
            codes.append("invalid")
        if self.takes_body:
            codes += ["bad_request", "too_large", "unsupported_media_type", "invalid"]
        return sorted(set(codes), key=lambda code: (STATUS[code], code))


@attrs.frozen
class Route:
    """The route of an operation."""

    method: str
    path: str
    operation: Operation


_ApiHandler: TypeAlias = Callable[[Call[Any, Any]], Awaitable[web.Response]]


def operation(
    *,
    answers: Answers,
    errors: Sequence[str] = (),
    caller: Caller = Caller.PERSON,
    takes_form: bool = False,
) -> Callable[[_ApiHandler], Operation]:
    """An operation that takes what its ``call`` is said to hold, in JSON, or as a form too."""

    def declared(handler: _ApiHandler) -> Operation:
        query, body = get_args(get_type_hints(handler)["call"])
        decoder = msgspec.json.Decoder(body)
        empty_is = None if _is_needed(body) else b"{}"

        async def handle(request: web.Request) -> web.StreamResponse:
            identity = await _identity(request, caller)
            asked = NoQuery() if query is NoQuery else _query(request, query)
            if body is NoBody:
                sent = NoBody()
            elif takes_form and request.content_type == FORM:
                sent = await _form(request, body)
            else:
                sent = await _body(request, decoder, empty_is)
            return await handler(Call(request=request, identity=identity, query=asked, body=sent))

        return Operation(
            handle=handle,
            name=handler.__name__,
            tag=_tag(handler),
            summary=_summary(handler),
            caller=caller,
            query=query,
            body=body,
            answers=answers,
            errors=errors,
            takes_form=takes_form,
        )

    return declared


def plain(
    handler: Handler,
    summary: str,
    *,
    answers: Answers,
    errors: Sequence[str] = (),
    query: type[Any] = NoQuery,
    body: type[Any] = NoBody,
) -> Operation:
    """An operation that reads its request itself: a page, or the endpoint of a socket."""
    return Operation(
        handle=handler,
        name=getattr(handler, "__name__", "handler"),
        tag=_tag(handler),
        summary=summary,
        caller=Caller.ANYBODY,
        query=query,
        body=body,
        answers=answers,
        errors=errors,
    )


def install(app: web.Application, routes: Sequence[Route]) -> None:
    """Give the application its routes, in this order."""
    for route in routes:
        if route.method == hdrs.METH_GET:
            app.router.add_get(route.path, route.operation.handle)
        else:
            app.router.add_route(route.method, route.path, route.operation.handle)


def reply(shape: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=msgspec.json.encode(shape), content_type="application/json")


def nothing() -> web.Response:
    """The answer that has nothing to say (204)."""
    return web.Response(status=204)


def invalid(wrong: NotUnderstood, *, what: str) -> Rejected:
    """The refusal of what has another shape than it should; ``fields`` names the place."""
    if not wrong.is_json:
        return Rejected("bad_request", f"The {what} is no JSON that can be read: {wrong}.")
    place, reason = wrong.field, wrong.reason
    if (missing := _MISSING.fullmatch(reason)) is not None:
        place, reason = ".".join(filter(None, (place, missing[1]))), "This is needed."
    message = f"The {what} is not what is expected here: {wrong}."
    return Rejected("invalid", message, fields={place or what: reason})


def wrong_field(name: str, words: str) -> Rejected:
    """The refusal of one value."""
    return Rejected("invalid", words, fields={name: words})


async def _identity(request: web.Request, wanted: Caller) -> Identity | None:
    """Authenticates the caller and checks the rate: per person, or per source without a token."""
    app, now = request.app, request.app[CHAT].clock.now()
    if wanted is Caller.PERSON or (wanted is Caller.GUEST and hdrs.AUTHORIZATION in request.headers):
        identity = await caller_of(request)
        app[REQUEST_LIMITS].take(identity.person.id, now)
        return identity
    app[SOURCE_LIMITS].request(app[SOURCE_LIMITS].of(request, now), now)
    return None


def _query(request: web.Request, shape: type[Any]) -> Any:
    given = dict(request.query)
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(NotUnderstood(str(error), is_json=True), what="query") from None


async def json_body(request: web.Request, *, empty_is: bytes | None = None) -> bytes:
    """The body as it was sent. Rejects what is compressed or no JSON by its type, and an empty one."""
    raw = await _raw(request)
    if not raw:
        if empty_is is None:
            raise Rejected("bad_request", "A JSON body is required.")
        raw = empty_is
    elif request.content_type != JSON:
        raise Rejected("unsupported_media_type", "Send the body as application/json.")
    return raw


async def _body(request: web.Request, decoder: msgspec.json.Decoder[Any], empty_is: bytes | None) -> Any:
    raw = await json_body(request, empty_is=empty_is)
    try:
        return decoded(decoder, raw)
    except NotUnderstood as wrong:
        raise invalid(wrong, what="body") from None


async def _form(request: web.Request, shape: type[Any]) -> Any:
    """The fields of a form, the last of each name."""
    raw = await _raw(request)
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX
        )
    except ValueError:
        raise Rejected("bad_request", "The body is not a valid form.") from None
    try:
        return msgspec.convert(dict(pairs), shape, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(NotUnderstood(str(error), is_json=True), what="form") from None


async def _raw(request: web.Request) -> bytes:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Rejected("unsupported_media_type", "Send the body uncompressed.")
    return await request.read()


def _is_needed(body: type[Any]) -> bool:
    try:
        msgspec.convert({}, body)
    except msgspec.ValidationError:
        return True
    return False


def _tag(handler: Callable[..., object]) -> str:
    return handler.__module__.rpartition(".")[2]


def _summary(handler: Callable[..., object]) -> str:
    return (inspect.getdoc(handler) or "").split("\n\n")[0].replace("\n", " ")
