# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two JSON files as checked values. Computes only, but for `files`, which reads them from disk.

Here lies what every package below uses: findings, the fleet, the operator's policy, and the report.
"""
