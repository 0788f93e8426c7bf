"""/live on the metrics port: whether the event loop turns."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from wsgiref.util import setup_testing_defaults

from prometheus_client import make_wsgi_app

from echoarb.stack.ports import free_port
from schemas.liveness import turns, with_live
from schemas.process import serve_metrics


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return str(answer.status) + " " + answer.read().decode()


async def test_a_turning_loop_is_alive_and_metrics_stay_what_they_were() -> None:
    port = free_port()
    stop = serve_metrics("sink", "127.0.0.1", port)
    try:
        assert await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/live") == "200 alive\n"
        metrics = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
        assert 'echoarb_build_info{component="sink"' in metrics
    finally:
        await asyncio.to_thread(stop)


async def test_a_loop_that_hangs_is_told_of_until_it_turns_again() -> None:
    loop = asyncio.get_running_loop()
    app = with_live(make_wsgi_app(), loop, wait=0.05)
    said: list[tuple[str, bytes]] = []

    def ask() -> None:
        environ = {"PATH_INFO": "/live"}
        setup_testing_defaults(environ)
        statuses: list[str] = []
        body = b"".join(app(environ, lambda status, headers: statuses.append(status)))  # type: ignore[arg-type,return-value]
        said.append((statuses[0], body))

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join()  # holds the loop, as a hanging process would
    await asyncio.to_thread(ask)
    assert [status for status, _ in said] == ["503 Service Unavailable", "200 OK"]
    assert b"does not answer" in said[0][1]


def test_a_closed_loop_does_not_turn() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    assert not turns(loop, 1)
