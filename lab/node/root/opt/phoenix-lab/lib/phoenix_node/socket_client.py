# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the control plane as root@pam over its unix socket."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SOCKET = '/run/phoenix-lab/root.sock'


class ApiError(Exception):
    """A refused call; str() is what PVE's tools print: the message, then a line for each faulty parameter."""

    def __init__(self, status: int, message: str, errors: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.message = message.strip('\n')
        self.errors = dict(errors or {})
        head = f'{status} {self.message}' if status == 400 else self.message
        lines = [head] + ['{}: {}'.format(key, text.rstrip('\n')) for key, text in sorted(self.errors.items())]
        super().__init__('\n'.join(lines))


def node_name() -> str:
    """The node's own name."""
    return socket.gethostname().split('.')[0]


def ask(request: Mapping[str, Any]) -> dict[str, Any]:
    """One request of the socket's protocol and its answer."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(SOCKET)
    except OSError as e:
        sys.exit(f'unable to reach the control plane at {SOCKET}: {e.strerror}')
    with connection, connection.makefile('rwb') as stream:
        stream.write(json.dumps(request).encode() + b'\n')
        stream.flush()
        answer = json.loads(stream.readline() or '{"error": "the control plane closed the connection"}')
    if 'error' in answer:
        raise ApiError(500, answer['error'])
    return dict(answer)


def call(method: str, path: str, params: Mapping[str, Any] | None = None) -> Any:
    """The data of an API call. Raises ApiError."""
    answer = ask({'op': 'call', 'method': method, 'path': path, 'params': dict(params or {})})
    body = answer.get('body')
    if answer['status'] >= 400:
        body = body if isinstance(body, dict) else {}
        raise ApiError(answer['status'], body.get('message') or answer.get('reason') or '', body.get('errors'))
    return body.get('data') if isinstance(body, dict) else body


def wait(upid: str) -> tuple[str, list[str]]:
    """(exit status, log lines) of a task, once it has ended."""
    answer = ask({'op': 'wait', 'upid': upid})
    return answer['exitstatus'], answer['log']


def is_upid(value: Any) -> bool:
    """Whether the call has forked a task."""
    return isinstance(value, str) and value.startswith('UPID:')


def config_exists(vmid: str) -> bool:
    """Whether the node has this container."""
    return Path(f'/etc/pve/lxc/{vmid}.conf').exists()
