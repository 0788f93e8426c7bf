"""Signatures are checked with the public key: PSS is random, so texts can't be compared."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from connectors.kalshi import sign
from connectors.kalshi.feed import read_key
from echoarb.simulators.kalshi.signature import SKEW_MS, Gate
from schemas.errors import ConfigurationError

PKCS8 = serialization.PrivateFormat.PKCS8
PKCS1 = serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()
NOW_MS = 1_703_123_456_789
PATH = "/trade-api/ws/v2"

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, form: object = PKCS8) -> bytes:
    assert isinstance(form, serialization.PrivateFormat)
    return key.private_bytes(serialization.Encoding.PEM, form, PLAIN)


def public_file(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, folder: Path) -> Path:
    path = folder / "public.pem"
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def test_the_text_to_sign_has_no_query_and_nothing_between() -> None:
    text = sign.message(NOW_MS, "get", "/trade-api/v2/markets?limit=5")
    assert text == b"1703123456789GET/trade-api/v2/markets"


@pytest.mark.parametrize("form", [PKCS8, PKCS1])
def test_an_rsa_key_signs_by_pss(form: object) -> None:
    key = sign.parse_private_key(pem(RSA, form))
    headers = sign.headers("an-id", key, NOW_MS, "GET", PATH)
    assert headers["KALSHI-ACCESS-KEY"] == "an-id"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1703123456789"
    signature = base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    signed = b"1703123456789GET/trade-api/ws/v2"
    RSA.public_key().verify(signature, signed, pss, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        RSA.public_key().verify(signature, signed + b"x", pss, hashes.SHA256())
    again = sign.headers("an-id", key, NOW_MS, "GET", PATH)
    assert again["KALSHI-ACCESS-SIGNATURE"] != headers["KALSHI-ACCESS-SIGNATURE"]


def test_an_ed25519_key_signs_the_text_itself() -> None:
    key = sign.parse_private_key(pem(ED25519))
    signature = sign.headers("an-id", key, NOW_MS, "GET", PATH)["KALSHI-ACCESS-SIGNATURE"]
    ED25519.public_key().verify(base64.b64decode(signature), b"1703123456789GET/trade-api/ws/v2")


@pytest.mark.parametrize("key", [RSA, ED25519])
def test_the_simulated_venue_admits_ours_and_nothing_else(
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, tmp_path: Path
) -> None:
    gate = Gate(public_file(key, tmp_path), "an-id")
    good = sign.headers("an-id", key, NOW_MS, "GET", PATH)
    assert gate.admits(good, "GET", PATH, NOW_MS)
    assert gate.admits(good, "GET", PATH, NOW_MS + SKEW_MS)
    assert not gate.admits(good, "GET", PATH, NOW_MS + SKEW_MS + 1)
    assert not gate.admits(good, "POST", PATH, NOW_MS)
    assert not gate.admits(good, "GET", "/trade-api/v2/markets", NOW_MS)
    assert not gate.admits({}, "GET", PATH, NOW_MS)
    assert not gate.admits(good | {"KALSHI-ACCESS-KEY": "other"}, "GET", PATH, NOW_MS)
    for signature in ("%%", "AAAA", "é"):
        wrong = good | {"KALSHI-ACCESS-SIGNATURE": signature}
        assert not gate.admits(wrong, "GET", PATH, NOW_MS)
    # What aiohttp makes of a byte that is no UTF-8.
    assert not gate.admits(good, "GET", PATH + "\udcff", NOW_MS)
    seconds = sign.headers("an-id", key, NOW_MS // 1000, "GET", PATH)
    assert not gate.admits(seconds, "GET", PATH, NOW_MS)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert not gate.admits(sign.headers("an-id", other, NOW_MS, "GET", PATH), "GET", PATH, NOW_MS)


def test_without_a_public_key_only_unsigned_requests_are_refused() -> None:
    gate = Gate(None, "")
    assert gate.admits(sign.headers("any", RSA, NOW_MS, "GET", PATH), "GET", PATH, 0)
    assert not gate.admits({}, "GET", PATH, 0)


def test_a_missing_key_says_what_to_set_and_how_to_get_it(tmp_path: Path) -> None:
    for key_id, path in (("", tmp_path / "x"), ("an-id", None), ("", None)):
        with pytest.raises(ConfigurationError) as caught:
            read_key(key_id, path)
        text = str(caught.value)
        assert "ECHOARB_KALSHI_KEY_ID" in text
        assert "ECHOARB_KALSHI_PRIVATE_KEY_FILE" in text
        assert "Create Key" in text
    with pytest.raises(ConfigurationError, match="No such file"):
        read_key("an-id", tmp_path / "absent.pem")


def test_an_unusable_key_is_named_and_never_quoted(tmp_path: Path) -> None:
    encrypted = RSA.private_bytes(
        serialization.Encoding.PEM, PKCS8, serialization.BestAvailableEncryption(b"pw")
    )
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, PKCS8, PLAIN
    )
    for content, why in (
        (b"not a key SECRETWORD", "not a private key"),
        (encrypted, "encrypted"),
        (curve, "neither an RSA nor an Ed25519"),
        (pem(RSA)[:200], "not a private key"),
    ):
        path = tmp_path / "key.pem"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=why) as caught:
            read_key("an-id", path)
        assert "ECHOARB_KALSHI_PRIVATE_KEY_FILE" in str(caught.value)
        assert "SECRETWORD" not in str(caught.value)
