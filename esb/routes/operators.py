"""Who may do what to the register of adapters: the section `operators` of `routes.yaml`.

Read on its own, without compiling a route: an agency must be suspendable while a route is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from esb.errors import RoutesInvalid
from esb.routes import document, fields
from esb.routes.deployment import OPERATORS

Permissions = Mapping[str, frozenset[str]]
"""For each login name the verbs that it may use."""


def load(path: Path) -> Permissions | None:
    """The permissions; None where the file has no such section, so that nobody has any.

    Raises:
        RoutesInvalid: the section, or the file as a whole, cannot be read.
    """
    read = document.load(path)
    if read.root is None:
        raise RoutesInvalid(read.findings)
    node = read.root.get(OPERATORS.name)
    if node is None:
        return None
    section = document.Node(
        shape=document.Shape.MAPPING,
        line=node.line,
        column=node.column,
        key_line=node.key_line,
        key_column=node.key_column,
        entries={OPERATORS.name: node},
    )
    values, findings = fields.read(section, (OPERATORS,), read.file)
    if findings:
        raise RoutesInvalid(findings)
    return {name: frozenset(row["may"]) for name, row in values[OPERATORS.name].items()}
