#!/usr/bin/python

# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: phoenix_application
short_description: Run a container's application script and check its health
version_added: 0.1.0
description:
  - Copies the script into the container, runs it there as root, and then runs the health check. Fails when either
    fails.
  - Runs inside the container, over the connection P(phoenix.hypervisor.pct#connection).
  - The caller decides whether the script is due. P(phoenix.hypervisor.phoenix_feature#module) manages the ledger.
  - A script continues when its run is killed. The next run waits for it and adopts its result.
  - For a host of the inventory plugin, O(ctid) is by default the variable C(phoenix_ctid).
  - The script's output goes to C(/var/log/phoenix_hypervisor/application.log) in the container.
author: Phoenix Hypervisor contributors (@phoenix-hypervisor)
extends_documentation_fragment:
  - phoenix.hypervisor.wanted_container.ctid
requirements:
  - Python 3.9 or later in the container
  - root
attributes:
  check_mode:
    description: Tells that the script would run. Neither script nor health check is run.
    support: full
  diff_mode:
    description: What a script changes is not known to anybody.
    support: none
options:
  script:
    description:
      - Path of the script on the controller.
      - By default the path in the variable C(phoenix_application), which the inventory sets for a container with an
        C(application_script). Without one, only the health check is run.
      - An empty text runs the health check alone, although there is a script.
    type: path
  name:
    description: Name under which the script is kept in the container. By default that of the file.
    type: str
  digest:
    description: Digest of what is run, by which a result is known again. By default the SHA-256 of the script.
    type: str
  attempt:
    description:
      - Identity of this attempt, if the caller keeps one, as RV(phoenix.hypervisor.phoenix_feature#module:attempt).
      - The success of the script is adopted as long as the attempt is the same, so that a caller which was killed
        before it noted the success does not run the script twice. It is not adopted when the health check failed after
        it.
      - Without an attempt, a result counts as noted when it was reported.
    type: str
  container:
    description: The container's name. By default the variable C(phoenix_name).
    type: str
    default: ""
  node:
    description: The node's name. By default the variable C(phoenix_node).
    type: str
    default: ""
  config:
    description:
      - The container's configuration, by default the variable C(phoenix_config).
      - The script finds it as C(PHOENIX_) variables, and whole in the JSON file that C(PHOENIX_CONFIG) names.
    type: dict
    default: {}
  environment:
    description:
      - More variables for the script and the health check, by default the variable C(phoenix_application_env).
      - Their values are kept out of logs and results.
    type: dict
    default: {}
  timeout:
    description: Seconds that the script may take, by default the variable C(phoenix_application_timeout), else 3600.
      After these its process group is ended.
    type: int
    default: 3600
  health_check:
    description: How to tell that the application works. By default what the container's configuration says.
    type: dict
    suboptions:
      command:
        description: Command for C(/bin/sh -c). The application is healthy when it ends with 0.
        type: str
        required: true
      retries:
        description: How often to try again after the first attempt, which is made at once.
        type: int
        default: 3
      interval:
        description: Seconds from one attempt to the next.
        type: float
        default: 10
      timeout:
        description: Seconds that one attempt may take.
        type: float
        default: 30
seealso:
  - module: phoenix.hypervisor.phoenix_feature
"""

EXAMPLES = r"""
- name: Run the container's own application script, then its health check
  phoenix.hypervisor.phoenix_application:

- name: Run a script with a secret in its environment
  phoenix.hypervisor.phoenix_application:
    script: files/serve.sh
    timeout: 600
    environment:
      HF_TOKEN: "{{ vault_hf_token }}"

- name: Check the health alone
  phoenix.hypervisor.phoenix_application:
    script: ""
    health_check:
      command: curl -fsS http://127.0.0.1:8000/health
      retries: 30
      interval: 2
"""

RETURN = r"""
script:
  description: How the script ended.
  returned: when there is a script, and not in check mode
  type: dict
  contains:
    name:
      description: Its name in the container.
      type: str
    rc:
      description: Its exit code; negative for a signal, 127 or 126 when it could not be started.
      type: int
    timed_out:
      description: Whether it was ended for taking too long.
      type: bool
    adopted:
      description: Whether it had been started by an earlier run.
      type: bool
    seconds:
      description: How long it took.
      type: float
    stdout_tail:
      description: The end of its output, standard error included, at most 64 KiB.
      type: str
    stdout_bytes:
      description: How much it wrote in all.
      type: int
    log:
      description: The file in the container that holds all of its output.
      type: str
    token:
      description: Identity of this start of the script.
      type: str
health:
  description: How the last attempt of the health check ended.
  returned: when there is a health check, the script succeeded, and not in check mode
  type: dict
  contains:
    rc:
      description: Exit code of the command.
      type: int
    attempts:
      description: How many attempts were made.
      type: int
    timed_out:
      description: Whether the last attempt took too long.
      type: bool
    seconds:
      description: How long all attempts took.
      type: float
    output:
      description: Output of the last attempt, at most 64 KiB.
      type: str
stage:
  description: Whether script or health check failed.
  returned: failure of one of them
  type: str
  sample: health_check
would_run:
  description: Name of the script that would be run; empty when there is none.
  returned: in check mode
  type: str
"""

import functools
import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container.applied import environment as core
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.entry import run_module
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.failure import NodeError, about, failing
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import application_run as node

PATHS = node.Paths()
SECRET_LENGTH = 6
"""A shorter value is no secret worth the name, and blotting out every "1" would make the output unreadable."""
_NOT_IN_FILES = re.compile(r"[^A-Za-z0-9._-]")


def environment_of(params: Mapping[str, Any]) -> dict[str, str]:
    """The variables for the script and the health check."""
    config = params["config"]
    features = [str(name) for name in config.get("features") or ()]
    result = dict(core.BASE)
    result.update(core.environment(config, params["ctid"], params["container"], params["node"], features))
    result["PHOENIX_IP"] = result["PHOENIX_IP"] or own_address()
    result["PHOENIX_CONFIG"] = PATHS.config
    result.update(core.user_environment(params["environment"]))
    return result


def own_address() -> str:
    """The address towards the outside, for containers with DHCP. No packet is sent; empty without a route."""
    for family, outside in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((outside, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return ""


def shown_name(params: Mapping[str, Any]) -> str:
    """What the user calls the script."""
    return str(params["name"] or os.path.basename(params["script"]))


def run_script(params: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Install the delivered script, run it, and return how it ended."""
    with open(params["script"], "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    kept = f"{sha256[:12]}-{_NOT_IN_FILES.sub('_', shown_name(params))}"
    target = node.install_script(PATHS, params["script"], kept)
    job = node.Job(
        script=target,
        digest=params["digest"] or sha256,
        ctid=params["ctid"],
        attempt=params["attempt"] or "",
        environment=environment,
        timeout=params["timeout"],
        token=f"{os.getpid()}-{time.time()}",
    )
    ended = node.run(PATHS, job)
    start, end = ended.get("log_offset", 0), ended.get("log_end", 0)
    return {
        "name": os.path.basename(target),
        "rc": ended["rc"],
        "timed_out": ended["timed_out"],
        "adopted": ended["adopted"],
        "seconds": ended.get("seconds", 0.0),
        "stdout_tail": node.printable(node.read_tail(PATHS.log, start, end)),
        "stdout_bytes": end - start,
        "log": PATHS.log,
        "token": ended["token"],
    }


def last_lines(text: str, lines: int = 20, size: int = 2000) -> str:
    """The end of an output, short enough for a message."""
    end = "\n".join(text.rstrip().splitlines()[-lines:])[-size:]
    return f" Its last output:\n{end}" if end else " It wrote nothing."


def script_failure(script: Mapping[str, Any], name: str, timeout: int) -> str:
    """What to say of a script that failed, or an empty text."""
    if script["timed_out"]:
        how = f"did not end within {timeout} s and was ended"
    elif script["rc"] < 0:
        how = f"was killed by signal {-script['rc']}"
    elif script["rc"] > 0:
        how = f"ended with exit code {script['rc']}"
    else:
        return ""
    whole = f" All of its output: {PATHS.log} in the container."
    return f"application script {name} {how}.{whole}{last_lines(script['stdout_tail'])}"


def health_failure(health: Mapping[str, Any]) -> str:
    """What to say of a health check that failed, or an empty text."""
    if health["rc"] == 0:
        return ""
    how = "took too long" if health["timed_out"] else f"ended with exit code {health['rc']}"
    return f"health check failed {health['attempts']} times, at last it {how}.{last_lines(health['output'])}"


@failing(kinds=(OSError, ValueError))
def act(params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Run what there is to run. Returns (result, message of a failure or an empty text)."""
    result: dict[str, Any] = {"changed": False}
    environment = environment_of(params)
    node.write_atomically(PATHS.config, json.dumps(params["config"], indent=2, sort_keys=True).encode() + b"\n", 0o600)
    if params["script"]:
        result["script"] = run_script(params, environment)
        result["changed"] = True
        failure = script_failure(result["script"], shown_name(params), params["timeout"])
        if failure:
            return dict(result, stage="script", rc=result["script"]["rc"]), failure
    if params["health_check"]:
        result["health"] = node.check_health(node.Health(**params["health_check"]), environment)
        failure = health_failure(result["health"])
        if failure:
            if params["script"]:
                node.reject(PATHS, result["script"]["token"])
            return dict(result, stage="health_check", rc=result["health"]["rc"]), failure
    return result, ""


def hide(module: AnsibleModule) -> dict[str, Any]:
    """Keep secrets out of the result, and with them the plain values that they stand among. Returns the invocation."""
    secrets = (core.as_text(value) or "" for value in module.params["environment"].values())
    module.no_log_values = {value for value in secrets if len(value) >= SECRET_LENGTH}
    shown = {**module.params, **{option: sorted(module.params[option]) for option in ("config", "environment")}}
    if shown["health_check"]:
        # A command may hold a token.
        shown["health_check"] = {**shown["health_check"], "command": "not shown"}
    return {"module_args": shown}


def work(tokens: list[str], module: AnsibleModule) -> dict[str, Any]:
    """Run the script and the health check, and note in `tokens` the result that the caller gets."""
    invocation = hide(module)
    with about("", invocation=invocation):
        if module.check_mode:
            name = shown_name(module.params) if module.params["script"] else ""
            return {"changed": bool(module.params["script"]), "would_run": name, "invocation": invocation}
        result, failure = act(module.params)
        tokens += [result["script"]["token"]] if "script" in result else []
        if failure:
            raise NodeError(failure, **result)
    return {**result, "invocation": invocation}


def acknowledge(tokens: list[str]) -> None:
    """For callers without an attempt. When nobody listens, this is not reached, and the next call adopts the result."""
    for token in tokens:
        node.acknowledge(PATHS, token)


def main() -> None:
    """Module entry point."""
    tokens: list[str] = []
    run_module(
        {
            "script": {"type": "path"},
            "name": {"type": "str"},
            "digest": {"type": "str"},
            "attempt": {"type": "str"},
            "ctid": {"type": "int", "required": True},
            "container": {"type": "str", "default": ""},
            "node": {"type": "str", "default": ""},
            "config": {"type": "dict", "default": {}, "no_log": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "int", "default": 3600},
            "health_check": {
                "type": "dict",
                "options": {
                    "command": {"type": "str", "required": True},
                    "retries": {"type": "int", "default": 3},
                    "interval": {"type": "float", "default": 10},
                    "timeout": {"type": "float", "default": 30},
                },
            },
        },
        functools.partial(work, tokens),
        delivered=functools.partial(acknowledge, tokens),
    )


if __name__ == "__main__":
    main()
