"""What is refused, and how: problems, hostile input, headers, documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger

from api.cursor import GapKey, encode
from api.formats import MEDIA_TYPES
from api.settings import ApiSettings
from schemas.errors import EchoArbError
from tests.api.support import BASE_US, TOPIC, Api, Tables, make_tick, running

TICKS = "/api/v1/ticks"


WRONG: list[tuple[str, dict[str, str], str]] = [
    (TICKS, {"limit": "0"}, "limit"),
    (TICKS, {"limit": "10001"}, "limit"),
    (TICKS, {"limit": "ten"}, "limit"),
    (TICKS, {"platform": "betfair"}, "platform"),
    (TICKS, {"platform": ""}, "platform"),
    (TICKS, {"kind": "book"}, "kind"),
    (TICKS, {"order": "desc, 1"}, "order"),
    (TICKS, {"format": "xml"}, "format"),
    (TICKS, {"since": "yesterday"}, "since"),
    (TICKS, {"since": "0001-01-01T00:00:00Z"}, "since"),
    (TICKS, {"until": "9999-12-31T23:59:59Z"}, "until"),
    (TICKS, {"market": ""}, "market"),
    (TICKS, {"market": "x" * 257}, "market"),
    (TICKS, {"cursor": "x"}, "cursor"),
    (TICKS, {"cursor": "!!!!"}, "cursor"),
    (TICKS, {"cursor": encode(GapKey(BASE_US, TOPIC))}, "cursor"),
    (TICKS, {"cursor": "x" * 2000}, "cursor"),
    (TICKS, {"plattform": "kalshi"}, "plattform"),
    ("/api/v1/markets", {"status": "broken"}, "status"),
    ("/api/v1/markets", {"kind": "trade"}, "kind"),
    ("/api/v1/gaps", {"open": "maybe"}, "open"),
    ("/api/v1/gaps", {"reason": "weather"}, "reason"),
    ("/api/v1/subscriptions", {"limit": "-1"}, "limit"),
    ("/health", {"verbose": "1"}, "verbose"),
]


async def test_a_wrong_parameter_is_named(api: Api) -> None:
    for path, params, parameter in WRONG:
        found = await api.problem(400, path, **params)
        assert found["type"] == "urn:echoarb:problem:invalid-parameter"
        assert [item["parameter"] for item in found["errors"]] == [parameter], params


async def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    found = await api.problem(400, TICKS + "?platform=kalshi&platform=manifold")
    assert found["errors"] == [{"parameter": "platform", "detail": "is given more than once"}]


HOSTILE = [
    "' OR 1=1 --",
    "'; DROP TABLE ticks; --",
    "\\' OR 1=1 --",
    "x\\",
    "{rows:UInt32}",
    "\t\n\r",
    "\u0000",
    "%27",
    "ü🙂",
    "') UNION ALL SELECT * FROM system.tables --",
]


async def test_hostile_text_is_only_ever_a_value(api: Api, tables: Tables) -> None:
    ticks = [make_tick(at, market_id=text, outcome_id=text) for at, text in enumerate(HOSTILE)]
    tables.insert("ticks", ticks, TOPIC)
    for text in HOSTILE:
        found = (await api.get(TICKS, market=text, outcome=text))["data"]
        assert [row["market_id"] for row in found] == [text]
        assert (await api.get("/api/v1/markets", search=text))["data"] == []
        assert (await api.get("/api/v1/gaps", market=text))["data"] == []
    assert len((await api.get(TICKS))["data"]) == len(HOSTILE)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404),
        ("GET", "/schema/nope", 404),
        ("GET", "/api/v1/ticks/1", 404),
        ("POST", TICKS, 405),
    ],
)
async def test_what_is_not_served(api: Api, method: str, path: str, status: int) -> None:
    async with api.http.request(method, api.url + path) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        found = await answer.json()
        assert found["request_id"] == answer.headers["X-Request-ID"]
        assert ("Allow" in answer.headers) == (status == 405)


async def test_a_large_body_is_refused(api: Api) -> None:
    async with api.http.post(api.url + TICKS, data=b"x" * 70_000) as answer:
        assert (answer.status, answer.content_type) == (413, "application/problem+json")


async def test_a_fault_of_ours_is_logged_and_its_details_kept_from_the_client(
    api: Api, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables.client.command("DROP TABLE markets")
    tables.client.command(
        "CREATE TABLE markets (platform String) ENGINE = ReplacingMergeTree ORDER BY platform"
    )
    captured = CapturingLogger()
    monkeypatch.setattr("api.errors.log", captured)
    found = await api.problem(500, "/api/v1/markets")
    assert found["request_id"]
    assert not any(word in json.dumps(found) for word in ("SELECT", "ClickHouse", "Traceback"))
    [call] = captured.calls
    assert isinstance(call.kwargs["exc_info"], EchoArbError)
    assert "UNKNOWN_IDENTIFIER" in str(call.kwargs["exc_info"].__cause__)


async def test_a_query_over_its_limits_says_what_to_do(
    settings: ApiSettings, tables: Tables
) -> None:
    tables.insert("ticks", [make_tick(at) for at in range(2000)], TOPIC)
    strict = settings.model_copy(update={"api_query_rows": 1000})
    async with running(strict) as api:
        found = await api.problem(422, TICKS)
        assert "narrow it by platform" in found["detail"]
    slow = settings.model_copy(update={"api_query_seconds": 0.000_001})
    async with running(slow) as api:
        found = await api.problem(422, TICKS)


async def test_missing_tables_are_named_with_the_remedy(settings: ApiSettings) -> None:
    empty = settings.model_copy(update={"clickhouse_database": "nowhere"})
    async with running(empty) as api:
        found = await api.problem(503, TICKS)
        assert "echoarb migrate" in found["detail"]


async def test_headers(api: Api) -> None:
    async with api.http.get(api.url + "/health", headers={"X-Request-ID": "abc-1.2"}) as answer:
        assert answer.headers["X-Request-ID"] == "abc-1.2"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Server" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers
    for hostile in ("a b", "x" * 65, "a\tb"):
        async with api.http.get(api.url + "/health", headers={"X-Request-ID": hostile}) as answer:
            assert answer.headers["X-Request-ID"] != hostile


async def test_cors_is_for_listed_origins_only(settings: ApiSettings) -> None:
    listed = settings.model_copy(
        update={"api_cors_origins": "https://a.example, https://b.example"}
    )
    async with running(listed) as api:
        for origin, allowed in (("https://b.example", True), ("https://c.example", False)):
            async with api.http.get(api.url + "/health", headers={"Origin": origin}) as answer:
                found = answer.headers.get("Access-Control-Allow-Origin")
                assert found == (origin if allowed else None)


async def test_the_documents_describe_every_route_and_load_nothing(api: Api) -> None:
    document = await api.get("/schema/openapi.json")
    ticks = document["paths"][TICKS]["get"]
    assert {item["name"] for item in ticks["parameters"]} == {
        *("platform", "market", "outcome", "kind", "since", "until"),
        *("order", "limit", "cursor", "format", "view", "source"),
    }
    assert set(ticks["responses"]) == {
        *("200", "400", "401", "403", "406", "422", "429", "503", "504")
    }
    assert set(ticks["responses"]["200"]["content"]) == set(MEDIA_TYPES.values())
    async with api.http.get(api.url + "/docs") as answer:
        assert answer.content_type == "text/html"
        page = await answer.text()
    for path in (*document["paths"], "/ws/ticks", "subscribe"):
        assert path in page
    for outside in ("http:", "https:", "//", "<script", "<link", "@import", "url("):
        assert outside not in page, outside
    assert (await api.get("/"))["docs"] == "/docs"
    assert (await api.get("/health"))["status"] == "degraded"


async def test_requests_are_counted(api: Api) -> None:
    from prometheus_client import REGISTRY

    labels = {"route": TICKS, "method": "GET", "status": "400"}
    before = REGISTRY.get_sample_value("echoarb_api_requests_total", labels) or 0
    await api.problem(400, TICKS, limit="0")
    assert REGISTRY.get_sample_value("echoarb_api_requests_total", labels) == before + 1
    await api.problem(404, "/nope")
    unknown = {"route": "unknown", "method": "GET", "status": "404"}
    assert REGISTRY.get_sample_value("echoarb_api_requests_total", unknown)


def test_settings_list_their_origins(tmp_path: Path) -> None:
    found = ApiSettings(_env_file=None, api_cors_origins=" https://a.example/ ,,https://b.example")
    assert found.cors_origins() == ["https://a.example", "https://b.example"]
