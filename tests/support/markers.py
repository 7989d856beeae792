"""Every string that some family uses as a marker: what user text must be able to contain."""

from fimserve.prompt import format_names, load_format

ALL_MARKERS = sorted(
    {
        token
        for name in format_names()
        for token in (*load_format(name).required_tokens(), *load_format(name).stop_tokens)
    }
)
