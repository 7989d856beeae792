"""What a client would rather be sent: reading of `Accept` and `Accept-Encoding`."""

__all__ = ["accepts_gzip", "prefers_html"]

PAGES = ("text/html", "application/xhtml+xml")
TEXTS = ("text/plain", "application/json")


def prefers_html(accept: str) -> bool:
    """Return whether a page is named, and nothing plainer is named that is liked better.

    `*/*` alone names nothing: it is what programs send that never look at the answer's type.

    Args:
        accept: Value of the `Accept` header; empty where there was none.

    Returns:
        Whether to answer with a page.
    """
    weights = _weights(accept)
    page = max((weights.get(kind, 0.0) for kind in PAGES), default=0.0)
    text = max((weights.get(kind, 0.0) for kind in TEXTS), default=0.0)
    return page > 0 and page >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an answer may be compressed with gzip.

    Args:
        accept_encoding: Value of the `Accept-Encoding` header; empty where there was none.

    Returns:
        Whether the client can read it.
    """
    weights = _weights(accept_encoding)
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _weights(header: str) -> dict[str, float]:
    """Return the weight of each name in a header of weighted names; the last of a name counts."""
    weights: dict[str, float] = {}
    for entry in header.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        if name:
            weights[name] = _weight(parameters)
    return weights


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0
