# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each run of Ansible makes from the same text as the run before it, kept for the next one.

It packs each module with what the module imports, reads its own tables, and on the node compiles the modules.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ON_NODE = 'phoenix_lab_bytecode'
SITE = '/usr/local/lib/python3.11/dist-packages'
# Of this run of the tests alone: the checkout does not change under it.
_kept = tempfile.TemporaryDirectory(prefix='phoenix-lab-warm-')
for _name in ('modules', 'tables'):
    Path(_kept.name, _name).mkdir()


def controller() -> dict[str, str]:
    """The variables of a run by which controller/sitecustomize.py and the callback lab_results find what is kept."""
    return {'LAB_WARM': _kept.name, 'PYTHONPATH': str(HERE / 'controller')}


def node(sh: Callable[[str], object]) -> None:
    """Let the Python of a node keep what it compiles. sh: runs a script there."""
    text = (HERE / f'{ON_NODE}.py').read_text(encoding='utf-8')
    sh(f"cat > {SITE}/{ON_NODE}.py <<'EOF'\n{text}\nEOF\necho 'import {ON_NODE}' > {SITE}/{ON_NODE}.pth")
