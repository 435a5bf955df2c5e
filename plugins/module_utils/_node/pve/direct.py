# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the calls of a plan for users, storages or the firewall, over a way that keeps secrets out of argv."""

from __future__ import annotations

from typing import Any

from ..._core.pve.apicalls import Call
from .client import Client
from .local_client import LocalClient
from .pvesh import open_client


def client_for(secret: bool) -> Client:
    """The control plane. With a secret only HTTPS will do: pvesh would show it in the list of processes.

    Raises UnavailableError when a secret must be sent and HTTPS is not to be had.
    """
    return LocalClient() if secret else open_client()


def make(client: Client, calls: list[Call]) -> list[Any]:
    """The answers of all calls, in order. Raises PveError at the first that is refused."""
    return [client.request(call.method, call.path, call.params) for call in calls]
