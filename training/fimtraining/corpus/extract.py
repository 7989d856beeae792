"""First stage: read one repository, keep and scrub what people wrote, count the rest by reason."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fimcurriculum.sources.clone import (
    CloneError,
    TreeFile,
    find_git_dir,
    list_files,
    read_blobs,
    resolve_commit,
)
from fimcurriculum.sources.decode import decode_source
from fimcurriculum.sources.decontamination import Decontamination, tokenize
from fimcurriculum.sources.filters import MAX_BYTES, refuse_path, refuse_text
from fimcurriculum.sources.languages import detect_language
from fimcurriculum.sources.licence_file import read_licence
from fimcurriculum.sources.licences import PERMISSIVE, has_restrictive_header
from fimcurriculum.sources.scrub import scrub
from fimtraining.corpus.recipe import Repository


@dataclass(frozen=True, slots=True)
class Document:
    """One source file that passed every filter, as it will be trained on."""

    repository: str
    commit: str
    licence: str
    language: str
    path: str
    text: str
    """Line feeds only, no byte-order mark, no secrets."""
    sha256: str
    """Of the text with white space removed, so that re-indented copies are equal."""


@dataclass(slots=True)
class Extraction:
    """The documents of one repository and what became of its other files."""

    documents: list[Document] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    """Files per language."""
    dropped: Counter[str] = field(default_factory=Counter)
    """`<language>/<reason>` -> files."""
    scrubbed: Counter[str] = field(default_factory=Counter)
    """`emails` and `secrets` replaced."""
    refused: str | None = None
    """Why the whole repository was left out."""


def extract_repository(
    repository: Repository,
    clones: Path,
    languages: frozenset[str],
    decontamination: Decontamination,
) -> Extraction:
    """Read the listed commit of a repository and return its usable documents.

    Args:
        repository: Entry of the list.
        clones: Directory of the clones.
        languages: Languages to keep.
        decontamination: What must not be trained on.

    Returns:
        Documents and counts; of a refused repository only the reason.

    Raises:
        CloneError: If the clone or the commit is not there.
    """
    if decontamination.is_listed(repository.name):
        return Extraction(refused="benchmark_repository")
    if repository.licence not in PERMISSIVE:
        return Extraction(refused="licence")
    git_dir = find_git_dir(clones / repository.directory)
    commit = resolve_commit(git_dir, repository.commit)
    files = list_files(git_dir, commit)
    if (licence := read_licence(git_dir, files)) != repository.licence:
        raise CloneError(
            f"{repository.name} is listed as {repository.licence}, its licence file reads as"
            f" {licence}; correct the list"
        )
    return _extract_files(repository, git_dir, files, languages, decontamination)


def _extract_files(
    repository: Repository,
    git_dir: Path,
    files: list[TreeFile],
    languages: frozenset[str],
    decontamination: Decontamination,
) -> Extraction:
    result = Extraction()
    wanted: list[TreeFile] = []
    for file in files:
        language = detect_language(file.path)
        if language not in languages:
            continue
        result.seen[language] += 1
        reason = "too_large" if file.num_bytes > MAX_BYTES else refuse_path(file.path)
        if reason:
            result.dropped[f"{language}/{reason}"] += 1
        else:
            wanted.append(file)
    for file, content in read_blobs(git_dir, wanted):
        language = str(detect_language(file.path))
        text = decode_source(content)
        reason = "not_utf8" if text is None else _refuse_content(text, decontamination)
        if reason or text is None:
            result.dropped[f"{language}/{reason}"] += 1
            continue
        clean = scrub(text)
        result.scrubbed["emails"] += clean.num_emails
        result.scrubbed["secrets"] += clean.num_secrets
        result.documents.append(
            Document(
                repository=repository.name,
                commit=repository.commit,
                licence=repository.licence,
                language=language,
                path=file.path,
                text=clean.text,
                sha256=hashlib.sha256("".join(clean.text.split()).encode()).hexdigest(),
            )
        )
    return result


def _refuse_content(text: str, decontamination: Decontamination) -> str | None:
    if has_restrictive_header(text):
        return "licence_header"
    if reason := refuse_text(text):
        return reason
    return "benchmark_text" if decontamination.is_contaminated(tokenize(text)) else None
