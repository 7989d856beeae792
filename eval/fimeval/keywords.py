"""Keywords of languages, for telling identifiers from the rest.

`true`, `false` and their like are not in the lists, as in dpu-utils' lists, which CrossCodeEval
uses; so a literal counts as an identifier there and here.
"""

import keyword
from collections.abc import Mapping
from types import MappingProxyType


def _read(words: str) -> frozenset[str]:
    return frozenset(words.split())


PYTHON = frozenset(keyword.kwlist) - {"True", "False"}

JAVA = _read(
    """abstract assert boolean break byte case catch char class const continue default do double
    else enum extends final finally float for goto if implements import instanceof int interface
    long native new package private protected public return short static strictfp super switch
    synchronized this throw throws transient try void volatile while"""
)

TYPESCRIPT = _read(
    """break case catch class const continue debugger default delete do else enum export extends
    finally for function if implements import in instanceof interface let new package private
    protected public return static super switch this throw try typeof var void while with
    yield"""
)

CSHARP = _read(
    """abstract as base bool break byte case catch char checked class const continue decimal default
    delegate do double else enum event explicit extern finally fixed float for foreach goto if
    implicit in int interface internal is lock long namespace new null object operator out override
    params private protected public readonly ref return sbyte sealed short sizeof stackalloc static
    string struct switch this throw try typeof uint ulong unchecked unsafe ushort using virtual void
    volatile while"""
)

GO = _read(
    """break case chan const continue default defer else fallthrough for func go goto if import
    interface map package range return select struct switch type var"""
)

RUST = _read(
    """as async await break const continue crate dyn else enum extern fn for if impl in let loop
    match mod move mut pub ref return self Self static struct super trait type unsafe use where
    while"""
)

C = _read(
    """auto break case char const continue default do double else enum extern float for goto if
    inline int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while"""
)

CPP = C | _read(
    """alignas alignof bool catch class constexpr const_cast decltype delete dynamic_cast explicit
    export friend mutable namespace new noexcept operator private protected public reinterpret_cast
    static_assert static_cast template this throw try typeid typename using virtual"""
)

KEYWORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "python": PYTHON,
        "java": JAVA,
        "typescript": TYPESCRIPT,
        "javascript": TYPESCRIPT,
        "csharp": CSHARP,
        "go": GO,
        "rust": RUST,
        "c": C,
        "cpp": CPP,
    }
)


def find_keywords(language: str) -> frozenset[str]:
    """Return the keywords of a language; none for one that has no list here."""
    return KEYWORDS.get(language, frozenset())
