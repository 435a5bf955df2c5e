# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Completes phoenix_packages on the controller: the module looks, the family's own module installs what is missing.

A machine that lacks no package gets its locale with the look, any other one after the installation.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import locales
from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system.package_families import (
    DEFAULT,
    FAMILIES,
    OPTIONS,
    wanted,
)

MODULE = "phoenix.hypervisor.phoenix_packages"
LOCALE = "phoenix.hypervisor.phoenix_locale"


class ActionModule(ActionBase):
    """One look, the same for check mode and a real run; then the family's own module."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, and install what is missing unless in check mode."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}

        def call(name: str, options: dict[str, Any]) -> dict[str, Any]:
            return dict(self._execute_module(module_name=name, module_args=options, task_vars=variables))

        _valid, options = self.validate_argument_spec(argument_spec=OPTIONS)
        looked = call(MODULE, options)
        if looked.get("failed"):
            return {**result, **looked}
        # By a guest, too: of the families that the task knows, and among the names that the task has for it.
        name = str(looked.get("family") if looked.get("family") in options["families"] else DEFAULT)
        missing = looked.get("missing") or ()
        lacking = [one for one in dict.fromkeys(wanted(options, name)) if one in missing]
        family, setting = FAMILIES[name], locales.asked(options, name)
        configured = bool(options["apt_config"] or setting) and bool(looked.get("changed"))
        result.update(changed=configured or bool(lacking), family=name, missing=lacking)
        result["has_lists"] = bool(looked.get("has_lists"))
        result["paths"] = matching(looked.get("paths") or (), options["look_for"])
        diff = shown_files(looked) if configured else []
        if setting:
            result["generated"] = generated(looked, setting)
        if lacking:
            diff.append({"prepared": f"install {' '.join(lacking)}\n"})
        if diff:
            result["diff"] = diff
        asked = family.options(options, lacking, result["has_lists"])
        if self._task.check_mode:
            told = {"installed": lacking, "generated": result.get("generated")}
            words = [f"Would be {done}: {' '.join(names)}" for done, names in told.items() if names]
            if words:  # printed always, as ansible.builtin.debug is: a dry run is there to be read
                result.update(msg=". ".join(words), _ansible_verbose_always=True)
            return result
        if not asked:
            return result
        installed = persistent(lambda: call(family.module, asked), options["retries"], options["delay"])
        shown = {
            key: installed[key] for key in ("attempts", "failed", "msg", "stdout", "stderr", "rc") if key in installed
        }
        result.update(shown, changed=configured or (bool(lacking) and bool(installed.get("changed"))))
        if installed.get("failed") and lacking:
            diff.pop()
        elif lacking and setting:
            done = call(LOCALE, setting)
            result.update({key: done[key] for key in ("failed", "msg") if key in done})
            result["generated"] = generated(done, setting)
            result["changed"] |= bool(done.get("changed"))
            diff += shown_files(done)
        return result


def shown_files(answer: Mapping[str, Any]) -> list[Any]:
    """Return what an answer shows of the files that it is about."""
    files = answer.get("diff")
    return [*files] if isinstance(files, list) else []


def generated(answer: Mapping[str, Any], setting: Mapping[str, Any]) -> list[str]:
    """Return the locales that were generated, of those that the task has asked for."""
    return [one for one in setting["locales"] if one in (answer.get("generated") or ())]


def matching(paths: Iterable[object], patterns: list[str]) -> list[str]:
    """Return the paths that the task has asked for: those that a guest names besides are left out."""
    return [path for path in paths if isinstance(path, str) and any(fnmatch.fnmatchcase(path, one) for one in patterns)]


def persistent(attempt: Callable[[], dict[str, Any]], retries: int, delay: float) -> dict[str, Any]:
    """Return the first result that is no failure, else the last: a mirror or a lock may be back in a moment."""
    for number in range(1, retries + 2):
        result = {**attempt(), "attempts": number}
        if not result.get("failed") or number > retries:
            break
        time.sleep(delay)
    return result
