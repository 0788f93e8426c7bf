"""The venue's recorded traffic as frames, each file in the form in which it was stored."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from connectors.events import Frame

SOCKET = "ws-0/1"


def compact(value: object) -> str:
    """Return JSON as the venue writes it."""
    return msgspec.json.encode(value).decode()


def stored(path: Path) -> Iterator[Any]:
    """Yield the JSON values of a .jsonl or .jsonl.gz file."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield msgspec.json.decode(line)


def gamma_page(
    market_id: str,
    token_ids: Sequence[str],
    *,
    neg_risk: bool = False,
    tick_size: float = 0.01,
    **more: object,
) -> str:
    """Return a Gamma page of one market: what SOURCES.md says of the recordings without one."""
    market = {
        "conditionId": market_id,
        "question": "Up or down?",
        "slug": "up-or-down",
        "outcomes": compact(["Up", "Down"]),
        "clobTokenIds": compact([*token_ids, "2"][:2]),
        "active": True,
        "closed": False,
        "acceptingOrders": True,
        "enableOrderBook": True,
        "negRisk": neg_risk,
        "orderMinSize": 5,
        "orderPriceMinTickSize": tick_size,
    }
    return compact([market | more])


def frames_of(folder: Path, name: str) -> list[Frame]:
    """Return the frames of one recording. Receive times that were not kept are 1 ms apart."""
    path = folder / name
    if name == "ws/book_deltas_book_2025-10-30.json":
        return _regrouped(json.loads(path.read_text(encoding="utf-8")))
    if name.startswith("gamma/") and path.suffix == ".json":
        page = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(page, dict):
            return [Frame(1_773_261_050_000_000, "rest:markets", compact(page["markets"]))]
        return [Frame(1_773_261_050_000_000, "rest:events", compact(page))]
    if name == "data_api/trades_2026-04-18.json":
        return [Frame(1_776_504_300_000_000, "rest:trades", path.read_text(encoding="utf-8"))]
    return [_frame(name, number, item) for number, item in enumerate(stored(path))]


def _frame(name: str, number: int, item: Any) -> Frame:
    at_us = 1_784_600_000_000_000 + number * 1000
    if "books_batch" in name:
        # One poll of ten tokens every five seconds.
        at_us = 1_773_265_309_000_000 + number * 5_000_000
        return Frame(at_us, "rest:books", compact(item["books"]))
    if "book_responses" in name:
        return Frame(at_us, "rest:book", compact(item["response"]))
    if "small_responses" in name:
        endpoint = item["endpoint"].split("/")[1].split("?")[0]
        return Frame(at_us, f"rest:{endpoint}", compact(item["response"]))
    if "market_by_condition" in name:
        return Frame(at_us, "rest:markets", compact(item["response"]))
    if "markets_btc5m" in name:
        return Frame(at_us, "rest:markets", compact(item["raw"]))
    if "ts_wall_ns" in item:
        at_us = item["ts_wall_ns"] // 1000
        payload = item["payload"]
        return Frame(at_us, SOCKET, "" if "_b64" in payload else compact(payload))
    if "recv_ts" in item:
        at_us = int(item["recv_ts"] * 1_000_000)
    return Frame(
        at_us, SOCKET, compact(item.get("frame", item) if isinstance(item, dict) else item)
    )


def _regrouped(recording: Any) -> list[Frame]:
    """Return the snapshot, its changes and the next one as the socket would have sent them."""
    before, after = recording["book_before"], recording["book_after"]
    market_id, token_id = before["market"], before["asset_id"]
    texts = [compact(before | {"event_type": "book"})]
    for change in recording["changes"]:
        event = {
            "market": market_id,
            "price_changes": [change],
            "timestamp": change["timestamp"],
            "event_type": "price_change",
        }
        texts.append(compact(event))
    texts.append(compact(after))
    start = 1_761_786_033_000_000
    frames = [Frame(start + number * 1000, SOCKET, text) for number, text in enumerate(texts)]
    return [Frame(start, "rest:markets", gamma_page(market_id, [token_id])), *frames]


def with_metadata(frames: list[Frame]) -> list[Frame]:
    """Put a Gamma page before the first frame of each market of a BTC recording (minimum size 5,
    grid 0.01, not neg-risk: SOURCES.md)."""
    tokens: dict[str, list[str]] = {}
    for frame in frames:
        event = msgspec.json.decode(frame.text)
        known = tokens.setdefault(event["market"], [])
        if event["asset_id"] not in known:
            known.append(event["asset_id"])
    first = frames[0].received_us
    pages = [
        Frame(first, "rest:markets", gamma_page(market_id, token_ids))
        for market_id, token_ids in tokens.items()
    ]
    return [*pages, *frames]
