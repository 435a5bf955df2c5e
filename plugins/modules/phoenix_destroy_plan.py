#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_destroy_plan
short_description: Check a list of containers to destroy, and ask for its confirmation
version_added: 0.1.0
description:
  - Runs on the controller and destroys nothing. The playbook C(destroy) does that with what it returns.
  - One refusal stops the whole list. The module refuses a container that is foreign, protected, locked, managed by
    HA, the source of linked clones outside the list, or that exists on no node. It also refuses the list when a node
    does not answer.
  - Without O(confirmation) it asks at the terminal. Without a terminal it fails at once. Check mode needs no
    confirmation.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: It judges, and asks for no confirmation.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  ctids:
    description: The containers to destroy.
    type: list
    elements: int
    required: true
  observed:
    description:
      - What M(phoenix.hypervisor.phoenix_lxc_info) returned for each node, with the node's inventory name as
        C(node_asked).
    type: list
    elements: dict
    required: true
  confirmation:
    description: The exact list again, as C(phoenix_destroy_confirm) has it.
    type: raw
"""

EXAMPLES = r"""
- name: Judge the list and have it confirmed
  phoenix.hypervisor.phoenix_destroy_plan:
    ctids: [950, 951]
    observed: "{{ observed }}"
    confirmation: "950,951"
  register: plan
"""

RETURN = r"""
containers:
  description: What goes, with C(node), C(ctid) and C(text), in the order in which it can go.
  returned: always
  type: list
  elements: dict
refusals:
  description: Every reason to destroy nothing.
  returned: when the list is refused
  type: list
  elements: str
"""
