#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_node_file
short_description: Download a large file once for all containers of a node, verify it, and copy it into a container
version_added: 0.1.0
description:
  - Keeps the file on the node. The first container that needs it starts the download. Others, also those of other
    runs, wait for it and use the same file.
  - A file whose SHA-256 isn't the expected one is never kept, and never reaches a container.
  - Runs on the node, by delegation. Into the container it is copied by a process that runs there.
  - A run that another run has displaced from the container copies nothing into it.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.attributes
  - phoenix.hypervisor.held_lease
attributes:
  diff_mode:
    support: none
    description: The files are large and not text.
options:
  url:
    description: Address of the file, C(http), C(https) or C(file), the last one on the node. The file keeps its name.
    type: str
    required: true
  sha256:
    description: Its SHA-256 in hexadecimal digits. Without it O(checksum_url) says it.
    type: str
    default: ""
  checksum_url:
    description:
      - Address of a file as C(sha256sum) writes it, with the file's name in it.
      - One over C(http) is refused, because whoever can change the file on its way can change that, too.
    type: str
    default: ""
  folder:
    description: Folder of the node to keep it in.
    type: path
    default: /var/cache/phoenix_hypervisor
  ctid:
    description: A running container to put it into, with O(dest).
    type: int
  dest:
    description: Path in the container. Only root there can read it. Its folder is made when it is missing.
    type: path
  timeout:
    description: Seconds for a silence of the server, and for the copy into the container.
    type: int
    default: 600
"""

EXAMPLES = r"""
- name: Bring an installer into the container
  phoenix.hypervisor.phoenix_node_file:
    url: https://example.org/tool-1.2.run
    sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    ctid: "{{ phoenix_ctid }}"
    dest: /var/cache/tool/tool-1.2.run
  delegate_to: "{{ phoenix_node }}"
"""

RETURN = r"""
path:
  description: The file on the node.
  returned: success
  type: str
sha256:
  description: Its SHA-256.
  returned: success
  type: str
downloaded:
  description: Whether it was not there yet. In check mode, whether it would be downloaded.
  returned: success
  type: bool
copied:
  description: Whether it was put into the container. In check mode, whether it would be.
  returned: success
  type: bool
"""

import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import IO, Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.container.lease import LEASE_OPTIONS, Leases
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import cachedfile


def refuse(params: dict[str, Any]) -> None:
    """Raise NodeError for options that can't be true together."""
    if params["sha256"] and not re.match(r"[0-9A-Fa-f]{64}\Z", params["sha256"]):
        raise NodeError(f"sha256: {params['sha256']!r} is not 64 hexadecimal digits")
    if not params["sha256"] and not params["checksum_url"]:
        raise NodeError("one of sha256 and checksum_url is required: a file without verification is refused")
    if not params["sha256"] and params["checksum_url"].startswith("http://"):
        # Whoever can change the file on its way can change that, too.
        raise NodeError(
            f"checksum_url: {params['checksum_url']} comes without encryption, so it proves nothing; expected "
            "sha256, or an https address. Set the SHA-256 of the file, or use https."
        )
    if params["dest"] is not None and not params["dest"].startswith("/"):
        raise NodeError(f"dest: {params['dest']!r} is not an absolute path")


@failing()
def work(module: AnsibleModule) -> dict[str, Any]:
    """Keep the file, with the lease of a container that it goes into."""
    params = module.params
    refuse(params)
    run = params["run"] or {"id": "manual"}
    leases = Leases()

    def fence() -> None:
        leases.refuse_displaced(params["ctid"], run)

    # A long download must not make the lease look forsaken.
    unleased = module.check_mode or params["ctid"] is None
    with nullcontext() if unleased else leases.busily(params["ctid"]):
        return keep(params, module.check_mode, fence)


def keep(params: dict[str, Any], check: bool, fence: Callable[[], None]) -> dict[str, Any]:
    """Have the file on the node, then in the container, which a displaced run doesn't enter."""

    def opened(url: str) -> IO[bytes]:
        answer: IO[bytes] = open_url(url, timeout=params["timeout"])
        return answer

    name = cachedfile.name_of(params["url"])
    checksum = params["sha256"].lower() or cachedfile.published_sum(params["checksum_url"], name, opened)
    path = os.path.join(params["folder"], name)
    if check:
        downloaded = cachedfile.sum_of(path) != checksum
    else:
        downloaded = cachedfile.fetch(params["url"], checksum, path, opened)
    copied = params["ctid"] is not None and not cachedfile.is_inside(params["ctid"], params["dest"], checksum)
    if copied and not check:
        fence()
        cachedfile.put(params["ctid"], path, params["dest"], float(params["timeout"]))
    return {
        "changed": downloaded or copied,
        "path": path,
        "sha256": checksum,
        "downloaded": downloaded,
        "copied": copied,
    }


def main() -> None:
    """Module entry point."""
    run_module(
        {
            "url": {"type": "str", "required": True},
            "sha256": {"type": "str", "default": ""},
            "checksum_url": {"type": "str", "default": ""},
            "folder": {"type": "path", "default": cachedfile.FOLDER},
            "ctid": {"type": "int"},
            "dest": {"type": "path"},
            "timeout": {"type": "int", "default": 600},
            **LEASE_OPTIONS,
        },
        work,
        required_together=[("ctid", "dest")],
    )


if __name__ == "__main__":
    main()
