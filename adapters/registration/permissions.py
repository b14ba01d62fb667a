"""Who may act on the register: operators by their login on the machine, permitted in `routes.yaml`. Denies by default.

The login is the account that the process runs under, not what a variable of the environment says.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from esb.errors import RegistrationRefused
from esb.routes import operators
from esb.routes.deployment import ACTS
from esb.settings import Settings

SIMULATED = "simulated"


def login() -> str:
    """The name of the account that runs this process."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid{uid}"


def require(settings: Settings, operator: str, act: str) -> None:
    """Return when the operator may do this.

    Where no operators are named at all, whoever owns `home` may do everything on an embedded bus in the environment
    `simulated`: nothing of it is real, and a newcomer begins there.

    Raises:
        RegistrationRefused: not permitted; says what would permit it.
        RoutesInvalid: the section `operators` cannot be read.
    """
    permissions = operators.load(Path(settings.routes))
    if permissions is None:
        if _is_own_sandbox(settings):
            return
        raise RegistrationRefused(
            f"{settings.routes} names no operators, so nobody may {act}: add"
            f" `operators: {{{operator}: {{may: [{', '.join(ACTS)}]}}}}`, or less"
        )
    if act not in permissions.get(operator, frozenset()):
        raise RegistrationRefused(f"{operator} may not {act}: {settings.routes}, operators.{operator}.may says what is")


def _is_own_sandbox(settings: Settings) -> bool:
    if settings.environment != SIMULATED or settings.database_url:
        return False
    home = Path(settings.home)
    return not home.exists() or home.stat().st_uid == os.getuid()
