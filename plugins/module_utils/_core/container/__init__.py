# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container as values: desired, observed and recorded state, and what is applied inside it.

How these are compared is in `config`, which steps follow from it in `plan`.
"""
