"""Checks the signature of a request as Kalshi does (PROTOCOL 2), with the public key alone."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

SKEW_MS = 30_000
"""The venue's own tolerance is not published; this much it states for FIX."""


class Gate:
    """Knows one key. Without a public key every complete set of headers passes."""

    def __init__(self, public_key: Path | None, key_id: str) -> None:
        self._key_id = key_id
        self._key: RSAPublicKey | Ed25519PublicKey | None = None
        if public_key is not None:
            key = serialization.load_pem_public_key(public_key.read_bytes())
            if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
                raise ValueError("the public key must be RSA or Ed25519")
            self._key = key

    def admits(self, headers: Mapping[str, str], method: str, path: str, now_ms: int) -> bool:
        """Whether the request is signed by our key, now, for this very path."""
        key_id = headers.get("KALSHI-ACCESS-KEY", "")
        timestamp = headers.get("KALSHI-ACCESS-TIMESTAMP", "")
        signature = headers.get("KALSHI-ACCESS-SIGNATURE", "")
        if not (key_id and timestamp and signature):
            return False
        if self._key is None:
            return True
        # Seconds instead of milliseconds are far off, too.
        if key_id != self._key_id or not timestamp.isascii() or not timestamp.isdigit():
            return False
        if abs(int(timestamp[:20]) - now_ms) > SKEW_MS:
            return False
        try:
            signed = f"{timestamp}{method}{path}".encode()
            raw = base64.b64decode(signature, validate=True)
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(raw, signed)
            else:
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
                self._key.verify(raw, signed, pss, hashes.SHA256())
        except (InvalidSignature, ValueError):  # ValueError: not base64, or not text at all
            return False
        return True
