"""A clickhouse-connect client from our settings."""

from __future__ import annotations

from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from schemas.errors import Fatal, Transient
from schemas.settings import ClickHouseSettings


def connect(settings: ClickHouseSettings) -> Any:
    """Return a client that has no database selected and may be used by one thread at a time.

    Raises Transient if ClickHouse can't be reached, Fatal if it turns us away.
    """
    server = settings.clickhouse_server()
    try:
        return clickhouse_connect.get_client(
            **server,
            username=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            autogenerate_session_id=False,
        )
    except OperationalError as error:
        raise Transient(f"ClickHouse at {server['host']} can't be reached: {error}") from error
    except ClickHouseError as error:
        raise Fatal(f"ClickHouse at {server['host']} turns us away: {error}") from error
