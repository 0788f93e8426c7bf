"""Every error as application/problem+json (RFC 9457), without a word of how the server is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from api.cursor import InvalidCursor
from api.models import Problem
from api.store import TooExpensive
from schemas.errors import Transient
from schemas.logs import get_logger

log = get_logger("echoarb.api")

MEDIA_TYPE: Any = "application/problem+json"
_SUBJECT = "urn:echoarb:problem:"
_MISSING = re.compile(r"Missing required query parameter '([a-z_]+)'")
"""How Litestar names a parameter that was not given: in words only."""


class InvalidParameter(HTTPException):
    """A parameter is wrong: which one, and what it has to be."""

    status_code = 400

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail=detail)
        self.parameter = parameter


class NotAcceptable(HTTPException):
    """The Accept header names nothing that the route can give."""

    status_code = 406


class NotReady(HTTPException):
    """A dependency is away."""

    status_code = 503

    def __init__(self, dependencies: dict[str, str]) -> None:
        super().__init__(detail="a dependency is away")
        self.dependencies = dependencies


class Declined(HTTPException):
    """A problem in words of its own: a thing that isn't there, a state that doesn't allow it.

    ``kind`` names the type of problem, such as ``unknown-pair``; ``retry_after`` is seconds.
    """

    def __init__(self, status: int, kind: str, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail=detail, status_code=status)
        self.kind = kind
        self.retry_after = retry_after


def problem_spec(description: str) -> ResponseSpec:
    """Return an error answer for the OpenAPI document."""
    return ResponseSpec(
        Problem, generate_examples=False, description=description, media_type=MEDIA_TYPE
    )


def answers(page: Any = None) -> dict[int, ResponseSpec]:
    """Return what a route may answer, for the OpenAPI document; ``page`` is the shape of 200."""
    problems = {
        400: "A parameter is wrong; errors says which",
        401: "A key is needed, or the one given is not valid",
        403: "The key lacks the scope, or the host or origin is not allowed",
        422: "The query goes over a limit and has to be narrowed",
        429: "Too many requests; Retry-After says when to come back",
        503: "A dependency is away; try again",
        504: "The request took too long",
    }
    found = {status: problem_spec(text) for status, text in problems.items()}
    if page is not None:
        found[200] = ResponseSpec(page, generate_examples=False, description="A page")
    return found


def body(problem: Problem) -> bytes:
    """Return a problem's JSON."""
    return msgspec.json.encode(problem)


def respond(
    request: Request[Any, Any, Any], problem: Problem, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """Return the response that carries a problem."""
    problem.request_id = request.scope["state"].get("request_id")
    return Response(
        body(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


def simple(status: int, detail: str) -> Problem:
    """Return a problem that its HTTP status says all about."""
    return Problem(HTTPStatus(status).phrase, status, detail)


def _invalid(errors: list[dict[str, str]]) -> Problem:
    detail = "; ".join(f"{item['parameter']}: {item['detail']}" for item in errors)
    return Problem("Invalid parameter", 400, detail, _SUBJECT + "invalid-parameter", errors=errors)


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer an error that has an HTTP status: 404, 405, 413, ..."""
    if isinstance(error, InvalidParameter):
        return respond(request, _invalid([{"parameter": error.parameter, "detail": error.detail}]))
    if isinstance(error, ValidationException):
        return respond(request, _invalid(_validation_errors(error)))
    if isinstance(error, NotReady):
        problem = simple(503, error.detail)
        problem.type = _SUBJECT + "not-ready"
        problem.dependencies = dict(error.dependencies)
        away = [name for name, state in error.dependencies.items() if state != "ok"]
        problem.detail = f"not ready: {', '.join(away)}"
        return respond(request, problem, {"Retry-After": "5"})
    if isinstance(error, Declined):
        problem = simple(error.status_code, error.detail)
        problem.type = _SUBJECT + error.kind
        wait = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        return respond(request, problem, wait)
    if error.status_code >= 500:
        return on_unexpected(request, error)
    headers = {"Allow": _allowed(error)} if error.status_code == 405 else None
    return respond(request, simple(error.status_code, _details(request, error)), headers)


def _allowed(error: HTTPException) -> str:
    methods = (error.headers or {}).get("allow", "GET, OPTIONS")
    return ", ".join(sorted(method.strip() for method in methods.split(",")))


def _details(request: Request[Any, Any, Any], error: HTTPException) -> str:
    if error.status_code == 404:
        return "nothing is served at this path; /docs lists what is"
    if error.status_code == 405:
        return f"{request.method} is not served at this path"
    return error.detail


def _validation_errors(error: ValidationException) -> list[dict[str, str]]:
    extra = error.extra if isinstance(error.extra, list) else []
    found = [
        {"parameter": str(item.get("key", "?")), "detail": str(item.get("message", "invalid"))}
        for item in extra
        if isinstance(item, dict)
    ]
    if not found and (missing := _MISSING.match(error.detail)):
        return [{"parameter": missing[1], "detail": "has to be given"}]
    return found or [{"parameter": "request", "detail": "invalid"}]


def on_cursor(request: Request[Any, Any, Any], error: InvalidCursor) -> Response[bytes]:
    """Answer a cursor that is none of ours."""
    return respond(request, _invalid([{"parameter": "cursor", "detail": str(error)}]))


def on_expensive(request: Request[Any, Any, Any], error: TooExpensive) -> Response[bytes]:
    """Answer a query that went over a limit."""
    detail = f"{error}: narrow it by platform, market, since or until"
    problem = Problem("Query too expensive", 422, detail, _SUBJECT + "query-too-expensive")
    return respond(request, problem)


def on_transient(request: Request[Any, Any, Any], error: Transient) -> Response[bytes]:
    """Answer while a dependency is away."""
    return respond(request, simple(503, str(error)), {"Retry-After": "5"})


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a fault of ours: the log has the traceback, the client the request id."""
    log.error("request failed", path=request.url.path, exc_info=error)
    return respond(request, simple(500, "the server failed; its log has more"))


HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: on_http,
    InvalidCursor: on_cursor,
    TooExpensive: on_expensive,
    Transient: on_transient,
    Exception: on_unexpected,
}
