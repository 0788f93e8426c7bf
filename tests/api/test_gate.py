"""Keys, scopes, hosts, origins and rates, at the served API."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from api import keys
from api.app import create_app
from api.feed import Feed
from api.gate import check, needed
from api.hub import Hub
from api.keys import Scope
from api.limits import Limits, network_of
from api.settings import ApiSettings
from api.store import Store
from schemas.errors import ConfigurationError
from tests.api.support import Api, read, running

LATEST = "/api/v1/latest"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def add(path: Path, *scopes: Scope, expires: str | None = None) -> str:
    key, token = keys.make("test", list(scopes), "2026-01-01T00:00:00.000000Z", expires)
    with keys.changing(path) as found:
        found.keys.append(key)
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(api: Api, path: str, headers: dict[str, str], method: str = "GET") -> int:
    async with api.http.request(method, api.url + path, headers=headers) as answer:
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["request_id"] == answer.headers["X-Request-ID"]
        return answer.status


def routes(settings: ApiSettings) -> list[tuple[str, str]]:
    """Return method and path of every route of the application."""
    app = create_app(settings, Store(settings), Feed(settings, Hub(settings)))
    found = []
    for route in app.routes:
        for method in getattr(route, "methods", None) or {"WEBSOCKET"}:  # a socket has none
            if method != "OPTIONS":
                found.append((str(method), re.sub(r"\{[^}]*\}", "x", route.path)))
    return sorted(found)


async def test_every_route_needs_its_scope(settings: ApiSettings, key_file: Path) -> None:
    """Over the whole table of routes: without a key, with each scope alone, with all."""
    tokens = {scope: add(key_file, scope) for scope in keys.SCOPES}
    change: dict[str, Any] = {"api_keys_file": str(key_file), "environment": "development"}
    change["api_request_seconds"] = 2  # some routes wait for the broker, which isn't there
    with_keys = settings.model_copy(update=change)
    table = routes(with_keys)
    assert len(table) > 25
    wanted = {
        path: needed("GET" if method == "WEBSOCKET" else method, path) for method, path in table
    }
    assert {path for method, path in table if method == "WEBSOCKET"} == {"/ws/ticks", "/ws/spreads"}
    assert {path for path, scope in wanted.items() if scope is None} == {
        *("/", "/health", "/ready", "/docs", "/schema", "/schema/openapi.json", "/schema/x"),
    }
    assert {path for path, scope in wanted.items() if scope not in (None, "read")} == {
        *("/api/v1/alerts/x/acknowledge", "/api/v1/debug/tick", "/api/v1/debug/update_price"),
    }
    async with running(with_keys) as api:

        async def held(method: str, path: str, scope: Scope | None, token: str) -> None:
            headers = bearer(token) if token else {}
            if method == "WEBSOCKET":
                found = await upgrade(api, path, headers)
            else:
                found = await status(api, path, headers, method)
            expected = {"": 401, tokens.get(wanted[path] or "read"): None}.get(token, 403)
            if wanted[path] is None or expected is None:
                assert found not in (401, 403), (method, path, scope)
            else:
                assert found == expected, (method, path, scope)

        holders: list[tuple[Scope | None, str]] = [(None, ""), *tokens.items()]
        await asyncio.gather(*(held(*route, *holder) for route in table for holder in holders))


async def upgrade(api: Api, path: str, headers: dict[str, str]) -> int:
    try:
        async with api.http.ws_connect(api.url + path, headers=headers):
            return 101
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status


async def test_ways_to_show_a_key(settings: ApiSettings, key_file: Path) -> None:
    token = add(key_file, "read")
    async with running(settings.model_copy(update={"api_keys_file": str(key_file)})) as api:
        assert await status(api, LATEST, bearer(token)) == 200
        assert await status(api, LATEST, {"X-API-Key": token}) == 200
        assert await status(api, LATEST, {"Authorization": f"Basic {token}"}) == 401
        # A browser's WebSocket can name subprotocols and nothing else.
        async with api.socket(protocols=("echoarb", token)) as ws:
            assert ws.protocol == "echoarb"
            await read(ws, "welcome")
        for protocols in ((), ("echoarb",), ("echoarb", token[:-1])):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await api.socket(protocols=protocols)
            assert refused.value.status == 401
        async with api.http.get(api.url + LATEST) as answer:
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="echoarb"'


async def test_keys_end_and_broken_files_leave_the_last_good_keys(
    settings: ApiSettings, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0)
    token = add(key_file, "read")
    old = add(key_file, "read", expires="2026-01-02T00:00:00.000000Z")
    async with running(settings.model_copy(update={"api_keys_file": str(key_file)})) as api:
        assert await status(api, LATEST, bearer(token)) == 200
        assert await status(api, LATEST, bearer(old)) == 401
        good = key_file.read_bytes()  # noqa: ASYNC240
        key_file.write_text("{")  # noqa: ASYNC240
        assert await status(api, LATEST, bearer(token)) == 200
        async with api.http.get(api.url + "/ready") as answer:
            assert "last good keys hold" in (await answer.json())["dependencies"]["keys"]
        key_file.write_bytes(good)  # noqa: ASYNC240
        new = add(key_file, "read")
        assert await status(api, LATEST, bearer(new)) == 200
        with keys.changing(key_file) as found:
            found.keys[0] = msgspec.structs.replace(found.keys[0], revoked="2026-01-01T00:00:00Z")
        assert await status(api, LATEST, bearer(token)) == 401


async def test_a_revoked_key_ends_its_websockets(
    settings: ApiSettings, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_SECONDS", 0)
    monkeypatch.setattr("api.key_watch.WATCH_SECONDS", 0.05)
    token, other = add(key_file, "read"), add(key_file, "read")
    async with running(settings.model_copy(update={"api_keys_file": str(key_file)})) as api:
        async with api.socket(headers=bearer(token)) as ws, api.socket(headers=bearer(other)) as on:
            await read(ws, "welcome")
            await read(on, "welcome")
            await ws.send_json({"type": "ping"})
            await read(ws, "pong")
            with keys.changing(key_file) as found:
                found.keys[0] = msgspec.structs.replace(
                    found.keys[0], revoked="2026-01-01T00:00:00Z"
                )
            while not (message := await ws.receive(timeout=30)).type == aiohttp.WSMsgType.CLOSE:
                assert message.type == aiohttp.WSMsgType.TEXT
            assert (message.data, message.extra) == (1008, "the key has ended")
            await api_clients(api, token=other, count=1)
            await on.send_json({"type": "ping"})
            while (await on.receive_json(timeout=30))["type"] != "pong":
                pass


async def api_clients(api: Api, token: str, count: int) -> None:
    """Wait until that many WebSocket clients are left."""
    async with asyncio.timeout(20):
        while True:
            async with api.http.get(api.url + "/ws/stats", headers=bearer(token)) as answer:
                if (await answer.json())["active_connections"] == count:
                    return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/api/v1/alerts/x/acknowledge/", "ack"),
        ("POST", "//api/v1//alerts/x/acknowledge", "ack"),
        ("POST", "/api/v1/whatever/comes", "ack"),
        ("DELETE", "/health", "ack"),
        ("POST", "//api/v1/debug/tick//", "debug"),
        ("GET", "/api/v1/debug", "debug"),
        ("GET", "/api/v1/debugger", "read"),
        ("GET", "/schemata", "read"),
        ("GET", "/health/", None),
        ("GET", "//", None),
        ("GET", "/docs/../api/v1/ticks", "read"),
    ],
)
def test_a_path_needs_its_scope_however_it_is_written(
    method: str, path: str, scope: Scope | None
) -> None:
    assert needed(method, path) == scope


async def test_slashes_lead_around_no_scope(settings: ApiSettings, key_file: Path) -> None:
    token = add(key_file, "read")
    change = {"api_keys_file": str(key_file), "environment": "development"}
    async with running(settings.model_copy(update=change)) as api:
        for path in (
            "/api/v1/alerts/01234567-89ab-8def-8123-456789abcdef/acknowledge/",
            "//api/v1/alerts/01234567-89ab-8def-8123-456789abcdef/acknowledge",
            "/api/v1/debug/tick/",
            "/api//v1/debug/tick",
            "/api/v1/debug%2Ftick",
            "/%61pi/v1/debug/tick",
        ):
            url = URL(api.url + path, encoded=True)
            async with api.http.post(url, headers=bearer(token)) as answer:
                assert answer.status == 403, path


async def test_pages_that_may_read_answers_may_read_refusals(
    settings: ApiSettings, key_file: Path
) -> None:
    add(key_file, "read")
    change = {"api_keys_file": str(key_file), "api_cors_origins": "https://ours.example"}
    async with running(settings.model_copy(update=change)) as api:
        for origin, allowed in (("https://ours.example", True), ("https://evil.example", False)):
            async with api.http.get(api.url + LATEST, headers={"Origin": origin}) as answer:
                assert answer.status == 401
                assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed
            ask = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            ask["Access-Control-Request-Headers"] = "authorization"
            async with api.http.options(api.url + LATEST, headers=ask) as answer:
                assert (answer.status < 300) == allowed, origin


async def test_a_head_that_does_not_come_ends_the_connection(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.server.HEAD_SECONDS", 0.3)
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with running(settings) as api:
        port = int(api.url.rsplit(":", 1)[1])
        for begun in (b"", b"GET /hea", whole[:-2]):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2 if begun == whole[:-2] else 0):  # those before it are answered
                writer.write(whole)
                assert await reader.readuntil(b"}") != b""
            writer.write(begun)
            assert await asyncio.wait_for(reader.read(), 30) == b""  # its end
            writer.close()
        async with api.socket() as ws:  # what has begun is not ended
            await read(ws, "welcome")
            await asyncio.sleep(0.5)
            await ws.send_json({"type": "ping"})
            while (await ws.receive_json(timeout=30))["type"] != "pong":
                pass


async def test_forwarded_addresses_count_from_trusted_proxies_only(settings: ApiSettings) -> None:
    change = {"api_rate_per_minute": 2}
    for trusted, found in (("", [200, 200, 429]), ("127.0.0.1", [200, 200, 200])):
        with_proxy = settings.model_copy(update={**change, "api_trusted_proxies": trusted})
        async with running(with_proxy) as api:
            asked = [{"X-Forwarded-For": f"10.0.0.{at}"} for at in range(3)]
            assert [await status(api, "/", headers) for headers in asked] == found


async def test_secrets_are_in_no_log(
    settings: ApiSettings, key_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = add(key_file, "read")
    async with running(settings.model_copy(update={"api_keys_file": str(key_file)})) as api:
        await status(api, LATEST, bearer(token))
        await status(api, LATEST, bearer(token[:-2]))
    out, err = capsys.readouterr()
    secret = token.split("_", 2)[2]
    assert secret not in key_file.read_text()  # noqa: ASYNC240
    for text in (out, err):
        assert secret not in text
        assert secret[:-2] not in text
    assert token.split("_")[1] in out + err  # which key it was is told


async def test_rates_are_limited_by_key_and_by_address(
    settings: ApiSettings, key_file: Path
) -> None:
    one, two = add(key_file, "read"), add(key_file, "read")
    change = {
        "api_keys_file": str(key_file),
        "api_rate_per_minute": 5,
        "api_failures_per_minute": 3,
    }
    async with running(settings.model_copy(update=change)) as api:
        found = [await status(api, LATEST, bearer(one)) for _ in range(6)]
        assert found == [200] * 5 + [429]
        assert await status(api, LATEST, bearer(two)) == 200
        async with api.http.get(api.url + LATEST, headers=bearer(one)) as answer:
            assert int(answer.headers["Retry-After"]) >= 1
        assert [await status(api, "/health", {}) for _ in range(10)] == [200] * 10
        wrong = bearer("ea_" + "0" * 12 + "_" + "x" * 43)
        assert [await status(api, LATEST, wrong) for _ in range(4)] == [401] * 3 + [429]
        assert await status(api, LATEST, bearer(two)) == 200  # whoever shares that address


async def test_without_keys_only_names_of_this_machine_are_answered(
    settings: ApiSettings,
) -> None:
    change = {"api_hosts": "board.example", "api_cors_origins": "https://ours.example"}
    async with running(settings.model_copy(update=change)) as api:
        for host, expected in (
            ("localhost", 200),
            ("127.0.0.1:8000", 200),
            ("[::1]:80", 200),
            ("Board.example:443", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("", 403),
        ):
            assert await status(api, "/health", {"Host": host}) == expected, host
        assert await upgrade(api, "/ws/ticks", {"Host": "evil.example"}) == 403
        acknowledge = "/api/v1/alerts/01234567-89ab-8def-8123-456789abcdef/acknowledge"
        for origin, expected in (
            ("https://evil.example", 403),
            ("https://ours.example", 404),
            (api.url, 404),
        ):
            assert await status(api, acknowledge, {"Origin": origin}, "POST") == expected, origin
        assert await status(api, "/health", {"Origin": "https://evil.example"}) == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "example.org", "127.evil.example"])  # noqa: S104
def test_an_open_api_does_not_leave_the_machine(settings: ApiSettings, host: str) -> None:
    beyond = settings.model_copy(update={"api_host": host})
    with pytest.raises(ConfigurationError, match=r"ECHOARB_API_KEYS_FILE.*ECHOARB_API_OPEN"):
        check(beyond)
    check(beyond.model_copy(update={"api_open": True}))
    check(settings.model_copy(update={"api_host": "127.0.0.2"}))


async def test_a_request_that_takes_too_long_is_ended(settings: ApiSettings) -> None:
    async with running(settings.model_copy(update={"api_request_seconds": 0.2})) as api:

        async def never() -> Any:
            yield b"{"
            await asyncio.sleep(60)

        path = "/api/v1/alerts/01234567-89ab-8def-8123-456789abcdef/acknowledge"
        headers = {"Content-Type": "application/json"}
        async with api.http.post(api.url + path, data=never(), headers=headers) as answer:
            assert answer.status == 504


def test_a_key_file_is_private_and_checked(key_file: Path) -> None:
    add(key_file, "read")
    assert key_file.stat().st_mode & 0o777 == 0o600
    for text, said in (
        ("{", "no list of keys"),
        ('{"keys": [{"id": "x"}]}', "no list of keys"),
        ('{"keys": [], "more": 1}', "no list of keys"),
        ("x" * (keys.MOST_BYTES + 1), "larger than"),
    ):
        key_file.write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            keys.read(key_file)
        with pytest.raises(ConfigurationError, match=said), keys.changing(key_file):
            pass
    key_file.unlink()
    add(key_file, "read")
    with pytest.raises(ConfigurationError, match="larger than"), keys.changing(key_file) as found:
        found.keys *= 5000
    key_file.unlink()
    (key_file / "a folder").mkdir(parents=True)  # can't be replaced by a file
    with pytest.raises(ConfigurationError, match="key file"), keys.changing(key_file):
        pass
    assert len(os.listdir(key_file.parent)) == 2  # the file and its lock: nothing half written


async def test_limits_forget_whom_they_saw_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.limits.MOST_CLIENTS", 2)
    limits = Limits(1)
    assert await limits.take("a") is None
    assert await limits.take("a") == 60
    assert [await limits.take(each) for each in ("b", "c")] == [None, None]
    assert await limits.take("a") is None


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("", ""),
    ],
)
def test_what_counts_as_one_client(address: str, client: str) -> None:
    assert network_of(address) == client
