# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a container can reach where its packages come from, found out in less than a minute and before it tries.

A package manager with a resolver that never answers tries for many minutes, and then says that a file failed to
download. The names asked for are those of the container's own package sources, or of its proxy: a site without Internet
has others than we would guess, and one whose sources are addresses or folders needs no resolver.
"""

from __future__ import annotations

from ..._core import guesttext
from . import guest

SECONDS = 15
"""How long a container must resolve one of the names: it may have started a moment ago."""
_SLOW = 5
"""Seconds without an answer after which a resolver counts as silent."""

# Prints words of the form KEY=VALUE. getent asks as every program there does: hosts file, resolver, systemd-resolved.
# Each of three resolvers may be asked twice, for two seconds.
_PROBE = f"""{{ command -v getent && command -v timeout && command -v awk; }} >/dev/null || exit 0
now() {{ read -r up _ </proc/uptime; echo "${{up%%.*}}"; }}
proxy=$(apt-config dump --format '%f %v%n' 2>/dev/null | sed -n 's/^Acquire::https\\{{0,1\\}}::Proxy //p' | head -n 1)
case $proxy in
''|DIRECT) sources=$(
  if command -v apt-get >/dev/null; then apt-get indextargets --format '$(REPO_URI)' 2>/dev/null
  else grep -rhoE '^[^#]*https?://[^/ ]+' /etc/apk/repositories /etc/yum.repos.d /etc/zypp/repos.d \\
    /etc/pacman.d/mirrorlist 2>/dev/null | grep -oE 'https?://.*'; fi) ;;
*) sources=$proxy ;;
esac
names=$(printf '%s\\n' "$sources" | sed -n 's#^[a-z+]*://\\([^/@]*@\\)\\{{0,1\\}}\\([A-Za-z0-9._-]*\\).*#\\2#p' |
  grep '[A-Za-z]' | awk '!seen[$0]++' | head -n 3)
[ -n "$names" ] || exit 0
end=$(($(now) + {SECONDS}))
while :; do
  slow=
  for name in $names; do
    began=$(now)
    if RES_OPTIONS='timeout:2 attempts:2' timeout 10 getent hosts "$name" >/dev/null; then exit 0; fi
    [ $(($(now) - began)) -ge {_SLOW} ] && slow=1
    [ -z "$slow" ] || break
  done
  [ "$(now)" -lt "$end" ] || break
  sleep 1
done
printf 'name=%s\\n' $names
[ -z "$slow" ] || echo slow=1
awk '$2 == "00000000" && $8 == "00000000"' /proc/net/route | grep -q . ||
  awk '$1 ~ /^0+$/ && $2 == "00" && $10 != "lo"' /proc/net/ipv6_route 2>/dev/null | grep -q . || echo route=none
head -c 4096 /etc/resolv.conf | awk '$1 == "nameserver" {{ print "server=" $2 }}'
exit 1
"""


def trouble(ctid: int, configured: str | None, way: guest.Way = guest.ON_NODE) -> str | None:
    """Return why a container can't resolve the names of its package sources, with the remedy; None when it can.

    configured: the resolvers in the container's configuration, None when it has the node's. Takes less than a minute.
    """
    where = _configured(configured)
    try:
        done = guest.attach(ctid, _PROBE, timeout=SECONDS + 20.0, limit=16384, way=way)
    except guest.GuestError as error:
        return f"{error}; it was to look whether names can be resolved inside. {_remedy(ctid, where)}"
    if done.code == 0:
        return None
    found: dict[str, list[str]] = {}
    for word in guesttext.decode(done.stdout).split():
        key, _equals, value = word.partition("=")
        found.setdefault(key, []).append(value)
    if "name" not in found:
        return None  # the probe itself could not run, for want of a tool: then the package manager will tell
    names = " or ".join(f'"{name[:255]}"' for name in found["name"][:3])
    servers = guesttext.addresses(found.get("server", ())[:8])
    asked = f"its resolver{'s' if len(servers) > 1 else ''} {', '.join(servers) or '(it has none)'}"
    how = "gave no answer for" if "slow" in found else "did not resolve"
    lost = " The container has no default route." if "route" in found else ""
    return f"{asked} ({where}) {how} {names} within {SECONDS} s.{lost} {_remedy(ctid, where)}"


def _configured(text: str | None) -> str:
    servers = guesttext.addresses((text or "").split())
    return f"nameserver {' '.join(servers)} in its configuration" if servers else "the node's own, none is configured"


def _remedy(ctid: int, where: str) -> str:
    repair = (
        "correct network_config.nameservers" if where.startswith("nameserver") else "set network_config.nameservers"
    )
    return (
        f"Expected: a resolver that the container can reach. Then {repair} of container {ctid}, or repair its bridge, "
        f"gateway or firewall; try it with: pct exec {ctid} -- getent hosts NAME"
    )
