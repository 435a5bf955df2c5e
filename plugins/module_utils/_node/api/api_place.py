# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where what is applied inside containers is noted when the node is reached by a token: their descriptions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable

from ..._core.container.applied import ledger as ledgers
from ..._core.pve.conffile import ConfFile
from ..container.applying import Params, Place
from ..failure import NodeError
from ..guest import bounded, guest
from ..pve.client import Client
from .api_observer import ApiObserver
from .guest_ssh import SshWay
from .notes_store import NotesStore


def nobody(_lease: Mapping[str, Any]) -> bool:
    """No run is known to be gone."""
    return False


class NoWay(guest.Way):
    """Nobody enters the containers of a node."""

    def run(
        self, ctid: int, script: str, timeout: float, data: bytes = b"", limit: int = bounded.LIMIT, tail: int = 0
    ) -> bounded.Answer:
        """Raise NodeError."""
        raise NodeError(
            f"nothing inside container {ctid} is within reach of an API token",
            remedy="give the node guest_ssh in the inventory source, or reach it over SSH",
        )


class ApiPlace(Place):
    """The containers of a node, for one run by a token. The audit trail is the controller's."""

    has_trail = False
    store: NotesStore

    def __init__(
        self,
        client: Client,
        node: str,
        run: Mapping[str, Any],
        dead: Iterable[str] = (),
        way: SshWay | None = None,
        lock_wait: float = 120.0,
        is_dead: Callable[[Mapping[str, Any]], bool] = nobody,
    ) -> None:  # opens no file, as its base does
        self.store = NotesStore(client, node, run, lock_wait)
        self.observer = ApiObserver(client, node, way)
        self.way = way or NoWay()
        self.run = dict(run)
        self.dead = list(dead)
        self._is_dead = is_dead

    @contextlib.contextmanager
    def working(self, params: Params) -> Iterator[None]:
        """A block of work of a run that has the container. Raises LeaseLostError."""
        self.store.keep(params["ctid"])
        self.observer.reach(params["ctid"])
        yield

    def release(self, params: Params) -> None:
        """Give the container back, also where a run that is gone has left its lease."""
        self.store.release(params["ctid"], self._is_over)

    def is_left(self, ctid: int) -> bool:
        """Whether a container whose config has been read has a lease that nobody works under any more."""
        return self._is_over(self.observer.lease_of(ctid))

    def _is_over(self, lease: Mapping[str, Any]) -> bool:
        return bool(lease) and (lease["id"] in (self.run.get("id"), *self.dead) or self._is_dead(lease))

    def look(self, ctid: int) -> guest.GuestView:
        """A look inside a running container."""
        self.observer.reach(ctid)
        return guest.look(ctid, way=self.way)

    def read_conf(self, ctid: int) -> tuple[ConfFile | None, str]:
        """(config, digest) of a container, (None, '') when it doesn't exist."""
        return self.observer.read_conf(ctid)

    def write_ledger(self, ctid: int, book: Mapping[str, Any]) -> None:
        """Replace the ledger inside a running container."""
        guest.write_ledger(ctid, ledgers.dump(book), self.way)
