# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages of a running container have newer versions, asked from its node by its own package manager."""

from __future__ import annotations

from ..._core import guesttext
from ..._core.system import package_updates
from . import guest

TIMEOUT = 600.0
LIMIT = 4 * 1024 * 1024
_NO_LISTS = 45
"""Exit code: the lists of its sources can't be fetched."""

# With a word, a dry run: apt's lists go to a folder of their own, so that nothing of the container changes.
_LOOK = """export LC_ALL=C DEBIAN_FRONTEND=noninteractive
limits='-o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20'
if command -v apt-get >/dev/null; then
  echo apt
  if [ -n "$1" ]; then
    folder=$(mktemp -d) || exit 1
    trap 'rm -rf "$folder"' EXIT
    mkdir -p "$folder/partial"
    set -- -o "Dir::State::Lists=$folder" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  else set --
  fi
  apt-get $limits -o Acquire::Languages=none -o APT::Update::Error-Mode=any "$@" -qq update >&2 || exit 45
  apt-get "$@" -s -q upgrade --with-new-pkgs || exit 46
elif command -v apk >/dev/null; then
  echo apk
  if [ -z "$1" ]; then apk update -q >&2 || exit 45; fi
  apk upgrade --simulate --no-progress || exit 46
elif command -v dnf >/dev/null; then
  echo dnf
  rpm -qa --queryformat '%{NAME}|%{VERSION}-%{RELEASE}\\n'
  dnf -q check-update
  [ $? = 0 ] || [ $? = 100 ] || exit 45
elif command -v zypper >/dev/null; then
  echo zypper
  if [ -z "$1" ]; then zypper -n -q refresh >&2 || exit 45; fi
  zypper -n -q list-updates || exit 46
else echo unknown
fi
"""


def look(ctid: int, dry: bool) -> package_updates.Listed:
    """Ask a running container. ``dry``: nothing of it changes, apt's lists neither. Raises GuestError."""
    script = f"set -- {'dry' if dry else chr(39) * 2}\n{_LOOK}"
    done = guest.attach(ctid, script, timeout=TIMEOUT, limit=LIMIT)
    if done.code:
        words = guesttext.decode(done.stderr).strip()[-1000:] or f"exit code {done.code}"
        what = "the lists of its package sources can't be fetched" if done.code == _NO_LISTS else "its packages"
        raise guest.GuestError(f"can't look for updates: {what}: {words}", where=f"container {ctid}")
    return package_updates.listed(guesttext.decode(done.stdout))
