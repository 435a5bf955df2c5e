# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a role from disk: the hash of its files, its defaults, the variables that it declares."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultHelper

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied.digest import files_hash

_NO_EFFECT_FOLDERS = frozenset({"docs", "tests", "molecule", "__pycache__"})
_NO_EFFECT_NAMES = ("README", "LICENSE", "CHANGELOG", "COPYING")
_NO_EFFECT_ENDINGS = (".pyc", "~", ".orig", ".rej")


@functools.cache
def role_files_hash(path: str) -> str:
    """Return the hash of the files of the role at `path` that can change what it does.

    Hidden files, documentation and tests have no say. Read once per process.
    """
    return files_hash(_role_files(path))


def _role_files(path: str) -> Iterator[tuple[str, bool, str]]:
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NO_EFFECT_FOLDERS]
        for name in names:
            if name.startswith((".", *_NO_EFFECT_NAMES)) or name.endswith(_NO_EFFECT_ENDINGS):
                continue
            full = os.path.join(folder, name)
            with open(full, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            relative = os.path.relpath(full, path).replace(os.sep, "/")
            yield relative, os.access(full, os.X_OK) and bool(os.stat(full).st_mode & 0o111), content


def load_yaml(loader: DataLoader, path: str, template: bool = False) -> Any:
    """Return what the YAML file at `path` holds; with `template`, its texts may be templates.

    Raises AnsibleError with file and line for bad YAML or a missing vault password.
    """
    # Not copied ("unsafe"), which takes as long as reading it: nobody else has it.
    return loader.load_from_file(path, cache="none", unsafe=True, trusted_as_template=template)


def first_file(path: str, *names: str) -> str:
    """Return the first of `names` (without ending) that is a YAML file under `path`, or an empty text."""
    for name in names:
        for ending in (".yml", ".yaml", ".json", ""):
            full = os.path.join(path, name + ending)
            if os.path.isfile(full):
                return full
    return ""


def role_defaults(loader: DataLoader, path: str) -> dict[str, Any]:
    """Return the default variables of the role at `path`, merged from a folder as Ansible does."""
    single = first_file(path, "defaults/main")
    files = [single] if single else []
    folder = os.path.join(path, "defaults", "main")
    if not single and os.path.isdir(folder):
        files = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith((".yml", ".yaml"))]
    result: dict[str, Any] = {}
    for file in files:
        found = load_yaml(loader, file, template=True)
        result.update(found if isinstance(found, Mapping) else {})
    return result


def role_spec(loader: DataLoader, path: str) -> Mapping[str, Any] | None:
    """Return the options of the main entry point in argument_specs of the role at `path`; None where it has none."""
    file = first_file(path, "meta/argument_specs", "meta/main")
    specs: Any = load_yaml(loader, file) if file else None
    specs = specs.get("argument_specs") if isinstance(specs, Mapping) else None
    if not isinstance(specs, Mapping) or "main" not in specs:
        return None
    return (specs["main"] or {}).get("options") or {}


def role_options(spec: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> dict[str, bool]:
    """Return the variables that count in the digest of a role, each with whether it is secret.

    They are the options of its spec; a role without one is given its defaults' names.
    """
    if spec is None:
        return dict.fromkeys(defaults, False)
    return {name: _is_secret(option) for name, option in spec.items()}


def _is_secret(option: Any) -> bool:
    if not isinstance(option, Mapping):
        return False
    return bool(option.get("no_log")) or any(_is_secret(part) for part in (option.get("options") or {}).values())


def effective_value(value: Any, template: Callable[[Any], Any] | None) -> tuple[Any, bool]:
    """Return a variable's value, templated where it holds a template, and whether any of it came out of a vault."""
    vaulted = is_vaulted(value)
    result = template(value) if template and (vaulted or is_template(value)) else value
    return _plain(result), vaulted or is_vaulted(result)


def is_template(value: Any) -> bool:
    """Return whether a text anywhere in `value` looks like a template."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(is_template(part) for part in value.values())
    return isinstance(value, (list, tuple)) and any(is_template(part) for part in value)


def is_vaulted(value: Any) -> bool:
    """Return whether anything in `value` is, or was, encrypted by Ansible Vault."""
    if isinstance(value, Mapping):
        return any(is_vaulted(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return any(is_vaulted(part) for part in value)
    return bool(VaultHelper.get_ciphertext(value, with_tags=False))


def _plain(value: Any) -> Any:
    """Return `value` with what JSON can't hold, such as an encrypted text, as a text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
