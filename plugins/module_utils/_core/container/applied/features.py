# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Features as a stack: names, order, and what one requires under it. Knows no feature by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")


def name_error(name: Any) -> str:
    """Return what is wrong with a feature's name, or an empty text.

    A name is a role's plain name, or a role's fully qualified name of at least three parts.
    """
    if not isinstance(name, str):
        return f"a feature's name must be a text, not {name!r}"
    if "." not in name:
        return "" if _PLAIN.match(name) else f"{name!r} is not a role's name"
    parts = name.split(".")
    if len(parts) < 3 or not all(_PART.match(part) for part in parts):
        return f"{name!r} is neither a role's name nor of the form namespace.collection.role"
    return ""


def stack(inherited: Sequence[str], own: Sequence[str]) -> list[str]:
    """Return the features that a container holds, lowest first.

    A clone starts with what its source has; its own list puts on top what is not yet there.
    """
    result: list[str] = []
    for name in [*inherited, *own]:
        if name not in result:
            result.append(name)
    return result


def order_errors(names: Sequence[str], requires: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one text for each feature that lacks under it what it requires.

    names: the stack, lowest first; requires: feature to the names that it wants under it. A requirement counts as met
    by its plain or by its fully qualified name.
    """
    errors: list[str] = []
    known = [_short(name) for name in names]
    for position, name in enumerate(names):
        for wanted in requires.get(name, ()):
            if _short(wanted) in known[:position]:
                continue
            if _short(wanted) in known[position:]:
                errors.append(f"feature {name} requires {wanted} under it: put {wanted} before {name}")
            else:
                errors.append(f"feature {name} requires {wanted} under it, which is not in the list")
    return errors


def duplicate_errors(own: Sequence[str]) -> list[str]:
    """Return one text for each feature that a container's own list names more than once."""
    return [f"feature {name} is listed more than once" for name in dict.fromkeys(own) if list(own).count(name) > 1]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` is misspelled of, or an empty text when none is as near as that."""
    # A letter of a short name is a mistake; with two it may be another feature.
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.81)
    return found[0] if found else ""


def merge_container_needs(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all of these manifests need of the container's host side, together.

    A flag that one of them wants is wanted; devices are collected in order. ``facts`` (variable -> the node's
    fact) and ``optional_devices`` are there only when one wants some.
    """
    flags: dict[str, bool] = {}
    devices: list[str] = []
    optional: list[str] = []
    facts: dict[str, str] = {}
    for manifest in manifests:
        container = manifest.get("container", {})
        for flag, wanted in container.get("features", {}).items():
            flags[flag] = flags.get(flag, False) or wanted
        facts.update(container.get("facts", {}))
        devices.extend(device for device in container.get("devices", ()) if device not in devices)
        optional.extend(device for device in container.get("optional_devices", ()) if device not in optional)
    return {
        "features": flags,
        "devices": devices,
        **({"optional_devices": optional} if optional else {}),
        **({"facts": facts} if facts else {}),
    }


def device_classes(needs: Iterable[Mapping[str, Any]], assignment: str | None) -> list[str]:
    """Return the classes of devices that a container gets, sorted. ``needs``: those of its features, as merged.

    ``assignment``: its ``gpu_assignment``, own or of a clone source, None without one. Optional classes count where
    there is one: a feature that works without a GPU gets one only where the file says so.
    """
    keys = ("devices",) if assignment is None else ("devices", "optional_devices")
    return sorted({device for need in needs for key in keys for device in need.get(key, ())})


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def packages(declared: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the packages that a feature installs from the container's own sources, each once.

    declared: ``packages`` of its manifest; values: those of the variables that its role declares. What is no plain
    name, such as one with a version, is left to the role.
    """
    if any(values.get(name) != value for name, value in (declared.get("only_with") or {}).items()):
        return []
    found = list(declared.get("names") or ())
    for name in declared.get("variables") or ():
        value = values.get(name)
        found += value if isinstance(value, list) else []
    return plain_packages(found)


def plain_packages(names: Iterable[Any]) -> list[str]:
    """Return the plain names of packages among these, each once: they are safe as words of a shell's command."""
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and _PACKAGE.match(name)))
