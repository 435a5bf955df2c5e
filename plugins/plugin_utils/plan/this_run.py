# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this run has gathered, shared by the callback in its main process and the actions in that one's forks."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gathered import Gathered

DEFAULT_MODE = 0o600

_GATHERED: list[Gathered] = []


def begin(dry: bool) -> Gathered:
    """Start to gather; the callback does, once a run."""
    from .gathered import Gathered

    _GATHERED[:] = [Gathered(dry)]
    return _GATHERED[0]


def gathered() -> Gathered | None:
    """Return what was gathered up to now, None where the callback is not enabled."""
    return _GATHERED[0] if _GATHERED else None


def document(failed: Collection[str] | None = None) -> dict[str, Any]:
    """Return it as a document."""
    # Only here: a run that nobody asked for its plan has none.
    from ..run.run_identity import run_identity
    from . import plan_document

    return plan_document.document(_GATHERED[0], run_identity(), failed)


def mode() -> int:
    """Return the mode of the file."""
    return int(_GATHERED[0].variables.get("phoenix_plan_mode", DEFAULT_MODE))


def reports() -> bool:
    """Return whether somebody has asked this run for its plan, or to fail on changes."""
    variables = _GATHERED[0].variables if _GATHERED else {}
    return bool(variables.get("phoenix_plan_file") or variables.get("phoenix_fail_on_changes"))
