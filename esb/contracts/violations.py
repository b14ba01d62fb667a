"""What libxml2 has against a document, told as a path and a reason without any of the document's values.

A value in an agency's document may be personal, and libxml2 quotes it. So its sentences are not passed on: the
reason is made from the kind of error and from what the contract itself says.
"""

from __future__ import annotations

import re
from typing import Any

from esb.errors import ContractViolation
from security.xml import Element

_REASONS = {
    "SCHEMAV_ELEMENT_CONTENT": "is not allowed here",
    "SCHEMAV_MISSING": "is incomplete",
    "SCHEMAV_CVC_ELT_1": "is not an element of the contract",
    "SCHEMAV_CVC_ELT_2": "is abstract, so another element must stand for it",
    "SCHEMAV_CVC_TYPE_3_1_1": "has attributes that the contract does not allow",
    "SCHEMAV_CVC_TYPE_3_1_2": "has child elements where only text may stand",
    "SCHEMAV_CVC_ELT_3_1": "is nil, which the contract does not allow",
    "SCHEMAV_CVC_ELT_3_2_1": "is nil and has content",
    "SCHEMAV_CVC_ELT_5_2_2_2_2": "differs from the fixed value",
    "SCHEMAV_CVC_AU": "has an attribute that differs from the fixed value",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "has content and must be empty",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_2": "has child elements where only text may stand",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "has text between its child elements",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "has an attribute that the contract does not allow",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2": "has an attribute that the contract does not allow",
    "SCHEMAV_CVC_COMPLEX_TYPE_4": "lacks a required attribute",
    "SCHEMAV_CVC_LENGTH_VALID": "has the wrong length",
    "SCHEMAV_CVC_MINLENGTH_VALID": "is too short",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "is too long",
    "SCHEMAV_CVC_PATTERN_VALID": "does not match its pattern",
    "SCHEMAV_CVC_ENUMERATION_VALID": "is not one of the allowed values",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "is too small",
    "SCHEMAV_CVC_MINEXCLUSIVE_VALID": "is too small",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "is too large",
    "SCHEMAV_CVC_MAXEXCLUSIVE_VALID": "is too large",
    "SCHEMAV_CVC_TOTALDIGITS_VALID": "has too many digits",
    "SCHEMAV_CVC_FRACTIONDIGITS_VALID": "has too many digits after the point",
    "SCHEMAV_CVC_IDC": "breaks a uniqueness rule",
}
_DATATYPE = "SCHEMAV_CVC_DATATYPE"
_STEP = re.compile(r"(?:[^:\[\]]+:)?([^:\[\]]+)(?:\[(\d+)\])?")
_EXPECTED = re.compile(r"Expected is (?:one of )?\( ([^()]*) \)\.$")
_TYPE = re.compile(r" type '([^']*)'\.$")
_ATTRIBUTE = re.compile(r", attribute '([^']*)': ")


def violation_of(root: Element, entry: Any) -> ContractViolation:
    """The first entry of libxml2's error log as a violation; `path` is relative to the root, None at the root."""
    reason = _REASONS.get(entry.type_name) or _datatype_reason(entry)
    expected = _EXPECTED.search(entry.message)
    if expected and entry.type_name in {"SCHEMAV_ELEMENT_CONTENT", "SCHEMAV_MISSING"}:
        reason = f"{reason}; expected is {_local_names(expected.group(1))}"
    return ContractViolation(reason, path=_path(root, entry) or None)


def _datatype_reason(entry: Any) -> str:
    if not entry.type_name.startswith(_DATATYPE):
        return f"does not fit its contract ({entry.type_name})"
    # The type's name closes the sentence, so that a quoted value cannot pretend to be it.
    named = _TYPE.search(entry.message)
    return f"is not a valid {_local_names(named.group(1))}" if named else "is not a valid value"


def _local_names(names: str) -> str:
    return ", ".join(name.strip().rpartition("}")[2] for name in names.split(", "))


def _path(root: Element, entry: Any) -> str:
    attribute = _ATTRIBUTE.search(entry.message.split("': ", 1)[0] + "': ")
    steps = _steps(root, entry.path or "")
    if attribute:
        steps.append("@" + attribute.group(1).rpartition("}")[2])
    return "/".join(steps)


def _steps(root: Element, node_path: str) -> list[str]:
    """libxml2 writes an element of a default namespace as `*[n]`, counted among all its siblings."""
    steps: list[str] = []
    current = root
    for step in node_path.split("/")[2:]:
        match = _STEP.fullmatch(step)
        children = list(current)
        name = match.group(1) if match else step
        place = int(match.group(2) or 1) if match else 1
        alike = children if name == "*" else [child for child in children if _local(child) == name]
        if len(alike) < place:
            break
        current = alike[place - 1]
        steps.append(_step(current, children))
    return steps


def _step(element: Element, siblings: list[Element]) -> str:
    alike = [sibling for sibling in siblings if sibling.tag == element.tag]
    name = _local(element)
    return f"{name}[{alike.index(element) + 1}]" if len(alike) > 1 else name


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
