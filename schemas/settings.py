"""Settings that every process shares: Kafka, registry, ClickHouse, logging.

Read from the environment with the prefix ``ECHOARB_`` and from ``.env``; secrets may also be
files in the folder that ``ECHOARB_SECRETS_DIR`` names. ``.env.example`` is generated from these
classes by ``echoarb settings`` and a test compares the two.
"""

from __future__ import annotations

import os
import ssl
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import ConfigurationError

PREFIX = "ECHOARB_"


class Settings(BaseSettings):
    """Base of all settings: one frozen object per process, checked when it starts."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Return the settings of this process; ``overrides`` (from options) win if not None.

        Raises ConfigurationError naming each wrong variable, without its value, or the folder of
        secrets if there is none.
        """
        chosen = {name: value for name, value in overrides.items() if value is not None}
        secrets = os.environ.get(PREFIX + "SECRETS_DIR")
        if secrets and not os.path.isdir(secrets):
            # pydantic would go on without them
            raise ConfigurationError(f"{PREFIX}SECRETS_DIR: {secrets} is no folder")
        try:
            return cls(**chosen, **({"_secrets_dir": secrets} if secrets else {}))
        except ValidationError as error:
            lines = [
                f"{PREFIX}{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            ]
            raise ConfigurationError("wrong settings: " + "; ".join(lines)) from None
        except UnicodeDecodeError:
            raise ConfigurationError(
                "wrong settings: .env, or a secret's file, is no UTF-8"
            ) from None


class KafkaSettings(Settings):
    """How to reach the broker."""

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, host:port,...")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="security.protocol of the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, used with SASL_*"
    )
    kafka_username: str = Field("", description="SASL user")
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password")
    kafka_ca_file: str = Field("", description="CA file for SSL; empty = the system's")
    kafka_cert_file: str = Field(
        "", description="Certificate (PEM) that brokers know us by; empty = none"
    )
    kafka_key_file: str = Field("", description="Key (PEM, no password) of that certificate")

    def librdkafka(self) -> dict[str, Any]:
        """Return the connection part of a confluent-kafka configuration."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.kafka_bootstrap,
            # A producer would let the broker make a missing topic, with its own defaults: keys
            # would land elsewhere. Topics are made by `echoarb topics create`.
            "allow.auto.create.topics": False,
        }
        if self.kafka_security != "PLAINTEXT":
            config["security.protocol"] = self.kafka_security
        if self.kafka_security.startswith("SASL"):
            config["sasl.mechanism"] = self.kafka_sasl_mechanism
            config["sasl.username"] = self.kafka_username
            config["sasl.password"] = self.kafka_password.get_secret_value()
        if self.kafka_security.endswith("SSL"):
            files = {
                "ssl.ca.location": self.kafka_ca_file,
                "ssl.certificate.location": self.kafka_cert_file,
                "ssl.key.location": self.kafka_key_file,
            }
            config |= {name: file for name, file in files.items() if file}
        return config

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the same for clients on Python's ssl; None without SSL.

        Raises ConfigurationError if a file can't be read or is not what it should be.
        """
        if not self.kafka_security.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.kafka_ca_file or None)
            if self.kafka_cert_file:
                key = self.kafka_key_file or None
                # Without an answer OpenSSL would ask a terminal for the key's password.
                context.load_cert_chain(self.kafka_cert_file, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "ECHOARB_KAFKA_CA_FILE, KAFKA_CERT_FILE or KAFKA_KEY_FILE is no such file, not "
                f"PEM, or they do not fit: {error}"
            ) from error
        return context


class RegistrySettings(Settings):
    """How to reach the schema registry."""

    registry_url: str = Field("http://127.0.0.1:8081", description="Schema registry URL")
    registry_username: str = Field("", description="Basic authentication user; empty = none")
    registry_password: SecretStr = Field(SecretStr(""), description="Basic authentication password")
    registry_ca_file: str = Field("", description="CA file for https; empty = the system's")
    registry_register: bool = Field(
        True, description="Register missing schemas; false = only look them up"
    )


class ClickHouseSettings(Settings):
    """How to reach ClickHouse over HTTP."""

    clickhouse_url: str = Field(
        "http://127.0.0.1:8123", description="ClickHouse HTTP URL, http:// or https://"
    )
    clickhouse_user: str = Field("default", description="ClickHouse user")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="ClickHouse password")
    clickhouse_database: str = Field(
        "echoarb", description="Database of all tables", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
    )
    clickhouse_cluster: str = Field(
        "",
        description="Cluster on whose servers all tables are made, with Replicated engines; "
        "empty = one server, or a service that replicates by itself",
        pattern=r"^[A-Za-z0-9_.-]{0,63}$",
    )
    clickhouse_ca_file: str = Field("", description="CA file for https; empty = the system's")

    @field_validator("clickhouse_url")
    @classmethod
    def _url_of_a_server(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is none
            known = False
        if not known or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("has to be http://HOST:PORT or https://HOST:PORT")
        if "@" in parts.netloc:
            raise ValueError("holds a user: that is for ECHOARB_CLICKHOUSE_USER and _PASSWORD")
        return url

    def clickhouse_server(self) -> dict[str, Any]:
        """Return where ClickHouse is and how it shows who it is, for clickhouse-connect's clients.

        Their own reading of a URL (``dsn``) leaves out its scheme: https would become http.
        """
        url = urlsplit(self.clickhouse_url)
        return {
            "host": url.hostname,
            "port": url.port or (8443 if url.scheme == "https" else 8123),
            "interface": url.scheme,
            "ca_cert": self.clickhouse_ca_file or None,
        }


class LogSettings(Settings):
    """How processes log."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto = console on a terminal, JSON lines elsewhere"
    )
