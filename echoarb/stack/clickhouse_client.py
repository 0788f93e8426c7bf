"""A clickhouse-connect client from our settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from schemas.errors import ConfigurationError, Fatal, Transient
from schemas.settings import ClickHouseSettings


def connect(settings: ClickHouseSettings) -> Any:
    """Return a client that has no database selected and may be used by one thread at a time.

    Raises ConfigurationError if the URL is none, Transient if ClickHouse can't be reached, Fatal
    if it turns us away.
    """
    url = urlsplit(settings.clickhouse_url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigurationError("ECHOARB_CLICKHOUSE_URL has to be http://HOST:PORT or https://")
    secure = url.scheme == "https"
    try:
        return clickhouse_connect.get_client(
            host=url.hostname,
            port=url.port or (8443 if secure else 8123),
            interface=url.scheme,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            ca_cert=settings.clickhouse_ca_file or None,
            autogenerate_session_id=False,
        )
    except OperationalError as error:
        raise Transient(f"ClickHouse at {url.hostname} can't be reached: {error}") from error
    except ClickHouseError as error:
        raise Fatal(f"ClickHouse at {url.hostname} turns us away: {error}") from error
