"""A schema registry for one machine: Confluent's REST paths over the schemas in schemas/.

Read only: ids follow from the order of schemas/topics.py, so nothing has to be kept. Registering
a schema that is here answers its id, as Confluent's does; any other is refused. Source: Confluent
documentation, "Schema Registry API Reference".
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from aiohttp import web

from echoarb.stack.loopback import guard
from echoarb.stack.ports import LOOPBACK
from echoarb.stack.serving import serve
from schemas.codec import schema_text
from schemas.topics import TOPICS

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
MAX_BODY_BYTES = 1 << 20

SCHEMA_IDS: dict[str, int] = {
    name: number
    for number, name in enumerate(dict.fromkeys(topic.schema for topic in TOPICS.values()), 1)
}
"""Id by schema name: the order in which schemas/topics.py first names them, from 1."""
SUBJECTS: dict[str, str] = {topic.subject: topic.schema for topic in TOPICS.values()}
"""Schema name by subject."""
_BY_ID = {number: name for name, number in SCHEMA_IDS.items()}
VERSION = 1
"""Every subject has one version."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status, content_type=CONTENT_TYPE)


def _error(status: int, code: int, message: str) -> web.Response:
    return _json({"error_code": code, "message": message}, status)


def _no_subject(subject: str) -> web.Response:
    return _error(404, 40401, f"Subject '{subject[:200]}' not found.")


def _version(subject: str) -> dict[str, Any]:
    name = SUBJECTS[subject]
    return {
        "subject": subject,
        "version": VERSION,
        "id": SCHEMA_IDS[name],
        "schema": schema_text(name),
    }


async def _posted_schema(request: web.Request) -> Any:
    """Return the posted schema as JSON data. Raises ValueError."""
    body = json.loads(await request.read())
    if not isinstance(body, dict) or not isinstance(body.get("schema"), str):
        raise ValueError("the body needs a text field 'schema'")
    if body.get("schemaType", "AVRO") != "AVRO":
        raise ValueError("only AVRO schemas are kept here")
    return json.loads(body["schema"])


def _is_known(subject: str, schema: Any) -> bool:
    return bool(schema == json.loads(schema_text(SUBJECTS[subject])))


async def _subjects(request: web.Request) -> web.Response:
    prefix = request.query.get("subjectPrefix", "")
    return _json([subject for subject in SUBJECTS if subject.startswith(prefix)])


async def _versions(request: web.Request) -> web.Response:
    subject = request.match_info["subject"]
    return _json([VERSION]) if subject in SUBJECTS else _no_subject(subject)


async def _one_version(request: web.Request) -> web.Response:
    subject, version = request.match_info["subject"], request.match_info["version"]
    if subject not in SUBJECTS:
        return _no_subject(subject)
    if version not in (str(VERSION), "latest", "-1"):
        return _error(404, 40402, f"Version {version[:32]} not found.")
    if request.path.endswith("/schema"):
        return web.Response(text=schema_text(SUBJECTS[subject]), content_type=CONTENT_TYPE)
    return _json(_version(subject))


async def _register(request: web.Request) -> web.Response:
    subject = request.match_info["subject"]
    try:
        schema = await _posted_schema(request)
    except ValueError as error:
        return _error(422, 42201, f"Invalid schema: {error}")
    if subject not in SUBJECTS or not _is_known(subject, schema):
        what = "this schema is not its" if subject in SUBJECTS else "it is not one of the subjects"
        return _error(
            409,
            409,
            f"The local registry is read only and takes nothing new for '{subject[:200]}': {what} "
            "of schemas/topics.py. Use a real registry with --registry URL.",
        )
    return _json({"id": _version(subject)["id"]})


async def _look_up(request: web.Request) -> web.Response:
    subject = request.match_info["subject"]
    if subject not in SUBJECTS:
        return _no_subject(subject)
    try:
        schema = await _posted_schema(request)
    except ValueError as error:
        return _error(422, 42201, f"Invalid schema: {error}")
    if not _is_known(subject, schema):
        return _error(404, 40403, "Schema not found")
    return _json(_version(subject))


def _schema_name(request: web.Request) -> str | None:
    text = request.match_info["id"]
    return _BY_ID.get(int(text)) if text.isdecimal() and len(text) < 10 else None


def _by_id(answer: Callable[[str], web.Response]) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        name = _schema_name(request)
        if name is None:
            return _error(404, 40403, f"Schema {request.match_info['id'][:32]} not found")
        return answer(name)

    return handle


def _subject_versions(name: str) -> list[dict[str, Any]]:
    return [{"subject": each, "version": VERSION} for each, its in SUBJECTS.items() if its == name]


async def _compatibility(request: web.Request) -> web.Response:
    subject = request.match_info["subject"]
    if subject not in SUBJECTS:
        return _no_subject(subject)
    try:
        schema = await _posted_schema(request)
    except ValueError as error:
        return _error(422, 42201, f"Invalid schema: {error}")
    return _json({"is_compatible": _is_known(subject, schema)})


def _constant(value: Any) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        return _json(value)

    return handle


def build(host: str = LOOPBACK) -> web.Application:
    """Return the registry's web application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guard(host)])
    compatibility = {"compatibilityLevel": "BACKWARD_TRANSITIVE"}
    app.add_routes(
        [
            web.get("/", _constant({})),
            web.get("/subjects", _subjects),
            web.post("/subjects/{subject}", _look_up),
            web.get("/subjects/{subject}/versions", _versions),
            web.post("/subjects/{subject}/versions", _register),
            web.get("/subjects/{subject}/versions/{version}", _one_version),
            web.get("/subjects/{subject}/versions/{version}/schema", _one_version),
            web.post("/compatibility/subjects/{subject}/versions/{version}", _compatibility),
            web.get("/schemas/ids/{id}", _by_id(lambda name: _json({"schema": schema_text(name)}))),
            web.get(
                "/schemas/ids/{id}/schema",
                _by_id(
                    lambda name: web.Response(text=schema_text(name), content_type=CONTENT_TYPE)
                ),
            ),
            web.get(
                "/schemas/ids/{id}/subjects",
                _by_id(lambda name: _json([each["subject"] for each in _subject_versions(name)])),
            ),
            web.get(
                "/schemas/ids/{id}/versions", _by_id(lambda name: _json(_subject_versions(name)))
            ),
            web.get("/schemas/types", _constant(["AVRO"])),
            web.get("/config", _constant(compatibility)),
            web.get("/config/{subject}", _constant(compatibility)),
            web.get("/mode", _constant({"mode": "READONLY"})),
        ]
    )
    return app


def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8081,
) -> None:
    """Run the schema registry in the foreground: Confluent's paths, read only, nothing kept.

    Example: echoarb registry --port 8081
    """
    serve(lambda: build(host), host, port)


if __name__ == "__main__":
    from echoarb.commands.shell import run

    run(main)
