"""ClickHouse over HTTP: the real engine (chdb) behind the protocol that ClickHouse clients speak.

Speaks what clickhouse-connect and Grafana's ClickHouse plugin send (POST and GET with the query in
the URL or the body, data behind an INSERT, settings and ``param_x`` in the URL, content encodings,
errors with X-ClickHouse-Exception-Code). Source: ClickHouse documentation, "HTTP Interface".

Left out, being of no use to us: sessions (``session_id`` is accepted and each request stands for
itself), external tables and ClickHouse's own block compression (``compress=1``). Any user and
password is accepted: the server is for this machine only.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from echoarb.stack import encodings, native
from echoarb.stack.clickhouse_engine import Answer, Engine, EngineError, Statement
from echoarb.stack.loopback import guard
from echoarb.stack.ports import LOOPBACK
from echoarb.stack.serving import serve
from echoarb.stack.statements import names_format
from schemas.logs import get_logger

MAX_BODY_BYTES = 512 << 20
"""Largest request body, packed and unpacked."""
MAX_RUNNING = 16
MAX_WAITING = 200
"""Requests executing at once, and waiting for their turn; more are answered 503."""

TRANSPORT = frozenset(
    {
        *("query", "database", "default_format", "user", "password", "quota_key", "query_id"),
        *("session_id", "session_check", "session_timeout", "client_protocol_version", "role"),
        *("buffer_size", "wait_end_of_query", "compress", "decompress", "stacktrace"),
        *("enable_http_compression", "send_progress_in_http_headers"),
        *("http_headers_progress_interval_ms", "http_zlib_compression_level"),
    }
)
"""URL parameters that speak to the HTTP server rather than the engine: no settings."""

HTTP_STATUS = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 53, 62, 69, 72, 117, 130, 131, 441, 456, 457), 400),
    **dict.fromkeys((46, 47, 50, 56, 60, 73, 81, 115), 404),
    **{48: 501, 159: 408, 202: 503, 307: 413, 164: 403, 497: 403, 516: 403},
}
"""HTTP status by ClickHouse error code, as ClickHouse maps them; 500 for the rest."""

_CONTENT_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
}
log = get_logger("echoarb.clickhouse")


@dataclass(slots=True)
class State:
    """The engine and the threads that use it."""

    engine: Engine
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MAX_RUNNING, "clickhouse")
    )
    pending: int = 0


STATE = web.AppKey("state", State)


def build(engine: Engine, host: str = LOOPBACK) -> web.Application:
    """Return the web application over ``engine``, which is closed with it."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guard(host)])
    app[STATE] = State(engine)
    app.router.add_get("/ping", _ping)
    app.router.add_get("/replicas_status", _ping)
    app.router.add_route("*", "/", _query)
    app.on_cleanup.append(_close)
    return app


async def _close(app: web.Application) -> None:
    state = app[STATE]
    await asyncio.to_thread(state.threads.shutdown)
    state.engine.close()


async def _ping(request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n", headers={"Content-Type": "text/html; charset=UTF-8"})


async def _query(request: web.Request) -> web.Response:
    if request.method not in ("GET", "HEAD", "POST"):
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD", "POST"])
    if request.method != "POST" and not request.query:
        return await _ping(request)
    state = request.app[STATE]
    query_id = request.query.get("query_id") or str(uuid.uuid4())
    if state.pending >= MAX_RUNNING + MAX_WAITING:
        text = "Code: 202. DB::Exception: Too many requests. (TOO_MANY_SIMULTANEOUS_QUERIES)"
        return _refusal(state, query_id, EngineError(202, text))
    state.pending += 1
    try:
        fields, body = await _read(request)
        loop = asyncio.get_running_loop()
        accept = request.headers.get("Accept-Encoding", "")
        wanted = fields.get("enable_http_compression", "0") not in ("", "0", "false")
        encoding = encodings.choose(accept) if wanted else ""
        work = loop.run_in_executor(
            state.threads, _answer, state.engine, request, fields, body, encoding
        )
        statement, answer, payload = await work
    except EngineError as error:
        return _refusal(state, query_id, error)
    finally:
        state.pending -= 1
    headers = {
        "Content-Type": _CONTENT_TYPES.get(statement.output_format, "application/octet-stream"),
        "X-ClickHouse-Format": statement.output_format,
        "X-ClickHouse-Summary": json.dumps(answer.summary()),
        **_common_headers(state, query_id),
    }
    if encoding:
        headers["Content-Encoding"] = encoding
    return web.Response(body=payload, headers=headers)


async def _read(request: web.Request) -> tuple[dict[str, str], bytes]:
    """Return URL parameters (with form fields, which win) and the body as sent."""
    fields = dict(request.query)
    try:
        if request.content_type != "multipart/form-data":
            return fields, await request.read()
        for name, value in (await request.post()).items():
            if not isinstance(value, str):
                raise EngineError(
                    48, "Code: 48. DB::Exception: external tables are left out. (NOT_IMPLEMENTED)"
                )
            fields[name] = value
        return fields, b""
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large() from error


def _answer(
    engine: Engine, request: web.Request, fields: Mapping[str, str], body: bytes, encoding: str
) -> tuple[Statement, Answer, bytes]:
    """Unpack, execute and pack: everything that takes time, in a thread of its own."""
    statement = _statement(request, fields, body)
    answer = engine.run(statement)
    body = _for_client(answer.body, statement, fields.get("client_protocol_version", "0"))
    return statement, answer, encodings.pack(body, encoding)


def _for_client(body: bytes, statement: Statement, revision: str) -> bytes:
    """Return a Native result in the revision that the client asks for."""
    if statement.output_format != "Native" or names_format(statement.text):
        return body
    try:
        return native.upgraded(body, int(revision))
    except ValueError as error:
        text = f"Code: 48. DB::Exception: client_protocol_version: {error}. (NOT_IMPLEMENTED)"
        raise EngineError(48, text) from error


def _statement(request: web.Request, fields: Mapping[str, str], body: bytes) -> Statement:
    for name in ("compress", "decompress"):
        if fields.get(name, "0") not in ("", "0", "false"):
            raise EngineError(
                48,
                f"Code: 48. DB::Exception: {name}=1 is left out; use HTTP compression "
                "(Accept-Encoding, Content-Encoding) instead. (NOT_IMPLEMENTED)",
            )
    try:
        data = encodings.unpack(body, request.headers.get("Content-Encoding", ""), MAX_BODY_BYTES)
    except encodings.TooLarge as error:
        raise _too_large() from error
    except encodings.BadEncoding as error:
        raise EngineError(
            354, f"Code: 354. DB::Exception: {error}. (ZLIB_INFLATE_FAILED)"
        ) from error
    head = fields.get("query", "").encode()
    settings = {key: value for key, value in fields.items() if key not in TRANSPORT}
    parameters = {
        key.removeprefix("param_"): settings.pop(key)
        for key in list(settings)
        if key.startswith("param_")
    }
    if request.method != "POST":
        settings["readonly"] = "2"  # as ClickHouse has it: GET reads only
    headers = request.headers
    output = fields.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    return Statement(
        text=head + b"\n" + data if head else data,
        database=fields.get("database") or headers.get("X-ClickHouse-Database") or "",
        output_format=output,
        settings=settings,
        parameters=parameters,
    )


def _too_large() -> EngineError:
    text = f"Code: 307. DB::Exception: the body exceeds {MAX_BODY_BYTES} bytes. (TOO_MANY_BYTES)"
    return EngineError(307, text)


def _common_headers(state: State, query_id: str) -> dict[str, str]:
    return {
        "X-ClickHouse-Query-Id": "".join(c for c in query_id if c.isprintable())[:128],
        "X-ClickHouse-Timezone": state.engine.timezone,
        "X-ClickHouse-Server-Display-Name": "echoarb",
    }


def _refusal(state: State, query_id: str, error: EngineError) -> web.Response:
    log.debug("statement refused", code=error.code, query_id=query_id)
    return web.Response(
        status=HTTP_STATUS.get(error.code, 500),
        text=f"{error} (version {state.engine.version})\n",
        headers={
            "X-ClickHouse-Exception-Code": str(error.code),
            **_common_headers(state, query_id),
        },
    )


def main(
    data_dir: Annotated[
        Path, typer.Option(help="Folder of the tables; one process may use it at a time.")
    ] = Path("data/clickhouse"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = LOOPBACK,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8123,
) -> None:
    """Run ClickHouse over HTTP in the foreground, the engine in this process.

    Example: echoarb clickhouse --data-dir data/clickhouse --port 8123
    """
    serve(lambda: build(Engine(data_dir), host), host, port)


if __name__ == "__main__":
    from echoarb.commands.shell import run

    run(main)
