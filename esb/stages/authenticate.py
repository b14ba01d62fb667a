"""Who is calling: the first step. Turns what a caller showed into a name the deployment knows, or refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from esb.errors import NotIdentified
from esb.model import CallerName
from esb.ports import Claim, Credentials, StoredExchange
from security import jws
from security.identity import CallerKeys


class Identified(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose proof held. `claims` must be journaled with whatever it is used for."""

    caller: CallerName
    claims: tuple[Claim, ...] = ()


def authenticate(
    credentials: Credentials,
    *,
    keys: CallerKeys,
    is_caller: Callable[[CallerName], bool],
    audience: str,
    now: datetime,
) -> Identified:
    """The caller behind these credentials. Every credential that is shown must hold, and all must agree.

    Raises:
        NotIdentified: nothing was shown, or it names nobody the deployment knows.
        TokenInvalid: the bearer token does not hold.
    """
    names: set[str] = set()
    claims: tuple[Claim, ...] = ()
    if credentials.bearer is not None:
        token = jws.verify_token(credentials.bearer, keys_of=keys.keys_of, audience=audience, now=now)
        names.add(token.issuer)
        claims = (Claim(key=f"jti:{token.issuer}:{token.jti}", expires_at=token.expires_at),)
    if credentials.certificate_der is not None:
        names.add(keys.caller_of_certificate(credentials.certificate_der) or "")
    if credentials.broker_user is not None:
        names.add(credentials.broker_user)
    if len(names) != 1:
        raise NotIdentified("no credentials" if not names else "credentials name different callers")
    caller = CallerName(names.pop())
    if not is_caller(caller):
        raise NotIdentified("not a caller of this deployment")
    return Identified(caller=caller, claims=claims)


def recall(stored: StoredExchange) -> Identified:
    """The caller of an exchange the journal holds: it was authenticated before RECEIVED was written."""
    return Identified(caller=stored.request.caller)
