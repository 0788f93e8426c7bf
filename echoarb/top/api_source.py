"""The board's rows from a running API: ticks over its WebSocket, lists by asking every 2 s."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from echoarb.top.board import Board

LIST_SECONDS = 2.0
NAMES_SECONDS = 30.0
"""How often outcomes are asked for what they are called: markets come and go slowly."""
ANSWER_SECONDS = 10.0
MOST_PAGES = 10
MOST_BYTES = 1 << 20
"""Largest message taken from the API."""
LISTS = {
    "spreads": "/api/v1/spreads",
    "alerts": "/api/v1/alerts?state=open&limit=500",
    "gaps": "/api/v1/gaps?limit=200",
    "latency": "/api/v1/stats/latency",
}
_REFUSED = {401: "wants a key: give --api-key or ECHOARB_API_KEY", 403: "does not let this key in"}


class Denied(Exception):
    """The API won't answer us, whatever we wait for; the text says why."""


class ApiSource:
    """Follows the API at ``url``. ``filters`` are those of /ws/ticks: platform, market, kind.

    Waits out an API that is away; what can't be waited out ends ``run``.
    """

    def __init__(self, url: str, filters: Mapping[str, str], key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._feed = "connecting"
        self._old: dict[str, str] = {}
        self._filters = dict(filters)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=self._headers, timeout=ANSWER_SECONDS, trust_env=False
        )

    @property
    def state(self) -> str:
        """``live``, or in words why what is shown may be old."""
        if self._feed != "live" or not self._old:
            return self._feed
        reason = next(iter(self._old.values()))
        return f"{', '.join(self._old)} can't be read: {reason}"

    async def run(self, board: Board) -> str:
        """Fill the board for ever; return only to say what can't be waited out."""
        tasks = [
            asyncio.create_task(self._ticks(board), name="ticks"),
            asyncio.create_task(self._lists(board), name="lists"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Denied as denied:
            return str(denied)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._http.aclose()
        raise RuntimeError("a source has no end")

    async def acknowledge(self, alert_id: str) -> str | None:
        """Acknowledge an alert; return what was wrong, None if nothing was."""
        try:
            answer = await self._http.post(f"/api/v1/alerts/{alert_id}/acknowledge", json={})
        except httpx.HTTPError as error:
            return f"{self.url} can't be reached: {error!r}"
        return None if answer.is_success else _problem(answer)

    async def _lists(self, board: Board) -> None:
        named = -NAMES_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            old: dict[str, str] = {}
            if loop.time() - named >= NAMES_SECONDS:
                try:
                    await self._latest(board)
                    named = loop.time()
                except (httpx.HTTPError, ValueError) as error:
                    old["names"] = _reason(error)
            for name, path in LISTS.items():
                try:
                    board.replace(name, rows_of(name, await self._get(path)))
                except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                    old[name] = _reason(error)
            self._old = old
            await asyncio.sleep(LIST_SECONDS)

    async def _latest(self, board: Board) -> None:
        filters = {
            name: self._filters[name] for name in ("platform", "market") & self._filters.keys()
        }
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            found = await self._get(
                "/api/v1/latest?" + urlencode({**filters, "limit": 500, **after})
            )
            board.latest(found["data"])
            if not found["next_cursor"]:
                break
            after = {"cursor": found["next_cursor"]}

    async def _get(self, path: str) -> Any:
        answer = await self._http.get(path)
        if answer.status_code in _REFUSED:
            raise Denied(f"{self.url} {_REFUSED[answer.status_code]}")
        answer.raise_for_status()
        return answer.json()

    async def _ticks(self, board: Board) -> None:
        place = urlsplit(self.url)
        scheme = "wss" if place.scheme == "https" else "ws"
        url = f"{scheme}://{place.netloc}{place.path}/ws/ticks"
        async for socket in connect(
            url,
            additional_headers=self._headers,
            max_size=MOST_BYTES,
            proxy=None,
            process_exception=_waited_out,
        ):
            try:
                await socket.send(json.dumps({"type": "subscribe", **self._filters}))
                self._feed = "live"
                async for text in socket:
                    self._take(board, json.loads(text))
            except (ConnectionClosed, ValueError, KeyError, TypeError) as error:
                self._feed = f"connecting again: {_reason(error)}"

    def _take(self, board: Board, message: Any) -> None:
        if message["type"] == "tick":
            board.tick(message["data"])
        elif message["type"] == "error":
            if message["code"] == "bad_message":
                raise Denied(f"{self.url}: {message['detail']}")
            self._feed = str(message["detail"])
        elif message["type"] == "heartbeat":
            self._feed = "live" if message["feed"] == "ok" else str(message["feed"])


def rows_of(name: str, answer: Any) -> list[dict[str, Any]]:
    """Return a list route's rows; of latencies one for each platform and stage."""
    if name == "latency":
        return [row | {"platform": row["source"].lower()} for row in answer["sources"]]
    return list(answer["data"]) if isinstance(answer, dict) else list(answer)


def _problem(answer: httpx.Response) -> str:
    """Return what a problem document says."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.url.path} answered {answer.status_code}"


def _reason(error: Exception) -> str:
    """Return an error in a few words, without what a server may have put into it."""
    if isinstance(error, httpx.HTTPStatusError):
        return _problem(error.response)
    if isinstance(error, httpx.ConnectError):
        return "the API can't be reached"
    if isinstance(error, ConnectionClosed):
        return "the connection was lost"
    return f"{type(error).__name__}"


def _waited_out(error: Exception) -> Exception | None:
    """Return the error that ends everything, None for one that may pass."""
    if isinstance(error, InvalidStatus) and error.response.status_code in _REFUSED:
        return Denied(_REFUSED[error.response.status_code])
    return None if isinstance(error, OSError | TimeoutError | WebSocketException) else error
