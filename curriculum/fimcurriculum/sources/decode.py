"""From the bytes of a file to text with one kind of line end."""

__all__ = ["decode_source"]


def decode_source(content: bytes) -> str | None:
    """Return text with line feeds only, or None if it is not UTF-8 or holds NUL."""
    if b"\0" in content:
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")
