# Copyright (c) 2026, Phoenix Hypervisor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which locales a machine lacks, and the texts of the files that name them."""

from __future__ import annotations

from ansible_collections.phoenix.hypervisor.plugins.module_utils._core.system import locales

GEN = """\
# This file lists locales that you wish to have built.
#
# Each line is of the form: <locale name> <charset>
#
# de_AT ISO-8859-1
# de_AT.UTF-8 UTF-8
# de_AT@euro ISO-8859-15
# en_US.UTF-8 UTF-8
fr_FR.UTF-8 UTF-8
"""


def test_the_answer_of_locale_names_character_sets_in_its_own_way() -> None:
    present = "C\nC.utf8\nPOSIX\nen_US.utf8\nde_AT@euro\n"
    wanted = ["en_US.UTF-8", "C.UTF-8", "C", "de_AT.UTF-8", "de_AT@euro", "de_AT.UTF-8"]
    assert locales.missing(wanted, present) == ["de_AT.UTF-8"]
    assert locales.missing(["C.UTF-8", "en_US.UTF-8"], "C\nPOSIX\n") == ["C.UTF-8", "en_US.UTF-8"]


def test_a_locale_is_switched_on_in_its_line_alone() -> None:
    text, unknown = locales.enabled(GEN, ["en_US.UTF-8"], "")
    assert (text, unknown) == (GEN.replace("# en_US.UTF-8", "en_US.UTF-8"), [])
    assert locales.enabled(text, ["en_US.UTF-8", "fr_FR.UTF-8"], "") == (text, [])
    assert locales.enabled(GEN, ["de_AT"], "")[0] == GEN.replace("# de_AT ISO", "de_AT ISO")


def test_a_locale_without_a_line_comes_from_the_supported_ones() -> None:
    text, unknown = locales.enabled(GEN, ["eo.UTF-8", "xx_YY", "tlh"], "eo.UTF-8 UTF-8\neo ISO-8859-3\n")
    assert text == GEN + "eo.UTF-8 UTF-8\n"
    assert unknown == ["xx_YY", "tlh"]


def test_one_line_of_the_settings_is_set() -> None:
    assert locales.with_line("", "LANG", "C.UTF-8") == "LANG=C.UTF-8\n"
    before = "# generated\nLANG=C\nLC_TIME=de_AT.UTF-8\nLANG=C.UTF-8\n"
    assert locales.with_line(before, "LANG", "en_US.UTF-8") == before.replace("=C.UTF-8", "=en_US.UTF-8")
    assert locales.with_line("LC_ALL=C", "export LANG", "C") == "LC_ALL=C\nexport LANG=C\n"
