"""Which licences permit training, and which licence a repository really carries.

A list of repositories may be wrong; the licence file in the tree is not. So the SPDX identifier in
the list is checked against the text of the tree's own licence file before a repository is read.
"""

import re

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)

LICENCE_FILE = re.compile(
    r"^(un)?licen[cs]e([._-].*)?$|^copying([._-].*)?$|^copyright([._-].*)?$", re.IGNORECASE
)

# Refused wherever they appear in a licence file: dual or mixed terms are left to a person.
_RESTRICTIVE = re.compile(
    r"GNU (Affero |Lesser |Library )?General Public License|Mozilla Public License|"
    r"Eclipse Public License|Server Side Public License|Business Source License|"
    r"Functional Source License|Elastic License|Commons Clause|NonCommercial|"
    r"Microsoft (Public|Reciprocal) License",
    re.IGNORECASE,
)

# Python's own terms speak of the GPL without being of it.
_OF_PYTHON = re.compile(
    r"previously distributed under the GNU General Public License \(GPL\)", re.IGNORECASE
)

# First match wins, so the more specific text stands first.
_SIGNATURES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (spdx, re.compile(pattern, re.IGNORECASE))
    for spdx, pattern in (
        ("PSF-2.0", r"PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2"),
        ("Apache-2.0", r"Apache License,?\s+Version 2\.0"),
        ("Unlicense", r"free and unencumbered software released into the public domain"),
        ("BSL-1.0", r"Boost Software License"),
        (
            "MIT",
            r"Permission is hereby granted, free of charge, to any person obtaining a copy",
        ),
        (
            "ISC",
            r"Permission to use, copy, modify, and(/or)? distribute this software for any purpose"
            r" with or without fee is hereby granted, provided",
        ),
        (
            "0BSD",
            r"Permission to use, copy, modify, and(/or)? distribute this software for any purpose"
            r" with or without fee is hereby granted\.",
        ),
        (
            "BSD-3-Clause",
            r"Redistribution and use in source and binary forms[\s\S]*?endorse or promote",
        ),
        ("BSD-2-Clause", r"Redistribution and use in source and binary forms"),
        ("Zlib", r"This software is provided 'as-is', without any express or implied warranty"),
    )
)

# A single file may carry other terms than its repository.
_RESTRICTIVE_HEADER = re.compile(
    r"GNU (Affero |Lesser |Library )?General Public|SPDX-License-Identifier:\s*\(?(A|L)?GPL|"
    r"\b(A|L)?GPL[ -]?v?[23]|Mozilla Public License|Eclipse Public License|"
    r"Microsoft (Public|Reciprocal) License|Creative Commons|proprietary and confidential",
    re.IGNORECASE,
)
_HEADER_CHARS = 3000


def detect_licence(licence_text: str) -> str | None:
    """Return the SPDX identifier of a licence file, or None if it is not known to be permissive."""
    text = re.sub(r"\s+", " ", licence_text)
    found = {spdx: m.start() for spdx, pattern in _SIGNATURES if (m := pattern.search(text))}
    if _RESTRICTIVE.search(_OF_PYTHON.sub("", text)):
        # cpython's file recounts history, GPL-compatibility included; its own terms are permissive.
        # Behind other terms Python is one of several bundled works, and excuses none of them.
        is_python = min(found, key=found.__getitem__, default=None) == "PSF-2.0"
        return "PSF-2.0" if is_python else None
    return next(iter(found), None)


def has_restrictive_header(text: str) -> bool:
    """Tell whether a source file's head names terms that are not permissive."""
    return _RESTRICTIVE_HEADER.search(text, 0, _HEADER_CHARS) is not None
