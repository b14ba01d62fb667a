"""Every setting of the bus, declared once; read once from `ESB_…` variables and `esb.yaml`, then passed down.

`esb doctor --settings` prints this table. The only module that reads the environment.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_origin
from urllib.parse import urlsplit

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from esb.errors import SettingInvalid


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator can set. A field `http` is `ESB_HTTP` in the environment and `http:` in `esb.yaml`."""

    http: str = "127.0.0.1:8080"
    https: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    home: str = "var"
    routes: str = "routes.yaml"
    adapters: str = "adapters/agencies"
    schemas: str = "schemas"
    environment: str = "simulated"
    endpoints: dict[str, str] = {}
    database_url: str = ""
    broker_url: str = ""
    audience: str = "esb"
    node: str = "node1"
    key_passphrase: str = ""
    journal_window_ms: float = 2.0
    checkpoint_every_s: float = 60.0
    inbox_redeliver_s: float = 30.0
    later_tries_s: tuple[int, ...] = (5, 30, 120, 600)
    lease_margin_s: float = 30.0
    max_body_bytes: int = 5 * 1024 * 1024
    max_in_flight: int = 512
    shutdown_grace_s: float = 20.0
    log_level: str = "info"
    metrics_from: str = "127.0.0.0/8,::1/128"


DESCRIPTIONS: Mapping[str, str] = {
    "http": "address of the plain HTTP listener, host:port; empty: none",
    "https": "address of the mutual-TLS listener, host:port; empty: none",
    "tls_certificate": "PEM file of the server's certificate chain, for `https`",
    "tls_key": "PEM file of the server's private key, for `https`",
    "home": "folder for state: journal, keys, sockets of running workers",
    "routes": "the deployment file",
    "adapters": "folder with one folder per agency",
    "schemas": "folder with the contracts and CATALOG.sha256",
    "environment": "which endpoint of each adapter is called: simulated, test or live",
    "endpoints": "endpoint per agency that overrides its manifest: agency=url,agency=url",
    "database_url": "postgresql://… for the journal; empty: SQLite under `home`",
    "broker_url": "amqp://… of RabbitMQ; empty: delivery in process",
    "audience": "the name of this bus, which callers' tokens must be made out for",
    "node": "name of this machine in leases and hash chains; unique per database",
    "key_passphrase": "passphrase of private keys on disk; empty: keys are protected by file mode alone",
    "journal_window_ms": "how long a journal commit waits for others to share it",
    "checkpoint_every_s": "how often the heads of the hash chains are signed",
    "inbox_redeliver_s": "when an unacknowledged inbox reply is handed out again",
    "later_tries_s": "pauses in seconds before later tries of a question nobody waits for, while its agency is away",
    "lease_margin_s": "how long after its deadline an exchange may be unfinished before another worker takes it over",
    "max_body_bytes": "largest request body of any route",
    "max_in_flight": "exchanges that one worker runs at a time; more get 503",
    "shutdown_grace_s": "how long a stopping worker finishes what it accepted",
    "log_level": "debug, info, warning or error",
    "metrics_from": "networks that may read /metrics and the reasons in /readyz; everybody else gets neither",
}

SECRET = frozenset({"key_passphrase", "database_url", "broker_url"})
"""Settings whose value is never printed."""


def load(environ: Mapping[str, str] | None = None, *, file: Path | None = None) -> Settings:
    """The settings: defaults, then `esb.yaml` (or `ESB_CONFIG`), then the environment.

    Raises:
        SettingInvalid: an unknown name (with the likely one), a value of the wrong type or one that cannot work.
    """
    env = os.environ if environ is None else environ
    path = file or Path(env.get("ESB_CONFIG", "esb.yaml"))
    from_file, from_environment = _from_file(path), _from_environment(env)
    values: dict[str, Any] = {**from_file, **from_environment}
    for name in values:
        if name not in DESCRIPTIONS:
            raise SettingInvalid(f"unknown setting {name!r}{_did_you_mean(name)}")
    places = {name: f"ESB_{name.upper()}" if name in from_environment else f"{path}: {name}" for name in values}
    settings = Settings(**{name: _value(name, value, places[name]) for name, value in values.items()})
    if not (settings.http or settings.https or settings.broker_url):
        raise SettingInvalid("nobody could reach the bus: one of http, https and broker_url must be set")
    return settings


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment in which a child process reads exactly these settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESB_")}
    values = {name: getattr(settings, name) for name in DESCRIPTIONS}
    own = {f"ESB_{name.upper()}": str(value) for name, value in values.items() if name != "endpoints"}
    own["ESB_LATER_TRIES_S"] = ",".join(map(str, settings.later_tries_s))
    own["ESB_ENDPOINTS"] = ",".join(f"{agency}={url}" for agency, url in settings.endpoints.items())
    return {**inherited, **own, "ESB_CONFIG": os.devnull}


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise SettingInvalid(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingInvalid(f"{path} must hold `name: value` lines")
    return content


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, text in env.items():
        if not key.startswith("ESB_") or key == "ESB_CONFIG":
            continue
        name = key.removeprefix("ESB_").lower()
        values[name] = _LISTS[name](text) if name in _LISTS else text
    return values


def _pairs(text: str) -> dict[str, str]:
    pairs = [item.partition("=") for item in text.split(",") if item]
    if not all(separator for _, separator, _ in pairs):
        raise SettingInvalid("ESB_ENDPOINTS must read agency=url,agency=url")
    return {name.strip(): url.strip() for name, _, url in pairs}


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


_LISTS: Mapping[str, Callable[[str], Any]] = {"endpoints": _pairs, "later_tries_s": _items}
"""Settings that hold several values, and how a variable of the environment writes them."""


def _value(name: str, value: Any, place: str) -> Any:
    kind = _TYPES[name]
    # A value that is never printed is not printed for being wrong either.
    given = "what it is" if name in SECRET else repr(value)
    try:
        converted = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"{place} must be {_KINDS[get_origin(kind) or kind]}, not {given}") from error
    needed, fits = _RULES.get(name, ("", _anything))
    if not fits(converted):
        raise SettingInvalid(f"{place} must be {needed}, not {given}")
    return converted


def _anything(_value: Any) -> bool:
    return True


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _is_not_negative(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _is_at_least_one(value: int) -> bool:
    return value >= 1


def _is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text) is not None


def _are_web_addresses(endpoints: Mapping[str, str]) -> bool:
    return all(map(_is_web_address, endpoints.values()))


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


_TYPES: Final[Mapping[str, Any]] = {field.name: field.type for field in msgspec.structs.fields(Settings)}

_KINDS: Final[Mapping[Any, str]] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: "a web address for each agency",
    tuple: "whole numbers, as 5,30,120",
}
"""What a setting of a type holds, in words."""

_RULES: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "checkpoint_every_s": ("a number above 0", _is_positive),
    "endpoints": ("agency=url,agency=url with addresses of http:// or https://", _are_web_addresses),
    "inbox_redeliver_s": ("a number above 0", _is_positive),
    "journal_window_ms": ("a number, 0 or more", _is_not_negative),
    "max_body_bytes": ("at least 1", _is_at_least_one),
    "max_in_flight": ("at least 1", _is_at_least_one),
    "node": (
        "a name of at most 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
        _is_name,
    ),
    "shutdown_grace_s": ("a number, 0 or more", _is_not_negative),
}
"""What a value must be beyond its type, in words and as a check."""


def _did_you_mean(name: str) -> str:
    near = difflib.get_close_matches(name, DESCRIPTIONS, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
