"""GET /api/v1/alerts: what a person should look at; POST .../acknowledge: somebody has."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, Parameter, QueryParameter

from api import alert_queries as queries
from api import cursor as cursors
from api.alert_queries import State
from api.alert_view import Acknowledgement, Alert, AlertPage, record_of, view_of
from api.answer import OptionalBody
from api.errors import Declined, answers, problem_spec
from api.parameters import Cursor, Limit, Platform, Since, Until, instant, platform_of
from api.publish import Publisher
from api.store import Store
from schemas.alert import Alert as AlertRecord
from schemas.alert import Severity
from schemas.clock import now_us
from schemas.topics import ALERTS

AlertId = Annotated[UUID, Parameter(description="The alert's alert_id")]
MinThreshold = Annotated[
    float,
    Parameter(description="Leaves out open alerts about spreads below this", ge=0, le=1),
]
States = Annotated[
    State, QueryParameter(name="state", description="open: raised or acknowledged; any: all")
]
"""Not named state in signatures, which Litestar keeps for itself."""
Rule = Annotated[
    str | None,
    Parameter(
        description="spread, latency, age_growing, silence, gap, crossed_book, breaker_open, lag",
        min_length=1,
        max_length=64,
    ),
]
SeverityOf = Annotated[Severity | None, Parameter(description="Exactly this severity")]
PairId = Annotated[
    str | None, Parameter(description="The pair's id in the pair file", min_length=1, max_length=64)
]
_UNKNOWN = problem_spec("No such alert")


@get(
    "/api/v1/alerts",
    summary="Alerts",
    description="Each alert once, in its last known state, the one raised last first; by default "
    "the open ones. since and until bound when it was raised.",
    responses=answers(),
    tags=["alerts"],
)
async def alerts(
    store: NamedDependency[Store],
    min_threshold: MinThreshold = 0.05,
    in_state: States = "open",
    rule: Rule = None,
    severity: SeverityOf = None,
    platform: Platform = None,
    pair_id: PairId = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> AlertPage:
    """Return a page of alerts."""
    chosen = queries.AlertFilter(
        min_threshold=round(abs(Decimal(str(min_threshold))), 8),  # -0.0 passes for zero
        state=in_state,
        rule=rule,
        severity=severity,
        platform=platform_of(platform),
        pair_id=pair_id,
        since=instant("since", since),
        until=instant("until", until),
    )
    after = cursors.decode(cursors.AlertKey, cursor) if cursor else None
    table = await store.table(queries.alerts(chosen, after, limit + 1))
    found = [record_of(row) for row in table.to_pylist()]
    page = found[:limit]
    more = len(found) > limit
    return AlertPage([view_of(alert) for alert in page], _cursor(page[-1]) if more else None)


@get(
    "/api/v1/alerts/{alert_id:uuid}",
    summary="An alert",
    responses={**answers(), 404: _UNKNOWN},
    tags=["alerts"],
)
async def alert(store: NamedDependency[Store], alert_id: AlertId) -> Alert:
    """Return one alert in its last known state."""
    return view_of(await _find(store, alert_id))


@post(
    "/api/v1/alerts/{alert_id:uuid}/acknowledge",
    status_code=200,
    summary="Acknowledge an alert",
    description="Says that somebody has seen the alert; it stays open until what it was raised for "
    "is over. The first acknowledgement counts: a further one changes nothing.",
    responses={
        **answers(),
        404: _UNKNOWN,
        409: problem_spec("The alert is over"),
        413: problem_spec("The body is too large"),
    },
    operation_class=OptionalBody,
    tags=["alerts"],
)
async def acknowledge(
    store: NamedDependency[Store],
    publisher: NamedDependency[Publisher],
    alert_id: AlertId,
    data: JSONBody[Acknowledgement | None] = None,
) -> Alert:
    """Publish the acknowledgement and return the alert with it."""
    found = await _find(store, alert_id)
    if found.state == "cleared":
        raise Declined(409, "alert-cleared", "the alert is over: there is nothing to acknowledge")
    if found.acknowledged_ts is not None:
        return view_of(found)
    said, now = data or Acknowledgement(), now_us()
    record = replace(
        found,
        state="acknowledged",
        ts=max(now, found.ts),
        acknowledged_by=said.by,
        acknowledged_ts=now,
        acknowledged_note=said.note,
    )
    await publisher.publish(ALERTS, f"{record.rule}:{record.subject}", record)
    return view_of(record)


async def _find(store: Store, alert_id: UUID) -> AlertRecord:
    table = await store.table(queries.alert(alert_id))
    if not table.num_rows:
        raise Declined(404, "unknown-alert", "there is no such alert; /api/v1/alerts lists them")
    return record_of(table.to_pylist()[0])


def _cursor(alert: AlertRecord) -> str:
    return cursors.encode(cursors.AlertKey(alert.raised_ts, alert.alert_id))
