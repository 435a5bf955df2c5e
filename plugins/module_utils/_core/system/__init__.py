# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Debian under Proxmox VE and inside a container: packages, sources, accounts, and texts of its files.

Nothing here knows PVE or a section of the node; that is in `host`.
"""
