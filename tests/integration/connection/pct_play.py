# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play over the plugin."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
import textwrap
import typing as t

from pct_targets import Target
from support.warm import imported

from ansible_collections.phoenix.hypervisor.plugins.plugin_utils.run import run_identity as run

COLLECTIONS = next(
    str(path.parent) for path in pathlib.Path(run.__file__).parents if path.name == "ansible_collections"
)


@dataclasses.dataclass
class Play:
    """Runs tasks in a container with ansible-playbook."""

    target: Target
    root: pathlib.Path
    control_dir: pathlib.Path
    output: str = ""

    def run(self, tasks: str, ctid: int | None = None, rc: int = 0, **variables: t.Any) -> None:
        host = str(ctid or self.target.running)
        values = {
            "ansible_connection": "phoenix.hypervisor.pct",
            "ansible_python_interpreter": "/usr/bin/python3",
            "phoenix_ctid": int(host),
            **self.target.variables,
            **variables,
        }
        (self.root / "inventory.json").write_text(json.dumps({"all": {"hosts": {host: values}}}))
        text = f"- hosts: '{host}'\n  gather_facts: false\n  tasks:\n"
        (self.root / "play.yml").write_text(text + textwrap.indent(textwrap.dedent(tasks), "    "))
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS,
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.control_dir),
            "ANSIBLE_TIMEOUT": "60",  # ten seconds for the prompt of a password are few on a busy machine
        }
        playbook = pathlib.Path(sys.executable).parent / "ansible-playbook"
        command = [str(playbook), "-i", str(self.root / "inventory.json"), str(self.root / "play.yml")]
        code, self.output = imported.run(command, environment, self.root.parent, timeout=600)
        assert code == rc, self.output
