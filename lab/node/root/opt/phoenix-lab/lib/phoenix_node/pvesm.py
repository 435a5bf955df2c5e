# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvesm status: the storages of the node, as PVE prints them. Sizes are KiB."""

from __future__ import annotations

import sys

from .socket_client import ApiError, call, node_name


def main(words: list[str]) -> int:
    """Exit code 0, 255 for a refused call."""
    if words != ['status']:
        print("ERROR: the lab's pvesm knows `pvesm status`, and no more", file=sys.stderr)
        return 255
    try:
        rows = sorted(call('GET', f'/nodes/{node_name()}/storage'), key=lambda row: str(row['storage']))
    except ApiError as problem:
        print(problem, file=sys.stderr)
        return 255
    width = max([len(row['storage']) for row in rows], default=4) + 1
    head = ('Name', 'Type', 'Status', 'Total', 'Used', 'Available', '%')
    print('{:<{}} {:>10} {:>10} {:>15} {:>15} {:>15} {:>8}'.format(head[0], width, *head[1:]))
    for row in rows:
        status = 'disabled' if not row.get('enabled', 1) else 'active' if row.get('active') else 'inactive'
        total, used, free = (int(row.get(key) or 0) for key in ('total', 'used', 'avail'))
        share = 'N/A' if status == 'disabled' else f'{used * 100 / total if total else 0:.2f}%'
        sizes = ''.join(f' {size // 1024:>15}' for size in (total, used, free))
        print(f"{row['storage']:<{width}} {row['type']:>10} {status:>10}{sizes} {share:>8}")
    return 0
