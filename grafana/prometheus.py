"""The Prometheus side of a board."""

from __future__ import annotations

from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${prometheus}")
"""The datasource that the board's variable names."""


def promql(expr: str, legend: str = "", ref_id: str = "A") -> Dataquery:
    """Return a query over the board's time; ``legend`` may hold {{label}}."""
    return Dataquery().expr(expr).legend_format(legend).range().ref_id(ref_id).datasource(SOURCE)


def promql_now(expr: str, legend: str = "", ref_id: str = "A") -> Dataquery:
    """Return a query for the newest values only, for tables."""
    return (
        Dataquery()
        .expr(expr)
        .legend_format(legend)
        .instant()
        .format(PromQueryFormat.TABLE)
        .ref_id(ref_id)
        .datasource(SOURCE)
    )
