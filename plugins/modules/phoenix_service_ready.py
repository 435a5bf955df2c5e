#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_service_ready
short_description: Wait until a service of systemd answers over HTTP
version_added: 0.1.0
description:
  - Requests an address until it answers with success, until systemd shows that the service has failed, or until the
    time is up. It changes nothing, and does not fail; the result says which of these happened.
  - M(ansible.builtin.uri) with retries would wait for the whole time when the service fails at its start.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
requirements:
  - Python 3.9 or later
  - systemd
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
  diff_mode:
    description: Has nothing to show.
    support: none
options:
  unit:
    description: The unit of systemd.
    type: str
    required: true
  url:
    description: The address to request, over HTTP and without a proxy.
    type: str
    required: true
  restarts:
    description: How often systemd may start the service again by itself before it counts as failed.
    type: int
    default: 2
  seconds:
    description: How long to wait.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Wait until the service is healthy
  phoenix.hypervisor.phoenix_service_ready:
    unit: example.service
    url: http://127.0.0.1:8000/health
  register: health
  until: health.status != 'loading'
  retries: 20
  delay: 0
  failed_when: health.status != 'healthy'
"""

RETURN = r"""
status:
  description:
    - V(healthy), it has answered.
    - V(failed), systemd has given it up or has started it again O(restarts) times.
    - V(loading), it runs and has not answered in time.
  returned: success
  type: str
  sample: healthy
restarts:
  description: How often systemd has started it again by itself, as far as that was looked at.
  returned: success
  type: int
  sample: 0
"""

import functools
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.system import readiness
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.waiting import Deadline


@failing(where="systemctl", remedy="expected a system with systemd")
def work(module: AnsibleModule) -> dict[str, Any]:
    """Wait, and say how it ended."""
    url, unit = module.params["url"], module.params["unit"]
    if not url.startswith(("http://", "https://")):
        raise NodeError(f'url: got "{url}", expected an address that begins with http:// or https://')
    status, seen = readiness.wait(
        functools.partial(readiness.answers, url),
        functools.partial(readiness.unit, unit),
        module.params["restarts"],
        Deadline(module.params["seconds"]),
    )
    return {"changed": False, "status": status, "restarts": seen.restarts}


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "unit": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "restarts": {"type": "int", "default": 2},
            "seconds": {"type": "int", "default": 30},
        },
        work,
    )


if __name__ == "__main__":
    main()
