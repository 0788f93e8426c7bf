"""Signed requests to Kalshi (PROTOCOL 2). Pure: the time is an argument.

The text signed is the timestamp in milliseconds, the method and the path without its query, with
nothing between them. RSA keys sign by PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes;
Ed25519 keys sign the text itself.
"""

from __future__ import annotations

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from schemas.errors import ConfigurationError

PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=hashes.SHA256.digest_size)
_SETTING = "ECHOARB_KALSHI_PRIVATE_KEY_FILE"


def parse_private_key(pem: bytes) -> PrivateKey:
    """Return the key in PEM text, PKCS#8 or PKCS#1. What it is, the parsed key says.

    Raises ConfigurationError, which never quotes the text.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigurationError(f"{_SETTING}: the key is encrypted; store it plain") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{_SETTING}: not a private key in PEM form") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ConfigurationError(f"{_SETTING}: neither an RSA nor an Ed25519 key")
    return key


def message(timestamp_ms: int, method: str, path: str) -> bytes:
    """Return the text to sign."""
    return f"{timestamp_ms}{method.upper()}{path.partition('?')[0]}".encode()


def sign(key: PrivateKey, text: bytes) -> str:
    """Return the signature in standard base64. RSA-PSS is random: no two are equal."""
    if isinstance(key, Ed25519PrivateKey):
        signature = key.sign(text)
    else:
        signature = key.sign(text, PSS, hashes.SHA256())
    return base64.b64encode(signature).decode()


def headers(
    key_id: str, key: PrivateKey, timestamp_ms: int, method: str, path: str
) -> dict[str, str]:
    """Return the three headers of a signed request; ``path`` is the full one, from the root."""
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
        "KALSHI-ACCESS-SIGNATURE": sign(key, message(timestamp_ms, method, path)),
    }
