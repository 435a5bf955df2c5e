# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the process loads that all others of a run are forked from."""

from __future__ import annotations

import sys

import pytest
from ansible._internal import _task
from ansible.plugins.loader import module_loader

from ansible_collections.phoenix.hypervisor.plugins.callback import phoenix_log
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import preloading


def test_each_task_finds_what_ansible_has_computed() -> None:
    result = vars(_task).get("UnifiedTaskResult")
    cached = vars(result)["get_result_key_to_resolved_field_mapping"].__func__ if result else None
    if cached:
        cached.cache_clear()
    module_loader._clear_caches()
    preloading.preload_for_tasks()
    # ansible-core 2.19 has nothing to compute here.
    assert cached is None or cached.cache_info().currsize == 2
    assert "command" in module_loader._plugin_path_cache[".py"]
    assert "ansible.module_utils._internal._json._profiles._module_legacy_m2c" in sys.modules


def test_an_ansible_without_these_parts_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ansible._internal._task", None)
    for name in ("get_shell_plugin", "module_loader", "json"):
        monkeypatch.setattr(preloading, name, None)
    preloading.preload_for_tasks()


class Named:
    """A host, and a task on it."""

    name = _uuid = "x"
    delegate_to = None

    def __init__(self, **variables: object) -> None:
        self.variables = variables

    def get_vars(self) -> dict[str, object]:
        return self.variables


def test_each_is_done_once_before_a_task_whatever_the_number_of_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    callback = phoenix_log.CallbackModule()
    for name in ("preload_for_tasks", "preload_filters"):
        monkeypatch.setattr(phoenix_log, name, lambda name=name: done.append((name, len(callback._tasks))))
    for number in (1, 1, 1, 2, 1, 2, 3, 2, 4, 3):
        task = Named()
        task._uuid = str(number)
        callback.v2_runner_on_start(Named(), task)
    assert done == [("preload_for_tasks", 2), ("preload_filters", 3)]


def test_the_first_task_in_a_container_prepares_the_run_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    callback = phoenix_log.CallbackModule()
    monkeypatch.setattr(phoenix_log.polling, "relax", lambda: done.append("relax"))
    monkeypatch.setattr(phoenix_log, "preload", done.append)
    monkeypatch.setattr(phoenix_log, "program", lambda: done.append("program"))
    callback.v2_runner_on_start(Named(), Named())
    assert done == []
    for _number in range(3):
        callback.v2_runner_on_start(Named(phoenix_ctid=950, ansible_connection=preloading.CONTAINERS), Named())
    assert done == ["relax", preloading.CONTAINERS, "program"]
