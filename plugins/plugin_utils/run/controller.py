# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller lacks for a run: versions of ansible-core and of collections, Python packages.

Ansible finds a missing collection when the task that uses it is reached, which may be after an hour of work.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import json
import operator
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from ansible.release import __version__ as core_version
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.version import LooseVersion, SemanticVersion

HOME = "phoenix.hypervisor"
PYTHON = {"jsonschema": "4.18"}
"""Python packages of the controller with their lowest version, as requirements.txt has them."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where PyYAML was built with it

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CLAUSE = re.compile(r"\s*(==|!=|>=|<=|>|<)?\s*([0-9A-Za-z.+-]+)\s*\Z")
# A module by its full name, as the first key of a task or the value of an `action`.
_MODULE = re.compile(
    r"^[ \t]*(?:- )?[ \t]*([a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*)\.[a-z_][a-z0-9_.]*:(?:\s|$)", re.MULTILINE
)


class Lack(NamedTuple):
    """Something that is needed and not found on the controller."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}  remedy: {self.remedy}"


def lacks() -> list[Lack]:
    """Return what this collection needs of the controller and does not find."""
    return [*_core(), *_packages(), *lacking_collections(dependencies(HOME), HOME)]


def dependencies(collection: str) -> dict[str, str]:
    """Return the collections that an installed collection needs, each with its versions; {} when it says none."""
    found = _metadata(collection).get("dependencies")
    return {str(name): str(versions) for name, versions in found.items()} if isinstance(found, Mapping) else {}


def lacking_collections(required: Mapping[str, str], by: str) -> list[Lack]:
    """Return each required collection that is missing or has another version."""
    found = []
    for name, versions in sorted(required.items()):
        folder = collection_folder(name)
        remedy = f"On the controller: ansible-galaxy collection install '{name}:{versions}'"
        if not folder:
            found.append(Lack(f"collection {name} ({versions}) is not installed, and {by} needs it", remedy))
            continue
        version = str(_metadata(name).get("version") or "")
        # A checkout may say no version; then it is the user's own choice.
        if version and version != "*" and not meets(version, versions):
            what = f"collection {name} has version {version} in {folder}, and {by} needs {versions}"
            found.append(Lack(what, f"{remedy} --force"))
    return found


def collections_of_role(path: str) -> frozenset[str]:
    """Return the collections whose modules a role's tasks and handlers name."""
    found: set[str] = set()
    for part in ("tasks", "handlers"):
        for folder, _folders, files in os.walk(os.path.join(path, part)):
            for name in files:
                if name.endswith((".yml", ".yaml")):
                    with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                        found.update(_MODULE.findall(file.read()))
    return frozenset(found - {"ansible.builtin", "ansible.legacy"})


@functools.cache
def lacking_for_role(path: str, collection: str) -> tuple[Lack, ...]:
    """Return what a role needs of the controller and does not find: its collection's requirements, its modules."""
    required = dependencies(collection) if collection and collection != HOME else {}
    used = {name: "*" for name in collections_of_role(path) if name not in required and name != collection}
    return tuple(lacking_collections({**used, **required}, f"role {path}"))


def meets(version: str, versions: str) -> bool:
    """Return whether a version meets a requirement such as ``>=1.5.0,<3.0.0``. ``*`` is any."""
    for clause in versions.split(","):
        match = _CLAUSE.match(clause)
        if clause.strip() in ("", "*") or match is None:
            continue
        compare = _OPERATORS[match.group(1) or "=="]
        if not compare(_version(version), _version(match.group(2))):
            return False
    return True


@functools.cache
def collection_folder(name: str) -> str:
    """Return the folder of an installed collection, an empty text when there is none."""
    # Where Ansible would import it from: the import itself reads all that the collection says of its plugins.
    parts = name.split(".")
    for path in AnsibleCollectionConfig.collection_paths:
        if os.path.isdir(folder := os.path.join(path, "ansible_collections", *parts)):
            return folder
    try:
        package = importlib.import_module(f"ansible_collections.{name}")
    except ImportError:
        return ""
    return str(next(iter(package.__path__), ""))


def _core() -> Iterator[Lack]:
    try:
        with open(os.path.join(collection_folder(HOME), "meta", "runtime.yml"), encoding="utf-8") as file:
            required = str((yaml.load(file, _LOADER) or {}).get("requires_ansible") or "*")  # noqa: S506 - a safe one
    except (OSError, yaml.YAMLError):
        return
    if not meets(core_version, required):
        what = f"ansible-core has version {core_version}, and {HOME} needs {required}"
        yield Lack(what, f"On the controller: pip install 'ansible-core{required}'")


def _packages() -> Iterator[Lack]:
    for name, lowest in PYTHON.items():
        remedy = f"For the Python of ansible-core: pip install '{name}>={lowest}'"
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Lack(f"the Python package {name} is not installed, and {HOME} needs >={lowest}", remedy)
            continue
        if not meets(version, f">={lowest}"):
            yield Lack(f"the Python package {name} has version {version}, and {HOME} needs >={lowest}", remedy)


@functools.cache
def _metadata(collection: str) -> Mapping[str, Any]:
    """The manifest of an installed collection, or the galaxy.yml of a checkout; {} without either."""
    folder = collection_folder(collection)
    try:
        with open(os.path.join(folder, "MANIFEST.json"), encoding="utf-8") as file:
            info = json.load(file).get("collection_info")
    except (OSError, ValueError, RecursionError, AttributeError):
        info = None
    if info is None:
        try:
            with open(os.path.join(folder, "galaxy.yml"), encoding="utf-8") as file:
                info = yaml.load(file, _LOADER)  # noqa: S506 - a safe one
        except (OSError, ValueError, yaml.YAMLError):
            info = None
    return info if isinstance(info, Mapping) else {}


def _version(text: str) -> Any:
    """A comparable version: a semantic one, where what is missing counts as 0."""
    plain = text.split("+", maxsplit=1)[0]
    parts = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)\Z", plain)
    if parts is None:
        return SemanticVersion.from_loose_version(LooseVersion("0.0.0"))
    numbers = ".".join(number or "0" for number in parts.groups()[:3])
    # b1, rc2 and .dev0 of Python's versions come before the release, as -… of a semantic one does.
    before = re.match(r"[.-]?((?:a|b|rc|dev|alpha|beta)[0-9A-Za-z.-]*)\Z", parts.group(4))
    return SemanticVersion(f"{numbers}-{before.group(1)}" if before else numbers)
