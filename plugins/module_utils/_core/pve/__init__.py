# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxmox VE's own forms, read and written as text: nothing here knows what a container of ours is meant to be.

Property strings, config files, raw lines, tags, firewall files, storage.cfg, API calls as data, PVE's error texts.
"""
