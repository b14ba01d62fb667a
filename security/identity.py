"""Which keys and certificates belong to which caller, from the folder `keys/callers`.

Read by the authenticate stage and by the TLS listener. A caller is a folder; no file in it, no way in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from security.certificates import sha256_of
from security.errors import KeyUnavailable
from security.keys import VerifyingKey, load_verifying_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerKeys:
    """`keys`: verifying keys by caller. `certificates`: caller by SHA-256 of its TLS certificate's DER."""

    keys: Mapping[str, tuple[VerifyingKey, ...]]
    certificates: Mapping[bytes, str]

    def keys_of(self, caller: str) -> Sequence[VerifyingKey]:
        """The caller's keys; none for a stranger."""
        return self.keys.get(caller, ())

    def caller_of_certificate(self, der: bytes) -> str | None:
        """The caller that this very certificate is registered for; its dates are the TLS handshake's to check."""
        return self.certificates.get(hashlib.sha256(der).digest())


def load(folder: Path) -> CallerKeys:
    """The callers below `folder`, one sub-folder each; a missing folder has none.

    Raises:
        KeyUnavailable: an unreadable file, or one certificate registered for two callers.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.exists() else []
    keys = {path.name: load_verifying_keys(path) for path in folders}
    return CallerKeys(keys=keys, certificates=_callers_by_certificate(keys))


def _callers_by_certificate(keys: Mapping[str, tuple[VerifyingKey, ...]]) -> dict[bytes, str]:
    callers: dict[bytes, str] = {}
    for caller, owned in keys.items():
        for key in owned:
            if key.certificate is None:
                continue
            known = callers.setdefault(sha256_of(key.certificate), caller)
            if known != caller:
                raise KeyUnavailable(f"certificate {key.kid} is registered for both {known} and {caller}")
    return callers
