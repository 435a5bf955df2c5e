# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at what the node exports and shares, and at the folders. Reads only."""

from __future__ import annotations

import glob
import os
import pwd
import stat

from ..._core.host.storage import share_plan
from .. import madefolders

SMB_CONF = share_plan.SMB_CONF


def text(path: str) -> str:
    """A file's text, '' when it isn't there. Raises OSError when it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def exports_by_hand() -> dict[str, str]:
    """The text of every exports file but ours, by its path; exportfs reads /etc/exports and these."""
    files = ["/etc/exports", *sorted(glob.glob("/etc/exports.d/*.exports"))]
    return {path: text(path) for path in files if path != share_plan.EXPORTS}


def export_is_due() -> bool:
    """Whether the server was never told what our file holds now (a killed run left it so, for one).

    The times of etab tell nothing: exportfs leaves the file alone where its content stays the same.
    """
    return bool(text(share_plan.EXPORTS)) and text(share_plan.TOLD) != text(share_plan.EXPORTS)


def folder(path: str) -> share_plan.Folder:
    """What is at a path. Raises OSError when it can't be looked at."""
    try:
        handle = madefolders.opened(path)
    except madefolders.ForeignLinkError as error:
        return share_plan.Folder("link", link=error.link)
    except FileNotFoundError:
        return share_plan.Folder()
    except NotADirectoryError:
        return share_plan.Folder("other" if os.path.lexists(path) else "")
    try:
        found = os.fstat(handle)
        with os.scandir(handle) as inside:
            empty = next(inside, None) is None
    finally:
        os.close(handle)
    return share_plan.Folder("folder", found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode), empty)


def has_account(name: str) -> bool:
    """Whether the system knows the account."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
