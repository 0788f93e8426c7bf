"""REST: one method a route. Lists are read page by page while they are gone through."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import BytesIO
from types import TracebackType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay
from tenacity.wait import wait_random_exponential

from echoarb.client.errors import ApiError, Unreachable, error_of
from echoarb.client.records import (
    Alert,
    Book,
    Candle,
    CoverageHour,
    Gap,
    LatencyStep,
    LatestOutcome,
    Market,
    Pair,
    Spread,
    Tick,
    Trade,
)

PAGE = 1000
KEY_VARIABLE = "ECHOARB_API_KEY"
ARROW = "application/vnd.apache.arrow.stream"
_AGAIN = frozenset({429, 503})
_T = TypeVar("_T")
When = datetime | str | None
"""An aware datetime, or RFC 3339 text."""


class _Busy(Exception):
    """The API asks to come back later."""

    def __init__(self, error: ApiError, wait: float) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class Rows(Generic[_T]):
    """The rows of one question: go through them, or take them as a table.

    Nothing is asked before that; each time anew.
    """

    def __init__(
        self, client: Client, path: str, params: Mapping[str, Any], kind: type[_T], most: int | None
    ) -> None:
        self._client = client
        self._path = path
        self._params = {name: _text(value) for name, value in params.items() if value is not None}
        self._kind = kind
        self._most = most

    def __iter__(self) -> Iterator[_T]:
        """Go through the records, page by page."""
        for body, _ in self._pages(None):
            page = msgspec.json.decode(body, type=_page_of(self._kind))
            yield from page.data

    def to_list(self) -> list[_T]:
        """Return all records."""
        return list(self)

    def to_arrow(self) -> Any:
        """Return a pyarrow.Table; decimals and times keep their types. Needs pyarrow."""
        pa = _needed("pyarrow")
        ipc = _needed("pyarrow.ipc")
        tables = []
        for body, form in self._pages(ARROW):
            if form != ARROW:
                raise ApiError(0, "no table", f"{self._path} has no Arrow form; use to_list()")
            tables.append(ipc.open_stream(BytesIO(body)).read_all())
        return pa.concat_tables(tables)

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame, decimals as Decimal objects. Needs pandas."""
        _needed("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return a polars.DataFrame. Needs polars."""
        return _needed("polars").from_arrow(self.to_arrow())

    def _pages(self, accept: str | None) -> Iterator[tuple[bytes, str]]:
        """Yield each page's bytes and media type."""
        left = self._most
        cursor: str | None = None
        while left is None or left > 0:
            limit = PAGE if left is None else min(PAGE, left)
            params = {**self._params, "limit": str(limit)}
            if cursor is not None:
                params["cursor"] = cursor
            answer = self._client.request("GET", self._path, params=params, accept=accept)
            form = answer.headers["content-type"].partition(";")[0]
            yield answer.content, form
            left = None if left is None else left - limit
            cursor = answer.headers.get("x-next-cursor") or _cursor_in(answer.content, form)
            if cursor is None:
                return


class Client:
    """One API. Use it as a context manager, or close it. Not for several threads at once."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout: float = 30,
        patience: float = 30,
    ) -> None:
        """``timeout`` is for one answer, seconds; ``patience`` for how long an API that is away or
        busy is asked again."""
        self.url = url.rstrip("/")
        key = key or os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
        self._patience = patience

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Prices

    def ticks(
        self,
        *,
        platform: str | None = None,
        market: str | None = None,
        outcome: str | None = None,
        kind: str | None = None,
        since: When = None,
        until: When = None,
        order: str = "desc",
        most: int | None = None,
    ) -> Rows[Tick]:
        """Return stored ticks by ingest time; ``most`` bounds their number."""
        params = {"platform": platform, "market": market, "outcome": outcome, "kind": kind}
        params |= {"since": _when(since), "until": _when(until), "order": order}
        return Rows(self, "/api/v1/ticks", params, Tick, most)

    def trades(
        self,
        *,
        platform: str | None = None,
        market: str | None = None,
        outcome: str | None = None,
        since: When = None,
        until: When = None,
        order: str = "desc",
        most: int | None = None,
    ) -> Rows[Trade]:
        """Return stored trades by ingest time."""
        params = {"platform": platform, "market": market, "outcome": outcome}
        params |= {"since": _when(since), "until": _when(until), "order": order}
        return Rows(self, "/api/v1/trades", params, Trade, most)

    def candles(
        self,
        *,
        market: str,
        platform: str | None = None,
        outcome: str | None = None,
        interval: str = "1m",
        since: When = None,
        until: When = None,
        order: str = "desc",
        most: int | None = None,
    ) -> Rows[Candle]:
        """Return a market's candles; ``interval`` is 1m, 1h or 1d."""
        params = {"platform": platform, "market": market, "outcome": outcome, "interval": interval}
        params |= {"since": _when(since), "until": _when(until), "order": order}
        return Rows(self, "/api/v1/candles", params, Candle, most)

    def latest(
        self,
        *,
        platform: str | None = None,
        market: str | None = None,
        outcome: str | None = None,
        search: str | None = None,
        most: int | None = None,
    ) -> Rows[LatestOutcome]:
        """Return the newest quote and trade of each outcome."""
        params = {"platform": platform, "market": market, "outcome": outcome, "search": search}
        return Rows(self, "/api/v1/latest", params, LatestOutcome, most)

    def book(
        self,
        market: str,
        *,
        at: When = None,
        platform: str | None = None,
        outcome: str | None = None,
    ) -> list[Book]:
        """Return the top of a market's books at an instant, now without one."""
        params = {"market": market, "platform": platform, "outcome": outcome, "at": _when(at)}
        return self._data("/api/v1/book", params, Book)

    # Markets and trust

    def markets(
        self,
        *,
        platform: str | None = None,
        market: str | None = None,
        event: str | None = None,
        status: str | None = None,
        search: str | None = None,
        most: int | None = None,
    ) -> Rows[Market]:
        """Return markets as their venues last described them."""
        params = {"platform": platform, "market": market, "event": event, "status": status}
        return Rows(self, "/api/v1/markets", {**params, "search": search}, Market, most)

    def gaps(
        self,
        *,
        platform: str | None = None,
        market: str | None = None,
        reason: str | None = None,
        since: When = None,
        until: When = None,
        most: int | None = None,
    ) -> Rows[Gap]:
        """Return the stretches in which a feed could not be trusted."""
        params = {"platform": platform, "market": market, "reason": reason}
        params |= {"since": _when(since), "until": _when(until)}
        return Rows(self, "/api/v1/gaps", params, Gap, most)

    def coverage(
        self, market: str, *, platform: str | None = None, since: When = None, until: When = None
    ) -> list[CoverageHour]:
        """Return how much of each hour of a market can be trusted."""
        params = {"market": market, "platform": platform}
        params |= {"since": _when(since), "until": _when(until)}
        return self._data("/api/v1/coverage", params, CoverageHour)

    def latency(
        self,
        *,
        platform: str | None = None,
        stage: str | None = None,
        since: When = None,
        until: When = None,
        step: str = "1m",
    ) -> list[LatencyStep]:
        """Return latencies by step, platform and stage."""
        params = {"platform": platform, "stage": stage, "step": step}
        params |= {"since": _when(since), "until": _when(until)}
        return self._data("/api/v1/latency", params, LatencyStep)

    # Spreads and alerts

    def spreads(self) -> list[Spread]:
        """Return the latest spread of each configured pair."""
        body = self.request("GET", "/api/v1/spreads").content
        return msgspec.json.decode(body, type=list[Spread])

    def spread(self, pair_id: str) -> Spread:
        """Return the latest spread of one pair."""
        body = self.request("GET", f"/api/v1/spreads/{quote(pair_id, safe='')}").content
        return msgspec.json.decode(body, type=Spread)

    def spread_history(
        self, pair_id: str, *, since: When = None, until: When = None, most: int | None = None
    ) -> Rows[Spread]:
        """Return the spreads of one pair, the newest first."""
        path = f"/api/v1/spreads/{quote(pair_id, safe='')}/history"
        return Rows(self, path, {"since": _when(since), "until": _when(until)}, Spread, most)

    def pairs(self) -> list[Pair]:
        """Return the configured pairs."""
        found = msgspec.json.decode(self.request("GET", "/api/v1/pairs").content)
        return msgspec.convert(found["pairs"], list[Pair], strict=False)

    def alerts(
        self,
        *,
        state: str = "open",
        rule: str | None = None,
        severity: str | None = None,
        platform: str | None = None,
        pair_id: str | None = None,
        since: When = None,
        until: When = None,
        most: int | None = None,
    ) -> Rows[Alert]:
        """Return alerts, the one raised last first; by default the open ones."""
        params = {"state": state, "rule": rule, "severity": severity, "platform": platform}
        params |= {"pair_id": pair_id, "since": _when(since), "until": _when(until)}
        return Rows(self, "/api/v1/alerts", params, Alert, most)

    def acknowledge(
        self, alert_id: str, *, by: str | None = None, note: str | None = None
    ) -> Alert:
        """Say that somebody has seen an alert; needs scope ack where there are keys."""
        given = {"by": by, "note": note}
        path = f"/api/v1/alerts/{quote(alert_id, safe='')}/acknowledge"
        body = {name: value for name, value in given.items() if value is not None}
        answer = self.request("POST", path, body=body)
        return msgspec.json.decode(answer.content, type=Alert)

    # The rest

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of any other route, such as /api/v1/stats/stream."""
        texts = {name: _text(value) for name, value in params.items() if value is not None}
        return msgspec.json.decode(self.request("GET", path, params=texts).content)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        accept: str | None = None,
    ) -> httpx.Response:
        """Return an answer that is no error. An API that is away or busy is asked again.

        Raises ApiError if it refuses, Unreachable if patience is at an end.
        """
        headers = {"Accept": accept} if accept else {}
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, _Busy | httpx.TransportError)),
            stop=stop_after_delay(self._patience),
            wait=_wait,
            reraise=True,
        )
        try:
            return attempts(self._once, method, path, params, body, headers)
        except _Busy as busy:
            raise busy.error from None
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} can't be reached: {type(error).__name__}") from error

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Any,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        more = {} if body is None else {"json": body}
        answer = self._http.request(method, path, params=params, headers=dict(headers), **more)
        if answer.is_success:
            return answer
        error = error_of(answer.status_code, answer.content)
        if answer.status_code in _AGAIN:
            asked = answer.headers.get("retry-after", "")
            raise _Busy(error, float(asked) if asked.isdigit() else 1)
        raise error

    def _data(self, path: str, params: Mapping[str, Any], kind: type[_T]) -> list[_T]:
        texts = {name: _text(value) for name, value in params.items() if value is not None}
        body = self.request("GET", path, params=texts).content
        page: Any = msgspec.json.decode(body, type=_page_of(kind))
        found: list[_T] = page.data
        return found


_exponential = wait_random_exponential(multiplier=0.2, max=5)


def _wait(state: RetryCallState) -> float:
    """Wait as long as the API asks for, or a growing while."""
    error = state.outcome.exception() if state.outcome else None
    return error.wait if isinstance(error, _Busy) else _exponential(state)


_PAGES: dict[type[Any], Any] = {}


def _page_of(kind: type[Any]) -> Any:
    """Return the type of a page of such records."""
    if kind not in _PAGES:
        _PAGES[kind] = msgspec.defstruct(
            f"{kind.__name__}Page",
            [("data", list[kind]), ("next_cursor", str | None, None)],  # type: ignore[valid-type]
        )
    return _PAGES[kind]


class _Cursor(msgspec.Struct):
    next_cursor: str | None = None


def _cursor_in(body: bytes, form: str) -> str | None:
    """Return the cursor of a JSON page whose headers have none."""
    return msgspec.json.decode(body, type=_Cursor).next_cursor if form.endswith("json") else None


def _when(value: When) -> str | None:
    """Return an instant as the API reads it. Raises ValueError for a time without a zone."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("times have to say their zone, such as datetime.now(UTC)")
        return value.isoformat()
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _needed(module: str) -> Any:
    """Return a module that is wanted for tables only. Raises ImportError with what to install."""
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ImportError(f"this needs {name}: pip install {name}") from error
