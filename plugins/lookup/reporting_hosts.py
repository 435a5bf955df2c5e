# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup: the hosts of the play that reports what a run changes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: reporting_hosts
short_description: Select all hosts when a run was asked for its plan
version_added: 0.1.0
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
description:
  - Returns the pattern of the last play of a run. It is V(all) when the run was given C(phoenix_plan_file) or
    C(phoenix_fail_on_changes), else V(!all), so that other runs do not pay for the play.
options: {}
"""

EXAMPLES = r"""
- name: Report what this run changes
  hosts: "{{ lookup('phoenix.hypervisor.reporting_hosts') }}"
"""

RETURN = r"""
_raw:
  description: The pattern.
  type: list
  elements: str
"""

from typing import Any

from ansible.plugins.lookup import LookupBase

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.plan import this_run


class LookupModule(LookupBase):
    """Answers in the main process, which has the results of the first task."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the pattern."""
        return ["all" if this_run.reports() else "!all"]
