# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard input of a command in a container."""

from __future__ import annotations

import os


class NoInput(bytes):
    """No data, and yet true: makes the ssh plugin use a pipe that it closes, where it would use an open terminal.

    Otherwise a command that reads its standard input would wait for ever, and a local lxc-attach would find the
    terminal.
    """

    def __bool__(self) -> bool:
        return True


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, as far as somebody reads, and close the descriptor."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        # The command ended without reading everything, which is its right: the trailer tells how it ended.
        pass
    finally:
        os.close(descriptor)
