"""The example from which the golden prompts of every family are written."""

from fimserve.prompt import PromptParts, Snippet

PREFIX = "from utils import double\n\ndef run(n):\n    return "
SUFFIX = "\n\nprint(run(3))\n"
MIDDLE = "double(n)"
SNIPPETS = (
    Snippet("utils.py", "def double(x):\n    return x * 2"),
    Snippet("config.py", "LIMIT = 10"),
)

SINGLE_FILE = PromptParts(PREFIX, SUFFIX)
WITH_CONTEXT = PromptParts(PREFIX, SUFFIX, path="main.py", repo="demo", snippets=SNIPPETS)
