"""Licence texts give SPDX identifiers, restrictive terms give nothing."""

import pytest

from fimcurriculum.sources.licences import (
    LICENCE_FILE,
    PERMISSIVE,
    detect_licence,
    has_restrictive_header,
)
from support import licence_texts

TEXTS = {
    "MIT": licence_texts.MIT,
    "Apache-2.0": licence_texts.APACHE,
    "BSD-3-Clause": licence_texts.BSD_3,
    "BSD-2-Clause": licence_texts.BSD_2,
    "ISC": licence_texts.ISC,
    "0BSD": licence_texts.ZERO_BSD,
    "Unlicense": licence_texts.UNLICENSE,
    "PSF-2.0": licence_texts.PSF,
    "BSL-1.0": licence_texts.BOOST,
    "Zlib": licence_texts.ZLIB,
}


@pytest.mark.parametrize(("spdx", "text"), TEXTS.items())
def test_text_gives_its_identifier(spdx: str, text: str) -> None:
    assert detect_licence(text) == spdx
    assert spdx in PERMISSIVE


@pytest.mark.parametrize("spdx", TEXTS)
def test_line_breaks_and_case_do_not_matter(spdx: str) -> None:
    text = TEXTS[spdx]
    assert detect_licence("\r\n".join(text.split())) == spdx
    assert detect_licence(text.upper()) == spdx


@pytest.mark.parametrize(
    "text",
    [
        licence_texts.GPL,
        "GNU Affero General Public License, version 3",
        "GNU LESSER GENERAL PUBLIC LICENSE",
        "Mozilla Public License Version 2.0",
        "Business Source License 1.1",
        "Elastic License 2.0",
        "Microsoft Public License (Ms-PL)",
        "All rights reserved.",
        "",
    ],
)
def test_other_terms_give_nothing(text: str) -> None:
    assert detect_licence(text) is None


def test_python_among_bundled_works_excuses_nothing_else() -> None:
    bundled = f"{TEXTS['Apache-2.0']}\nThis bundles Python:\n{licence_texts.PSF}"
    assert detect_licence(bundled) is None  # "Some early releases were not compatible"
    virginia = "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2 ... previously distributed under the"
    virginia += " GNU General Public License (GPL), the law of Virginia"
    assert detect_licence(f"{TEXTS['MIT']}\n{virginia}") == "PSF-2.0"
    assert detect_licence(f"{TEXTS['MIT']}\n{virginia}\n{licence_texts.GPL}") is None
    assert detect_licence(f"{licence_texts.PSF}\n{TEXTS['Apache-2.0']}") == "PSF-2.0"


@pytest.mark.parametrize("name", ["MIT", "Apache-2.0", "BSD-3-Clause"])
def test_permissive_text_beside_restrictive_terms_gives_nothing(name: str) -> None:
    assert detect_licence(f"{TEXTS[name]}\n{licence_texts.GPL}") is None
    assert detect_licence(f"{TEXTS[name]}\nCommons Clause License Condition v1.0") is None


@pytest.mark.parametrize(
    "name",
    ["LICENSE", "LICENCE", "License.txt", "LICENSE-MIT", "license.md", "COPYING", "UNLICENSE",
     "COPYRIGHT", "COPYING.LESSER"],
)  # fmt: skip
def test_licence_file_is_known_by_name(name: str) -> None:
    assert LICENCE_FILE.match(name)


@pytest.mark.parametrize(
    "name", ["README.md", "licenses.py", "licensing.md", "my-license", "NOTICE"]
)
def test_other_file_is_no_licence(name: str) -> None:
    assert not LICENCE_FILE.match(name)


@pytest.mark.parametrize(
    "header",
    [
        "# This program is free software under the GNU General Public License\n",
        "// SPDX-License-Identifier: GPL-3.0-only\n",
        "// SPDX-License-Identifier: (GPL-2.0 OR MIT)\n",
        "# Licensed under LGPL v3\n",
        "/* Mozilla Public License, v. 2.0 */\n",
        "// Licensed under the Microsoft Public License (MS-PL)\n",
        "# Creative Commons Attribution\n",
    ],
)
def test_restrictive_header_is_found(header: str) -> None:
    assert has_restrictive_header(header + "value = 1\n")


@pytest.mark.parametrize(
    "text",
    [
        "# SPDX-License-Identifier: MIT\nvalue = 1\n",
        "# Licensed under the Apache License, Version 2.0\n",
        "import gplot\n",
        "x = 1\n" * 1000 + "# GNU General Public License\n",
    ],
)
def test_other_text_has_no_restrictive_header(text: str) -> None:
    assert not has_restrictive_header(text)
