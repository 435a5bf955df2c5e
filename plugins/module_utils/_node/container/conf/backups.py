# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The config in a backup that a container is to be restored from, as PVE reads it out of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Callable

from ...._core.container import states
from ...._core.container.model import Observation, Wanted
from ...._core.pve.conffile import parse_conf
from ...pve.client import Client, PveError


def recall(client: Callable[[], Client], node: str, seen: Observation, wanted: Wanted) -> Observation:
    """The observation, with the config in the backup where the container is still to be restored.

    A container that exists needs no look: what it was restored from may be gone by then.
    """
    volume = wanted.desired.restore_from
    to_be_made = not seen.exists or wanted.recreate or seen.creating == "failed"
    if not volume or not to_be_made or states.rank(wanted.target) < states.rank(states.CREATED):
        return seen
    try:
        answer = client().request("GET", f"/nodes/{node}/vzdump/extractconfig", {"volume": volume})
    except PveError as error:
        return replace(seen, backup_error=_words(error.errors) or error.reason or str(error))
    return replace(seen, backup=parse_conf(str(answer or "")))


def _words(errors: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {text.strip()}" for name, text in errors.items())
