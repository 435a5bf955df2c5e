#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_import_files
short_description: Write what was read from nodes as the two JSON files
version_added: 0.1.0
description:
  - Runs on the controller. Writes C(phoenix_lxc_configs.json) and C(hypervisor_config.json) into a folder, whole and
    for their owner alone.
  - What all containers share becomes C(lxc_defaults). What validation would refuse is left out, with a note.
  - Never replaces a file with other content unless O(overwrite) says so.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: It writes nothing, and returns what it would write.
    support: full
  diff_mode:
    description: Shows both files.
    support: full
options:
  found:
    description:
      - What M(phoenix.hypervisor.phoenix_import_info) returned for each node, with the node's inventory name as
        C(phoenix_one_node).
    type: list
    elements: dict
    required: true
  ctids:
    description: The containers that were asked for. The module fails when one of them exists on no node.
    type: list
    elements: int
    default: []
  to:
    description: Folder for the files. A relative one begins at the working directory.
    type: str
    required: true
  overwrite:
    description: Whether to replace files with other content.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write both files
  phoenix.hypervisor.phoenix_import_files:
    found: "{{ phoenix_read.results }}"
    to: imported
  register: written
"""

RETURN = r"""
files:
  description: The paths of both files.
  returned: success
  type: list
  elements: str
containers:
  description: The CTIDs in the file of the containers.
  returned: success
  type: list
  elements: str
notes:
  description: What is not in the files, a line each.
  returned: success
  type: list
  elements: str
"""
