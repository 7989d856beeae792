"""The cursor written into the text: `fim("def mean(xs):\\n    return █\\n")`."""

CURSOR = "█"


def fim(text: str) -> tuple[str, str]:
    """Return what stands before and after the cursor.

    Args:
        text: Text with exactly one `█`.

    Returns:
        Prefix and suffix.

    Raises:
        ValueError: If the text has no cursor or several.
    """
    if text.count(CURSOR) != 1:
        raise ValueError(f"the text has {text.count(CURSOR)} cursors {CURSOR!r}; write exactly one")
    prefix, _, suffix = text.partition(CURSOR)
    return prefix, suffix
