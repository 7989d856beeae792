"""An index that was changed step by step answers as one that was made at once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fimserve.context import RepositoryIndex
from fimserve.context.similar_index import MAX_SEGMENTS, OPEN_FILES
from fimserve.context.words import words_of

NAMES = [f"{letter}.py" for letter in "abcdefghijklmnop"]
TEXTS = st.integers(0, 40).map(
    lambda n: f"def name_{n}(value_{n}):\n    total_{n} = value_{n} + other_{n % 7}\n"
)
EDITS = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.none() | TEXTS, min_size=1, max_size=12),
    max_size=12,
)


def definitions(index: RepositoryIndex) -> set[tuple[str, str, int]]:
    """Return all definitions that can be found."""
    return {
        (place.path, place.definition.name, place.definition.name_line)
        for number in range(41)
        for place in index.find_definitions(f"name_{number}")
    }


def similar(index: RepositoryIndex) -> set[str]:
    """Return all files that can be found by what they hold."""
    return {
        found.chunk.path
        for number in range(41)
        for found in index.find_similar(words_of(f"total_{number} value_{number}"), 100)
    }


@settings(max_examples=25, deadline=None)
@given(edits=EDITS)
def test_changes_leave_what_making_it_anew_would_give(
    edits: list[dict[str, str | None]],
) -> None:
    texts: dict[str, str] = {
        name: f"def name_{at}(x): return x + y_{at}\n" for at, name in enumerate(NAMES)
    }
    index = RepositoryIndex(texts)
    for changed in edits:
        index.update(changed)
        for path, text in changed.items():
            if text is None:
                texts.pop(path, None)
            else:
                texts[path] = text
        assert sorted(index.paths) == sorted(texts)
    anew = RepositoryIndex(texts)
    assert definitions(index) == definitions(anew)
    assert similar(index) == similar(anew)
    index.compact()
    assert similar(index) == similar(anew)


def test_many_changes_ask_for_compaction_and_get_it() -> None:
    index = RepositoryIndex({"a.py": "def first(value): return value + other\n"})
    for number in range((OPEN_FILES + 1) * (MAX_SEGMENTS + 1)):
        index.update(
            {f"f{number}.py": f"def name_{number}(value): return value + other_{number}\n"}
        )
    assert index.needs_compaction
    index.compact()
    assert not index.needs_compaction
    assert index.find_similar(["other_3"], 3)[0].chunk.path == "f3.py"


def test_names_of_all_languages_are_found() -> None:
    files = {
        "a.py": "class Alpha:\n    def one(self): ...\nTWO = 2\n",
        "b.ts": "export interface Beta { three(): void }\nexport const four = 4;\nenum Five {}\n",
        "c.jsx": "export function Six() { return <b/>; }\nclass Seven { eight() {} }\n",
        "d.java": "class Nine { int ten; void eleven() {} }\ninterface Twelve {}\n",
        "e.go": "type Thirteen struct{}\nfunc (t Thirteen) fourteen() {}\nconst fifteen = 1\n",
        "f.rs": "pub struct Sixteen;\nimpl Sixteen { fn seventeen(&self) {} }\n"
        "macro_rules! eighteen { () => {} }\n",
        "g.cpp": "template <class T> class Nineteen { void twenty(); };\n#define LIMIT 3\n"
        "int half(int x) { return x; }\n",
        "h.cs": "class Gamma { int Delta { get; } void Epsilon() {} }\n",
    }
    wanted = {
        "a.py": "Alpha one TWO",
        "b.ts": "Beta three four Five",
        "c.jsx": "Six Seven eight",
        "d.java": "Nine ten eleven Twelve",
        "e.go": "Thirteen fourteen fifteen",
        "f.rs": "Sixteen seventeen eighteen",
        "g.cpp": "Nineteen twenty LIMIT half",
        "h.cs": "Gamma Delta Epsilon",
    }
    index = RepositoryIndex(files)
    for path, names in wanted.items():
        for name in names.split():
            assert [place.path for place in index.find_definitions(name)] == [path], name
