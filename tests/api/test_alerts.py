"""Alerts through the API: old fields, filters, pages, and acknowledgements that reach the table."""

from __future__ import annotations

import asyncio
import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from confluent_kafka import Consumer, TopicPartition

from api.settings import ApiSettings
from schemas.alert import Alert
from schemas.alert_detail import spread_detail
from schemas.clock import isoformat, now_us
from schemas.codec import decode_framed
from schemas.identity import event_id
from schemas.topics import ALERTS
from tests.agents.lab import Lab, until
from tests.api.support import BASE_US, TOPIC, Api, Broker, Tables, running
from tests.api.test_spreads import make_spread

PATH = "/api/v1/alerts"


def make_alert(at: int = 0, **changes: Any) -> Alert:
    """Return a raised alert about a spread, ``at`` microseconds after BASE_US."""
    spread = make_spread(at)
    alert = Alert(
        alert_id=event_id("alert", at, *sorted(str(item) for item in changes.items())),
        ts=BASE_US + at,
        rule="spread",
        subject="rate-cut",
        state="raised",
        severity="medium",
        raised_ts=BASE_US + at,
        cleared_ts=None,
        platform=None,
        market_id=None,
        pair_id="rate-cut",
        value=Decimal("0.12"),
        threshold=Decimal("0.03"),
        unit="probability",
        message="A cut?: 0.12 between KALSHI-POLYMARKET",
        detail=spread_detail(spread),
        acknowledged_by=None,
        acknowledged_ts=None,
        acknowledged_note=None,
    )
    return dataclasses.replace(alert, **changes)


def other(at: int, rule: str, **changes: Any) -> Alert:
    """Return an alert that is about no spread."""
    plain = {"pair_id": None, "detail": None, "value": None, "threshold": None, "unit": None}
    return make_alert(at, **{**plain, "rule": rule, "platform": "kalshi", **changes})


async def test_an_alert_has_the_old_fields_and_ours(api: Api, tables: Tables) -> None:
    sent = make_alert()
    tables.insert("alerts", [sent], TOPIC)
    page = await api.get(PATH)
    assert page["next_cursor"] is None
    [found] = page["data"]
    spread = found.pop("spread_result")
    assert found == {
        "alert_id": str(sent.alert_id),
        "rule": "spread",
        "subject": "rate-cut",
        "state": "raised",
        "severity": "medium",
        "message": "A cut?: 0.12 between KALSHI-POLYMARKET",
        "created_at": isoformat(BASE_US),
        "raised_ts": isoformat(BASE_US),
        "updated_ts": isoformat(BASE_US),
        "cleared_ts": None,
        "platform": None,
        "market_id": None,
        "pair_id": "rate-cut",
        "value": "0.12",
        "threshold": "0.03",
        "unit": "probability",
        "executable": (make_spread().best_edge or 0) > 0,
        "detail": None,
        "acknowledged_by": None,
        "acknowledged_ts": None,
        "acknowledged_note": None,
    }
    tables.insert("spreads", [make_spread()], TOPIC)
    assert spread["pair_id"] == make_spread().pair_id
    assert spread["timestamp"] == isoformat(make_spread().ts)
    assert {"kalshi_prob", "poly_prob", "manifold_prob", "max_spread"} < spread.keys()
    assert await api.get(f"{PATH}/{sent.alert_id}") == {**found, "spread_result": spread}


async def test_alerts_are_filtered(api: Api, tables: Tables) -> None:
    small = make_alert(1, value=Decimal("0.04"), pair_id="small", subject="small")
    silence = other(2, "silence", severity="high", detail='{"seen": 3}')
    done = make_alert(3, severity="critical", pair_id="done", value=Decimal("0.01"))
    records = [
        *(make_alert(0), small, silence, done),
        dataclasses.replace(done, state="cleared", cleared_ts=BASE_US + 9, ts=BASE_US + 9),
    ]
    tables.insert("alerts", records, TOPIC)
    big = make_alert(0)
    cases: list[tuple[dict[str, Any], list[Alert]]] = [
        ({}, [silence, big]),
        ({"min_threshold": 0}, [silence, small, big]),
        ({"min_threshold": "-0.0"}, [silence, small, big]),
        ({"min_threshold": "1e-300"}, [silence, small, big]),
        ({"min_threshold": 0.04}, [silence, small, big]),
        ({"min_threshold": 0.2}, [silence]),
        ({"state": "any"}, [done, silence, big]),
        ({"state": "cleared"}, [done]),
        ({"state": "raised"}, [silence, big]),
        ({"state": "acknowledged"}, []),
        ({"rule": "silence"}, [silence]),
        ({"rule": "' OR 1 --"}, []),
        ({"severity": "medium"}, [big]),
        ({"platform": "kalshi"}, [silence]),
        ({"pair_id": "rate-cut"}, [big]),
        ({"since": isoformat(BASE_US + 1)}, [silence]),
        ({"until": isoformat(BASE_US + 2), "min_threshold": 0}, [small, big]),
    ]
    for params, expected in cases:
        found = (await api.get(PATH, **params))["data"]
        assert [row["alert_id"] for row in found] == [str(a.alert_id) for a in expected], params
    found = (await api.get(PATH, rule="silence"))["data"]
    assert (found[0]["detail"], found[0]["spread_result"]) == ({"seen": 3}, None)


async def test_alerts_are_paged_newest_first(api: Api, tables: Tables) -> None:
    sent = [other(at // 3, "gap", subject=f"kalshi:{at}") for at in range(20)]
    tables.insert("alerts", sent, TOPIC)
    for limit in (1, 7, 20):
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await api.get(PATH, limit=limit, **cursor)
            found += [row["alert_id"] for row in page["data"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert len(found) == len(set(found)) == 20
        moments = {str(alert.alert_id): alert.raised_ts for alert in sent}
        assert [moments[each] for each in found] == sorted(moments.values(), reverse=True)


async def test_wrong_parameters_are_refused(api: Api) -> None:
    cases = {
        "min_threshold": ("1.5", "nan", "x"),
        "state": ("closed",),
        "in_state": ("open",),
        "severity": ("worst",),
        "platform": ("nyse",),
        "since": ("yesterday",),
        "limit": ("0", "10001"),
        "cursor": ("AAAA",),
        "rule": ("",),
        "alert_id": ("1",),
        "publisher": ("1",),
    }
    for name, values in cases.items():
        for value in values:
            problem = await api.problem(400, PATH, **{name: value})
            assert name in problem["detail"]


async def test_unknown_alerts(api: Api) -> None:
    problem = await api.problem(404, f"{PATH}/{UUID(int=0)}")
    assert problem["type"].endswith("unknown-alert")
    await api.problem(404, f"{PATH}/nonsense")
    await api.problem(400, f"{PATH}/{UUID(int=0)}", alert_id="x")
    status, problem = await acknowledge(api, UUID(int=0))
    assert (status, problem["type"]) == (404, "urn:echoarb:problem:unknown-alert")


async def acknowledge(api: Api, alert_id: UUID, body: Any = None) -> tuple[int, dict[str, Any]]:
    url = f"{api.url}{PATH}/{alert_id}/acknowledge"
    options: dict[str, Any] = {} if body is None else {"json": body}
    async with api.http.post(url, **options) as answer:
        found: dict[str, Any] = await answer.json()
        return answer.status, found


async def test_bad_acknowledgements_are_refused(api: Api, tables: Tables) -> None:
    sent, done = make_alert(0), make_alert(1, subject="b", state="cleared", cleared_ts=BASE_US + 5)
    tables.insert("alerts", [sent, done], TOPIC)
    bad = ({"by": ""}, {"by": "x" * 201}, {"note": 5}, {"who": "x"}, [], {"note": "x" * 2001}, "x")
    for body in bad:
        status, problem = await acknowledge(api, sent.alert_id, body)
        assert status == 400, (body, problem)
        assert problem["type"] == "urn:echoarb:problem:invalid-parameter"
    url = f"{api.url}{PATH}/{sent.alert_id}/acknowledge"
    async with api.http.post(
        url, data=b"{", headers={"content-type": "application/json"}
    ) as answer:
        assert answer.status == 400
    async with api.http.post(f"{url}?by=ada") as answer:
        assert answer.status == 400
    async with api.http.get(url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    for empty in (b"", b"null"):
        url = f"{api.url}{PATH}/{done.alert_id}/acknowledge"
        headers = {"content-type": "application/json"}
        async with api.http.post(url, data=empty, headers=headers) as answer:
            assert answer.status == 409, await answer.text()
    status, problem = await acknowledge(api, done.alert_id)
    assert (status, problem["type"]) == (409, "urn:echoarb:problem:alert-cleared")


async def test_without_kafka_an_acknowledgement_is_refused_for_now(
    api: Api, tables: Tables
) -> None:
    sent = make_alert(0)
    tables.insert("alerts", [sent], TOPIC)
    status, problem = await acknowledge(api, sent.alert_id)
    assert status == 503
    assert "Kafka" in problem["detail"]


async def test_an_acknowledgement_reaches_the_table(
    live_settings: ApiSettings, own_broker: Broker, tables: Tables, tmp_path: Path
) -> None:
    """From the API over Kafka and the sink to the view, and back through the API."""
    sent = other(0, "silence", subject="kalshi")
    lab = Lab(
        own_broker.address,
        live_settings.registry_url,
        live_settings.clickhouse_url,
        live_settings.clickhouse_database,
        tmp_path / "sink.log",
    )
    try:
        await asyncio.to_thread(lab.start)
        async with running(live_settings) as api:
            own_broker.publish(sent)
            await asyncio.to_thread(lab.wait_for_rows, 1, "alerts")
            before = now_us()
            body = {"by": "ada", "note": "known"}
            status, found = await acknowledge(api, sent.alert_id, body)
            assert status == 200
            assert (found["state"], found["acknowledged_by"]) == ("acknowledged", "ada")
            await asyncio.to_thread(lab.wait_for_rows, 2, "alerts")
            stored = await api.get(f"{PATH}/{sent.alert_id}")
            assert stored["acknowledged_ts"] >= isoformat(before)
            assert {**stored, "updated_ts": ""} == {**found, "updated_ts": ""}
            assert (await acknowledge(api, sent.alert_id, {"by": "bob"}))[
                1
            ] == stored  # the first counts
            assert [row["state"] for row in (await api.get(PATH))["data"]] == ["acknowledged"]
            own_broker.publish(
                dataclasses.replace(
                    sent, state="cleared", ts=now_us(), cleared_ts=now_us(), severity="critical"
                )
            )
            await asyncio.to_thread(lab.wait_for_rows, 3, "alerts")
            over = await api.get(f"{PATH}/{sent.alert_id}")
            assert (over["state"], over["severity"]) == ("cleared", "critical")
            assert (over["acknowledged_by"], over["acknowledged_note"]) == ("ada", "known")
            assert (await acknowledge(api, sent.alert_id))[0] == 409
        rows = lab.client.query(
            "SELECT state, acknowledged_by, acknowledged_note FROM alerts_latest"
        ).result_rows
        assert rows == [("cleared", "ada", "known")]
    finally:
        await asyncio.to_thread(lab.close)
    records = read_alerts(own_broker.address, 3)
    assert [(key, record.state) for key, record in records] == [
        ("silence:kalshi", "raised"),
        ("silence:kalshi", "acknowledged"),
        ("silence:kalshi", "cleared"),
    ]


def read_alerts(bootstrap: str, count: int) -> list[tuple[str, Alert]]:
    """Return keys and records of the topic alerts, by append time."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
    consumer.assign([TopicPartition(ALERTS.name, number, 0) for number in range(3)])
    found: list[tuple[int, str, Alert]] = []

    def enough() -> bool:
        message = consumer.poll(0.1)
        if message is not None:
            record = decode_framed("alert", message.value() or b"")
            assert isinstance(record, Alert)
            found.append((message.timestamp()[1], (message.key() or b"").decode(), record))
        return len(found) >= count

    until(enough)
    consumer.close()
    return [(key, record) for _, key, record in sorted(found, key=lambda item: item[0])]
