# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a schema, as the generator of the documentation walks them."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "galaxy.yml").is_file())
sys.path.insert(0, str(ROOT / "tools"))

from docs_tables import ENVIRONMENT, NOT_ACTED_ON, keys

__all__ = ["ENVIRONMENT", "NOT_ACTED_ON", "keys"]
