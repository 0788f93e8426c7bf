"""REST reads of one venue: rate limited, retried with backoff, behind a breaker, bounded."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
from aiolimiter import AsyncLimiter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from connectors import metrics
from connectors.breaker import BreakerOpen, Breakers
from connectors.settings import ConnectorSettings
from schemas.clock import now_us
from schemas.errors import EchoArbError, Transient

Query = Mapping[str, str] | Sequence[tuple[str, str]]


class Refused(EchoArbError):
    """The venue answered 4xx: asking again the same way is of no use."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body[:200]}")
        self.status = status
        self.body = body


class _TryAgain(Transient):
    def __init__(self, message: str, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Return the pause that a Retry-After header asks for: seconds or an HTTP date (RFC 9110,
    10.2.3). ``now`` is Unix seconds. None if it is absent or unreadable; at most 120."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError):
            return None
    if seconds != seconds:
        return None
    return min(max(seconds, 0.0), 120.0)


class Rest:
    """REST reads of one base URL."""

    def __init__(
        self,
        platform: str,
        base_url: str,
        session: aiohttp.ClientSession,
        settings: ConnectorSettings,
        breakers: Breakers,
        *,
        per_second: float,
        headers: Callable[[str, str], dict[str, str]] | None = None,
        attempts: int = 5,
    ) -> None:
        """``per_second`` is the venue's rate limit; ``headers(method, path)`` signs a request."""
        self._platform = platform
        self._base = base_url.rstrip("/")
        self._session = session
        self._settings = settings
        self._breakers = breakers
        burst = max(1.0, per_second)
        self._limiter = AsyncLimiter(burst, burst / per_second)
        self._headers = headers
        self._attempts = attempts

    async def get(self, endpoint: str, path: str, query: Query = ()) -> tuple[int, str]:
        """Return (received_us, body) of ``GET base + path``. ``endpoint`` names it in metrics.

        Raises Refused on 4xx but 408, 425 and 429, Transient when every attempt failed.
        """
        return await self._request(endpoint, "GET", path, query, None)

    async def post(self, endpoint: str, path: str, body: Any) -> tuple[int, str]:
        """Return (received_us, body) of ``POST base + path`` with ``body`` as JSON."""
        return await self._request(endpoint, "POST", path, (), body)

    async def _request(
        self, endpoint: str, method: str, path: str, query: Query, body: Any
    ) -> tuple[int, str]:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(self._attempts),
            wait=_pause(self._settings),
            reraise=True,
        ):
            with attempt:
                async with self._limiter:
                    return await self._once(endpoint, method, path, query, body)
        raise Transient(f"{method} {path}: no attempt was made")

    async def _once(
        self, endpoint: str, method: str, path: str, query: Query, body: Any
    ) -> tuple[int, str]:
        url = self._base + path
        headers = self._headers(method, path) if self._headers else {}
        try:
            breaker = await self._breakers.of(endpoint)
            async with (
                breaker,
                self._session.request(
                    method,
                    url,
                    params=query or None,
                    json=body,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=60),
                ) as response,
            ):
                content = await _bounded(response, self._settings.frame_limit_bytes)
                received = now_us()
                metrics.REQUESTS.labels(self._platform, endpoint, str(response.status)).inc()
                if response.status in (408, 425, 429) or response.status >= 500:
                    wait = retry_after_seconds(response.headers.get("Retry-After"), time.time())
                    raise _TryAgain(f"{method} {url}: HTTP {response.status}", wait)
        except BreakerOpen as error:
            raise _TryAgain(f"{method} {url}: breaker open") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            metrics.REQUESTS.labels(self._platform, endpoint, type(error).__name__).inc()
            raise _TryAgain(f"{method} {url}: {type(error).__name__}: {error}") from error
        text = content.decode(errors="replace")
        if response.status >= 400:
            raise Refused(response.status, text)
        return received, text


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(65_536):
        size += len(part)
        if size > limit:
            raise Refused(response.status, f"the answer is longer than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _pause(settings: ConnectorSettings) -> Callable[[RetryCallState], float]:
    jittered = wait_random_exponential(
        multiplier=settings.backoff_first_seconds, max=settings.backoff_cap_seconds
    )

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after_seconds if isinstance(error, _TryAgain) else None
        return asked if asked is not None else jittered(state)

    return wait
