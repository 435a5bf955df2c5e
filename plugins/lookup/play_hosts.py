# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lookup: the hosts of the plays of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: play_hosts
short_description: Select the hosts of a play by what the tasks before it have found
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - The playbooks of this collection use it as the pattern of their plays, with C(query). It reads the facts that the
    first tasks of a run set on the controller and on the nodes.
  - A filter in a pattern would load all of Ansible's filters in a run that has nothing to do.
options:
  _terms:
    description:
      - The play.
      - V(reach) is one container of all nodes that the inventory of the run lacks, and V(observe) one of each node.
      - V(show) is one container of each node, and one whose node the run does not have, for what is shown of all.
      - V(stranded) are the containers whose node the run does not have.
      - V(download) is one container of each node that waits for a template, V(notes) those with notes for people, and
        V(work) those with work to do or a fault.
      - V(report) is V(all) when the run was given C(phoenix_plan_file) or C(phoenix_fail_on_changes).
    required: true
    type: list
    elements: str
    choices: [reach, observe, show, stranded, download, notes, work, report]
"""

EXAMPLES = r"""
- name: Work on the containers that need it
  hosts: "{{ query('phoenix.hypervisor.play_hosts', 'work') }}"
"""

RETURN = r"""
_list:
  description: Inventory names or a pattern, V(!all) for no host.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.container import selecting
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import this_run
from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import preloading


class LookupModule(LookupBase):
    """Answers in the main process, which has the results of the tasks before."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the hosts of the named play."""
        known = variables or {}
        if terms == ["report"]:
            asked = this_run.reports() and not known.get("phoenix_part_of_site")
            return ["all" if asked else selecting.NOBODY]
        (play,) = terms
        if play in ("reach", "observe"):
            selecting.SETTLED.clear()
        elif play in selecting.SETTLED:
            return [selecting.NOBODY]
        facts = _Facts(known)
        nodes = (facts.of(node) for node in (known.get("groups") or {}).get("hypervisors") or ())
        found = selecting.hosts(play, facts.of("localhost").get("phoenix_fleet") or {}, nodes)
        if play == "work" and found != [selecting.NOBODY]:
            preloading.preload_work()
        return found


class _Facts:
    """The facts of hosts as they are: none of them is a template."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._hostvars = variables.get("hostvars")

    def of(self, host: str) -> Mapping[str, Any]:
        """Return those of one host, nothing where it has none."""
        read = getattr(self._hostvars, "raw_get", None)
        found = (read(host) if read is not None else {}).get("ansible_facts")
        return found if isinstance(found, Mapping) else {}
