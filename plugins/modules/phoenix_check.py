#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_check
short_description: Check files, variables and the controller before a node is reached
version_added: 0.1.0
description:
  - Runs on the controller, as the first task of every playbook of this collection, and changes nothing.
  - Fails with the report of the inventory plugin when a configuration file is faulty.
  - Checks the values of the variables that are given to a run, and the names of extra variables that look like one.
  - Checks the version of ansible-core, the collections and the Python packages that this collection needs.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
attributes:
  check_mode:
    description: It only checks.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
options:
  files:
    description: Whether what is wrong with the configuration files counts.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Check the configuration, the variables of the run and the controller
  phoenix.hypervisor.phoenix_check:
  run_once: true
"""

RETURN = r"""
variables:
  description: The variables that were given to the run, each in its one form. Secret ones are left out.
  returned: always
  type: dict
  sample: {"phoenix_destroy": [950, 951]}
"""
