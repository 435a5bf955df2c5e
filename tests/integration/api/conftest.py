# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests against a control plane in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import paper_node

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.container import ledger as ledgers
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.guest import guest
from ansible_collections.phoenix.hypervisor.plugins.module_utils._node.pve import local_client


@pytest.fixture(params=[8, 9])
def version(request):
    """The PVE version."""
    return request.param


@pytest.fixture
def node(tmp_path, version, monkeypatch):
    """A node of that version. Perl's ticket and lxc-attach are the edges that this machine may lack."""
    made = paper_node.Node(tmp_path, version)
    monkeypatch.setattr(local_client, "mint_ticket", lambda: made.pve.mint_ticket("root@pam"))
    monkeypatch.setattr(local_client, "pinned_fingerprint", lambda: made.fingerprint)

    def look(ctid, _node_boot):
        if ctid not in made.backend.running:
            return guest.GuestView(error="not running")
        book = made.books.get(ctid)
        text = ledgers.dump(book) if book else None
        return guest.GuestView(boot=f"b{made.backend.running[ctid]}", address="10.0.0.9", ledger_text=text)

    monkeypatch.setattr(guest, "look", look)
    monkeypatch.setattr(guest, "renew_identity", lambda ctid: None)
    monkeypatch.setattr(guest, "write_ledger", lambda ctid, text: made.books.update({ctid: ledgers.parse(text)}))
    yield made
    made.close()
