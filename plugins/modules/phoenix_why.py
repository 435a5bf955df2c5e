#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_why
short_description: Show why the next run does what it plans for containers
version_added: 0.1.0
description:
  - Runs on the controller. Shows for each key the value of the file, of the node and of the record, and what follows.
  - Shows for each feature and for the application the digests, the inputs that differ, and which run applied it last.
  - Values that look like secrets are not shown.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment: phoenix.hypervisor.facts_of_nodes.without_node
attributes:
  check_mode:
    description: It writes nothing.
    support: full
  diff_mode:
    description: Nothing to show.
    support: none
options:
  nodes:
    description: The facts of the nodes, as M(phoenix.hypervisor.phoenix_lxc_info) sets them with C(explain).
    type: list
    elements: dict
    required: true
  path:
    description: The file for the same as JSON. It is written as a whole and for its owner alone.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Explain the plans
  phoenix.hypervisor.phoenix_why:
    nodes: "{{ groups['hypervisors'] | map('extract', hostvars, 'ansible_facts') | list }}"
    path: why.json
  register: explained
"""

RETURN = r"""
lines:
  description: The explanation for people.
  returned: success
  type: list
  elements: str
path:
  description: The file.
  returned: with O(path)
  type: str
"""
