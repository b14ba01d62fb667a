"""Reading a UsernameToken and comparing it with the one that was agreed on."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from security.errors import SignatureInvalid, TokenInvalid
from security.wsse_header import password_digest
from security.wsse_terms import BASE64_BINARY, PASSWORD_DIGEST, PASSWORD_TEXT, WSSE, WSU, UsernameToken
from security.xml import Element
from security.xmldsig import decode_base64

_USERNAME, _PASSWORD, _NONCE = (f"{{{WSSE}}}{name}" for name in ("Username", "Password", "Nonce"))
_CREATED = f"{{{WSU}}}Created"
_MAX_NONCE_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Username:
    """A token whose password is the right one. `nonce` may be used once; `created` is still to be looked at."""

    nonce: bytes = b""
    created: str | None = None


def read_username(element: Element, wanted: UsernameToken) -> Username:
    """The token, if it holds the agreed name and proves the agreed password in the agreed way.

    Raises:
        TokenInvalid: another name, another password, or a password that is told where it should be proven.
        SignatureInvalid: outside the profile.
    """
    parts = {str(child.tag): child for child in element if not len(child)}
    if len(parts) != len(element) or not {_USERNAME, _PASSWORD} <= parts.keys() <= _ALLOWED:
        raise SignatureInvalid("UsernameToken is outside the profile")
    nonce = _nonce(parts.get(_NONCE))
    created = (parts[_CREATED].text or "").strip() if _CREATED in parts else None
    password = parts[_PASSWORD]
    given = (password.text or "").encode()
    if wanted.digest:
        if password.get("Type") != PASSWORD_DIGEST or not nonce or created is None:
            raise TokenInvalid("UsernameToken does not prove its password by nonce and time")
        given = decode_base64(password.text)
        right = password_digest(nonce, created, wanted.password)
    else:
        if password.get("Type", PASSWORD_TEXT) != PASSWORD_TEXT:
            raise TokenInvalid("UsernameToken holds no password text")
        right = wanted.password.encode()
    named = hmac.compare_digest((parts[_USERNAME].text or "").encode(), wanted.user.encode())
    # Both are compared in every case: which of the two was wrong is nobody's business.
    if not hmac.compare_digest(given, right) & named:
        raise TokenInvalid("name or password is wrong")
    return Username(nonce=nonce, created=created)


_ALLOWED = frozenset({_USERNAME, _PASSWORD, _NONCE, _CREATED})


def _nonce(element: Element | None) -> bytes:
    if element is None:
        return b""
    if element.get("EncodingType", BASE64_BINARY) != BASE64_BINARY:
        raise SignatureInvalid("UsernameToken is outside the profile")
    nonce = decode_base64(element.text)
    if len(nonce) > _MAX_NONCE_BYTES:
        raise SignatureInvalid("UsernameToken is outside the profile")
    return nonce
