#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_status_file
short_description: Write the status of the fleet as JSON or as a page
version_added: 0.1.0
description:
  - Runs on the controller. Writes the states, the changes that are due, what waits, features, addresses, GPUs, volumes
    that no backup contains, and the last runs of the controller's audit trail.
  - A path that ends in C(.json) gets JSON, any other a page of HTML. The page needs nothing from outside and no
    JavaScript.
  - The file is written as a whole and for its owner alone.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment: phoenix.hypervisor.facts_of_nodes.without_node
attributes:
  check_mode:
    description: It writes nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  nodes:
    description: The facts of the nodes, as M(phoenix.hypervisor.phoenix_lxc_info) sets them.
    type: list
    elements: dict
    required: true
  path:
    description: The file. A relative one begins at the working directory.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the page
  phoenix.hypervisor.phoenix_status_file:
    nodes: "{{ groups['hypervisors'] | map('extract', hostvars, 'ansible_facts') | list }}"
    path: status.html
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
status:
  description: The document, as JSON has it.
  returned: success
  type: dict
"""
