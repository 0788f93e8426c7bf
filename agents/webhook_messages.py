"""What is posted for an alert and how it is signed: Standard Webhooks (standardwebhooks.com). Pure.

``webhook-id`` is the same whenever the same alert record is posted, so a receiver can tell a
repetition. ``webhook-signature`` is ``v1,`` and the base64 HMAC-SHA256 of ``id.timestamp.body``
under the shared secret; ``webhook-timestamp`` is the attempt's Unix time in seconds, for receivers
to refuse what is old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from agents.alert_settings import AlertSettings
from schemas.alert import Alert
from schemas.clock import isoformat
from schemas.errors import ConfigurationError
from schemas.identity import event_id

PREFIX = "whsec_"
SHORTEST_SECRET = 24
MOST_RECEIVERS = 20


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to post. The URL may hold a secret: ``label`` is what logs and metrics show."""

    url: str = field(repr=False)
    label: str


@dataclass(frozen=True, slots=True)
class Post:
    """One alert record as it is posted."""

    webhook_id: str
    body: bytes

    def headers(self, secret: bytes, at_seconds: int) -> dict[str, str]:
        """Return the headers of an attempt at that Unix time."""
        return {
            "content-type": "application/json",
            "user-agent": "echoarb-alerts",
            "webhook-id": self.webhook_id,
            "webhook-timestamp": str(at_seconds),
            "webhook-signature": sign(secret, self.webhook_id, at_seconds, self.body),
        }


def sign(secret: bytes, webhook_id: str, at_seconds: int, body: bytes) -> str:
    """Return the signature of a message."""
    signed = b".".join([webhook_id.encode(), str(at_seconds).encode(), body])
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def post_of(alert: Alert) -> Post:
    """Return what is posted for an alert record: ``{type, timestamp, data}``."""
    data = {name: _plain(name, value) for name, value in asdict(alert).items()}
    body = {"type": f"alert.{alert.state}", "timestamp": isoformat(alert.ts), "data": data}
    webhook_id = f"msg_{event_id('webhook', alert.alert_id, alert.state, alert.ts).hex}"
    return Post(webhook_id, json.dumps(body, separators=(",", ":")).encode())


def _plain(name: str, value: Any) -> Any:
    if name == "detail" and value is not None:
        try:
            return json.loads(value)
        except ValueError:
            return value
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, UUID):
        return str(value)
    return isoformat(value) if name.endswith("ts") and value is not None else value


def receivers(settings: AlertSettings) -> list[Receiver]:
    """Return the receivers that are configured.

    Raises ConfigurationError, without showing a URL, if one can't be posted to.
    """
    text = settings.alert_webhooks.get_secret_value().strip()
    try:
        found = json.loads(text) if text.startswith("[") else text.split(",")
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(url, str) for url in found):
        raise ConfigurationError("ECHOARB_ALERT_WEBHOOKS: not a JSON list of URLs")
    urls = list(dict.fromkeys(url.strip() for url in found if url.strip()))
    if len(urls) > MOST_RECEIVERS:
        raise ConfigurationError(f"ECHOARB_ALERT_WEBHOOKS: more than {MOST_RECEIVERS} URLs")
    return [Receiver(url, f"{number}:{_host(url, number)}") for number, url in enumerate(urls, 1)]


def _host(url: str, number: int) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"ECHOARB_ALERT_WEBHOOKS: number {number} is not an http:// or https:// URL"
        )
    return host if port is None else f"{host}:{port}"


def secret_of(settings: AlertSettings) -> bytes:
    """Return the key of the signatures. Raises ConfigurationError if it is missing or no key."""
    text = settings.alert_webhook_secret.get_secret_value().removeprefix(PREFIX)
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"ECHOARB_ALERT_WEBHOOK_SECRET: has to be {PREFIX} and at least "
            f"{SHORTEST_SECRET} random bytes in base64; `openssl rand -base64 32` makes them"
        )
    return secret
