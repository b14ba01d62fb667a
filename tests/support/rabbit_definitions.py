"""Users, virtual hosts and permissions of a test broker, in the form that RabbitMQ imports."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass

BUS_USER = "esb"
PASSWORD = "fictitious"


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What a broker user may do in one virtual host; each a regular expression on names."""

    configure: str
    write: str
    read: str
    topics: tuple[tuple[str, str, str], ...] = ()
    """(exchange, write, read): regular expressions on routing keys."""


EVERYTHING = Permission(configure=".*", write=".*", read=".*")


def vhost_definitions(vhosts: list[str]) -> dict[str, object]:
    """These virtual hosts, with the bus's own user in them."""
    return {
        "rabbit_version": "3.10.8",
        "users": [_user(BUS_USER)],
        "vhosts": [{"name": vhost} for vhost in vhosts],
        "permissions": [_permission(BUS_USER, vhost, EVERYTHING) for vhost in vhosts],
    }


def user_definitions(name: str, vhost: str, permission: Permission) -> dict[str, object]:
    """One user and what it may do in one virtual host."""
    return {
        "rabbit_version": "3.10.8",
        "users": [_user(name)],
        "permissions": [_permission(name, vhost, permission)],
        "topic_permissions": [
            {"user": name, "vhost": vhost, "exchange": exchange, "write": write, "read": read}
            for exchange, write, read in permission.topics
        ],
    }


def _user(name: str) -> dict[str, object]:
    salt = secrets.token_bytes(4)
    digest = hashlib.sha256(salt + PASSWORD.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }


def _permission(name: str, vhost: str, permission: Permission) -> dict[str, object]:
    return {
        "user": name,
        "vhost": vhost,
        "configure": permission.configure,
        "write": permission.write,
        "read": permission.read,
    }
