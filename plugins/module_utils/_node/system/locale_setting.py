# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locales of a machine: those that it lacks are generated in one go, and one line of a file says which it uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..._core.system import locales
from ..failure import NodeError
from . import root_files

LIST = "/etc/locale.gen"
SUPPORTED = "/usr/share/i18n/SUPPORTED"
MODE = 0o644


def present(module: Any) -> str:
    """Return what `locale -a` prints. Raises NodeError where it fails."""
    code, text, error = module.run_command(["locale", "-a"])
    if code:
        raise NodeError(f"locale -a failed: {error.strip()[-500:] or f'exit code {code}'}")
    return str(text)


def generate(module: Any, wanted: list[str], diff: list[dict[str, str]]) -> list[str]:
    """Generate the locales that are missing. Returns their names. Raises NodeError for one that is unknown."""
    if not wanted:
        return []
    before = root_files.read(LIST)
    if before.content is None:
        if not module.check_mode:
            raise NodeError(f"{LIST} is missing", remedy="install the package locales")
        return list(wanted)
    missing = locales.missing(wanted, present(module))
    content, unknown = locales.enabled(before.content, missing, root_files.read(SUPPORTED).content or "")
    if unknown:
        raise NodeError(
            f"locale {', '.join(unknown)} is unknown here, expected one of {SUPPORTED}, such as en_US.UTF-8"
        )
    if not missing or module.check_mode:
        return missing
    if content != before.content:
        diff.append(root_files.diff(LIST, before, content, MODE))
        root_files.replace(module, LIST, content, MODE)
    code, out, error = module.run_command(["locale-gen"])
    left = [] if code else locales.missing(missing, present(module))
    if code or left:
        words = (error.strip() or out.strip())[-1000:]
        raise NodeError(f"locale-gen has not generated {', '.join(left or missing)}: {words or f'exit code {code}'}")
    return missing


def choose(module: Any, asked: Mapping[str, Any], diff: list[dict[str, str]]) -> None:
    """Set the line of the system's locale."""
    path, locale = asked["path"], asked["locale"]
    if not locale:
        return
    before = root_files.read(path)
    content = locales.with_line(before.content or "", asked["key"], locale)
    if before.content == content and before.is_of_root(MODE):
        return
    diff.append(root_files.diff(path, before, content, MODE))
    if not module.check_mode:
        root_files.replace(module, path, content, MODE)


def ensure(module: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Compare with what phoenix_locale is asked, and change it unless in check mode. Returns that module's answer."""
    diff: list[dict[str, str]] = []
    generated = generate(module, asked["locales"], diff)
    choose(module, asked, diff)
    result: dict[str, Any] = {"changed": bool(generated or diff), "generated": generated, "diff": diff}
    if generated and module.check_mode and not os.path.exists(LIST):
        result["msg"] = f"Would be generated, once the package locales is there: {' '.join(generated)}"
    return result
