# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the node's tools without blocking the API."""

from __future__ import annotations

import asyncio

from fakepve.model import TaskError


async def command(*argv: str, check: bool = True) -> tuple[int, str, str]:
    """Exit code, standard output and error of argv; with check a failure is a TaskError in PVE's words."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    code = process.returncode or 0
    if check and code:
        reason = err.decode(errors='replace').strip()[-500:]
        raise TaskError(f"command '{' '.join(argv)}' failed: exit code {code}: {reason}")
    return code, out.decode(errors='replace'), err.decode(errors='replace')


async def output(*argv: str, check: bool = True) -> str:
    """Standard output of argv."""
    return (await command(*argv, check=check))[1]
