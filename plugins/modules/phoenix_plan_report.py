#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_plan_report
short_description: Write the plan of a run, and report whether to fail on its changes
version_added: 0.1.0
description:
  - Runs on the controller, as the last task of every playbook of this collection that changes something.
  - Writes what the callback P(phoenix.hypervisor.phoenix_plan#callback) has gathered to C(phoenix_plan_file), and sets
    it as the statistic C(phoenix_plan), which AWX shows as an artifact of the job.
  - With C(phoenix_fail_on_changes) it returns a text to fail with when something is due in check mode, or was changed
    in a real run. It does not fail itself, because Ansible drops the statistics of a task that fails.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: It works in both modes.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Report what this run changes
  phoenix.hypervisor.phoenix_plan_report:
  run_once: true
  register: phoenix_reported
"""

RETURN = r"""
changes:
  description: The number of changes.
  returned: always
  type: int
  sample: 4
lines:
  description: A line for each node and container with changes.
  returned: always
  type: list
  elements: str
  sample: ["container 950 (web): pve PUT /nodes/pve/lxc/950/config"]
refusal:
  description: The text to fail with; empty without changes, and without C(phoenix_fail_on_changes).
  returned: always
  type: str
  sample: ""
"""
