# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell script that gives a copy of a container an identity of its own, whatever distribution is inside.

What a copy has of its original: machine-id, SSH host keys, and what a DHCP client has stored, which is its DUID (the
name by which a server knows it, RFC 8415) and its leases. Two clients with one DUID can get the same address.
systemd-networkd and systemd's own DUID follow the machine-id; the client of BusyBox stores nothing.
"""

from __future__ import annotations

# The services that use machine-id and host keys are restarted where they run.
_MACHINE_ID = """set -e
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
if command -v systemd-machine-id-setup >/dev/null; then systemd-machine-id-setup >/dev/null 2>&1
elif command -v dbus-uuidgen >/dev/null; then dbus-uuidgen > /etc/machine-id
else head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \\n' > /etc/machine-id; fi
if [ -d /var/lib/dbus ]; then ln -sf /etc/machine-id /var/lib/dbus/machine-id; fi
if command -v systemctl >/dev/null; then
  systemctl try-restart systemd-journald systemd-networkd >/dev/null 2>&1 || :
fi
"""
_ARCHIVE = """if [ -e /etc/vzdump/pct.conf ]; then
  rm -rf /etc/vzdump
  for journal in /var/log/journal/*; do
    [ "$journal" = "/var/log/journal/$(cat /etc/machine-id)" ] || rm -rf "$journal"
  done
fi
"""
_HOST_KEYS = """for key in /etc/ssh/ssh_host_*_key; do
  [ -e "$key" ] || continue
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
  ssh-keygen -A >/dev/null
  if command -v systemctl >/dev/null; then systemctl try-restart ssh sshd >/dev/null 2>&1 || :; fi
  break
done
"""

# What a client has stored since the copy was made is its own and stays. dhclient keeps all leases in one file, so a
# second one shows that it has read the first. The other clients write their DUID once: it is older than the first
# process of this start. A client that stops writes its files again, so they go while it does not run. dhclient is ended
# first, because the one that releases its lease would wait a second for it.
_LEASES = """copied=
for file in ROOT/var/lib/dhcp/*lease* ROOT/var/lib/dhclient/*lease*; do
  if [ -f "$file" ] && [ "$(grep -c '^lease' "$file")" -gt 1 ]; then copied=yes; fi
done
for file in ROOT/var/lib/dhcpcd*/duid ROOT/etc/dhcpcd.duid ROOT/var/db/dhcpcd/duid \\
  ROOT/var/lib/NetworkManager/secret_key ROOT/var/lib/NetworkManager/*.lease ROOT/var/lib/wicked/duid.xml; do
  if [ -f "$file" ] && [ "$file" -ot ROOT/proc/1 ]; then copied=yes; fi
done
clients=
manage() { :; }
if [ "$copied" ] && [ RESTART = yes ]; then
  if command -v systemctl >/dev/null; then
    manage() { systemctl "$1" "$2"; }
    set -- networking network dhcpcd NetworkManager wickedd
    for state in $(systemctl is-active "$@"); do
      if [ "$state" = active ]; then clients="$clients $1"; fi
      shift
    done
  elif command -v rc-service >/dev/null; then
    manage() { rc-service "$2" "$1"; }
    for unit in networking dhcpcd NetworkManager; do
      if rc-service -q "$unit" status >/dev/null 2>&1; then clients="$clients $unit"; fi
    done
  fi
  case "$clients" in
    *network*) for process in ROOT/proc/[0-9]*; do
      name=
      { read -r name <"$process/comm"; } 2>/dev/null || :
      if [ "$name" = dhclient ]; then kill -9 "${process##*/}" || :; fi
    done ;;
  esac
  for unit in $clients; do manage stop "$unit" >/dev/null || :; done
fi
if [ "$copied" ]; then
  rm -f ROOT/var/lib/dhcp/*lease* ROOT/var/lib/dhclient/*lease* ROOT/var/lib/dhcpcd*/*lease* \\
    ROOT/var/lib/dhcpcd*/duid ROOT/var/lib/dhcpcd*/secret ROOT/etc/dhcpcd.duid \\
    ROOT/var/db/dhcpcd/*lease* ROOT/var/db/dhcpcd/duid ROOT/var/db/dhcpcd/secret \\
    ROOT/var/lib/NetworkManager/*.lease ROOT/var/lib/NetworkManager/secret_key \\
    ROOT/var/lib/wicked/duid.xml ROOT/var/lib/wicked/iaid.xml ROOT/var/lib/wicked/lease-*
fi
for unit in $clients; do manage start "$unit" >/dev/null; done
case "$clients" in
  *NetworkManager*) if command -v nm-online >/dev/null; then nm-online -q -t 20 || :; fi ;;
esac
"""


def script(restarts_network: bool) -> str:
    """Return the script. Without a restart of the network, DHCP clients have an own DUID from their next start on."""
    return _MACHINE_ID + _ARCHIVE + leases(restarts_network) + _HOST_KEYS


def leases(restarts_network: bool, root: str = "") -> str:
    """Return the part that removes the original's leases and DUID below ``root``, and restarts DHCP clients."""
    return _LEASES.replace("ROOT", root).replace("RESTART", "yes" if restarts_network else "no")
