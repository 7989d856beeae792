"""Fields of Tabby's completion request as its agent sends them, and what they ask of the engine.

Declarations and snippets of other files become one list, most relevant first. Sizes that the agent
chooses generously are cut.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from fimserve.engine import CompletionRequest
from fimserve.prompt import PromptParts, Snippet, recognise_template
from fimserve.server.parse import Fields, OneLine, WholeNumber
from fimserve.server.settings import ServerSettings

__all__ = ["CompletionFields", "ScoredSnippet", "read_snippets", "to_completion_request"]

MAX_NEW_TOKENS = 64
"""Longest completion, as at Tabby: the agent has no field for it."""

DECLARATION_SCORE = 1.0
"""What the editor's language server names is as relevant as can be."""

FilePath = Annotated[OneLine, Field(max_length=1024)]


class DeclarationFields(Fields):
    """A declaration of something that is used near the cursor."""

    filepath: FilePath = ""
    body: str


class SnippetFields(Fields):
    """A piece of a file that was changed or opened lately."""

    filepath: FilePath = ""
    body: str
    score: float = 0.0


class SegmentFields(Fields):
    """The document around the cursor, and what belongs to it elsewhere."""

    prefix: str
    suffix: str = ""
    filepath: FilePath | None = None
    """Path of the current file inside its repository."""
    declarations: list[DeclarationFields] = Field(default_factory=list)
    relevant_snippets_from_changed_files: list[SnippetFields] = Field(default_factory=list)
    relevant_snippets_from_recently_opened_files: list[SnippetFields] = Field(default_factory=list)


class DebugFields(Fields):
    """What a person who looks for a fault wants."""

    raw_prompt: str | None = None
    """Whole prompt, in place of segments."""
    return_snippets: bool = False
    return_prompt: bool = False
    disable_retrieval_augmented_code_completion: bool = False
    """Whether pieces of other files are left out."""


class CompletionFields(Fields):
    """Body of Tabby's `POST /v1/completions`."""

    language: Annotated[OneLine, Field(max_length=64)] = "unknown"
    """Editor's language id of the current file."""
    segments: SegmentFields | None = None
    user: str | None = Field(None, max_length=256)
    """Together with `filepath` names the session; never trusted."""
    temperature: float = Field(0.0, ge=0, le=2)
    seed: WholeNumber | None = Field(None, ge=0, lt=2**64)
    mode: Literal["standard", "next_edit_suggestion"] = "standard"
    debug_options: DebugFields = DebugFields()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to complete, which Tabby refuses without a word."""
        return self.segments is None and self.debug_options.raw_prompt is None


@dataclass(frozen=True, slots=True)
class ScoredSnippet:
    """A piece of another file with the agent's own opinion of it."""

    snippet: Snippet
    score: float


def read_snippets(fields: CompletionFields, settings: ServerSettings) -> list[ScoredSnippet]:
    """Return pieces of other files, most relevant first, each text once.

    Args:
        fields: The client's fields.
        settings: The operator's caps; what comes after the last one allowed is left out.

    Returns:
        Declarations, then changed files, then recently opened ones, as Tabby ranks them.
    """
    segments = fields.segments
    if segments is None or fields.debug_options.disable_retrieval_augmented_code_completion:
        return []
    found = [
        ScoredSnippet(Snippet(declared.filepath, declared.body), DECLARATION_SCORE)
        for declared in segments.declarations
    ]
    for several in (
        segments.relevant_snippets_from_changed_files,
        segments.relevant_snippets_from_recently_opened_files,
    ):
        # Stable: where the agent gives no scores, its own order stays.
        ranked = sorted(several, key=lambda one: one.score, reverse=True)
        found += [ScoredSnippet(Snippet(one.filepath, one.body), one.score) for one in ranked]
    unique = {scored.snippet.text: scored for scored in reversed(found)}
    kept = [scored for scored in found if unique[scored.snippet.text] is scored]
    return kept[: settings.max_snippets]


def to_completion_request(
    fields: CompletionFields, settings: ServerSettings
) -> tuple[CompletionRequest, list[ScoredSnippet]]:
    """Return what these fields ask of the engine, and the snippets that go with it.

    Args:
        fields: The client's fields, not empty.
        settings: The operator's caps.

    Returns:
        The request and its snippets with their scores.
    """
    snippets = read_snippets(fields, settings)
    parts = _read_parts(fields, tuple(scored.snippet for scored in snippets))
    language = None if fields.language == "unknown" else fields.language
    request = CompletionRequest(
        prefix=parts.prefix,
        suffix=parts.suffix,
        language=language,
        path=parts.path,
        snippets=parts.snippets,
        max_tokens=min(MAX_NEW_TOKENS, settings.max_tokens),
        temperature=fields.temperature,
        seed=fields.seed,
        streamed=False,
        session=_session(fields),
    )
    return request, snippets


def _read_parts(fields: CompletionFields, snippets: tuple[Snippet, ...]) -> PromptParts:
    if (segments := fields.segments) is not None:
        return PromptParts(
            segments.prefix, segments.suffix, path=segments.filepath, snippets=snippets
        )
    raw = fields.debug_options.raw_prompt or ""
    return recognise_template(raw) or PromptParts(raw, None)


def _session(fields: CompletionFields) -> str | None:
    path = fields.segments.filepath if fields.segments is not None else None
    if fields.user is None or path is None:
        # `user` alone is no session: one person's parallel requests would end each other.
        return None
    return f"{fields.user}\n{path}"
