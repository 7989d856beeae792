"""`fimserve eval`: generate, score and report a benchmark, for a model here or behind an address.

Only the options; what they do is in `fimserve.cli.evaluation`, imported when a command runs.
"""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app", "build_swebench", "compare", "judge_swebench", "repo", "score", "trim"]

app = typer.Typer(
    help="Score completions on a benchmark: generate, score, report.",
    no_args_is_help=True,
    add_completion=False,
)

Data = Annotated[Path, typer.Option(help="Benchmark file, .jsonl or .jsonl.gz.")]
Model = Annotated[str, typer.Option(help="embedded, a directory, a hub id, or a name at --url.")]
Url = Annotated[
    str | None,
    typer.Option(
        help="OpenAI-compatible server that supports suffix; FIMSERVE_API_KEY is its key."
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Take only the first rows of the file.")]
Order = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Order of the prompt: psm, spm, middle-increment. Default: the model's own.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Directory of the run; one that was interrupted continues. "
        "Default: under runs/eval, named by the settings."
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        help="Directory that gets the result line. Default: eval/results where that exists, "
        "and only for runs without --limit."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap; decoding is greedy.")]
Check = Annotated[
    bool,
    typer.Option(
        "--check-references", help="Score the references and empty strings; needs no model."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON line; everything else goes to stderr.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N; not with --url.")]
AsServed = Annotated[
    bool,
    typer.Option(
        "--as-served",
        help="End answers as the server does for an editor, one line where no block was opened, "
        "and leave the order to it. Default: nothing but the model's own end token; "
        "with --url the server decides.",
    ),
]
Dtype = Annotated[str, typer.Option(help="auto, bf16, fp32; not with --url.")]
Execute = Annotated[
    bool,
    typer.Option(
        "--execute",
        help="Also run the programs that come out, for pass@1: each in processes of its own, "
        "limited and without a network where the system allows it. Model-written code: use a "
        "container if in doubt.",
    ),
]
Heal = Annotated[
    bool,
    typer.Option(help="Heal the token that the cursor splits, as served; not with --url."),
]
Adapter = Annotated[
    Path | None,
    typer.Option(
        help="Directory of a LoRA adapter over the model, such as runs/train/NAME/adapter; "
        "at --url the adapter's name is the --model.",
        file_okay=False,
        exists=True,
    ),
]
Trim = Annotated[
    bool, typer.Option(help="Trim answers, as served; only with --as-served, not with --url.")
]


def _add_task(name: str, help_text: str) -> None:
    """Add the command of one benchmark; they all have the same options."""

    @app.command(name, help=help_text)
    def run(
        data: Data,
        model: Model = "embedded",
        url: Url = None,
        limit: Limit = None,
        order: Order = None,
        output: Output = None,
        results: Results = None,
        seed: Seed = 0,
        check_references: Check = False,
        execute: Execute = False,
        as_json: AsJson = False,
        device: Device = "auto",
        dtype: Dtype = "auto",
        as_served: AsServed = False,
        heal: Heal = True,
        trim: Trim = True,
        adapter: Adapter = None,
    ) -> None:
        from fimserve.cli.eval_model import Serving
        from fimserve.cli.evaluation import EvalOptions, run_task

        options = EvalOptions(
            data=data,
            model=model,
            url=url,
            limit=limit,
            order=order,
            output=output,
            results=results,
            seed=seed,
            execute=execute,
            as_json=as_json,
            device=device,
            dtype=dtype,
            serving=Serving("served" if as_served else "own", heal, trim),
            adapter=adapter,
        )
        run_task(name, options, check_references)


_add_task(
    "humaneval-infilling",
    "Score a single-line or random-span file of HumanEval-Infilling, by exact match or execution.",
)
_add_task(
    "santacoder-fim",
    "Score SantaCoder-FIM by exact match, by language, with and without trivial answers.",
)
_add_task(
    "random-cursor",
    "Score rests of lines behind cursors at random characters of HumanEval's solutions.",
)
_add_task("safim", "Score a block, control or API file of SAFIM, by match or execution.")
_add_task("cceval", "Score CrossCodeEval as published: left to right, retrieval as comments.")
_add_task("cceval-fim", "Score CrossCodeEval as infilling: both sides, retrieval as snippets.")
_add_task("swebench-infill", "Score the lines that upstream fixes add, hidden in the fixed file.")


@app.command("repo")
def repo(
    repository: Annotated[
        list[Path] | None,
        typer.Option(help="Git clone, bare or not; again for several.", file_okay=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Benchmark file that was made of a repository earlier.")
    ] = None,
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "HEAD",
    languages: Annotated[
        str | None, typer.Option(help="Comma-separated, such as python,go. Default: all.")
    ] = None,
    kinds: Annotated[
        str | None, typer.Option(help="Comma-separated, such as call,function. Default: all.")
    ] = None,
    per_kind: Annotated[int, typer.Option(min=1, help="Spans of each kind.")] = 50,
    sample_seed: Annotated[int, typer.Option(min=0, help="Decides which spans.")] = 0,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Leave out paths such as 'tests/*'; again for more."),
    ] = None,
    skip_generated: Annotated[
        bool,
        typer.Option(
            "--skip-generated", help="Leave out what looks vendored, generated or like data."
        ),
    ] = False,
    snippet_tokens: Annotated[
        int, typer.Option(min=0, help="Budget of snippets of other files, found as at a cursor.")
    ] = 0,
    model: Model = "embedded",
    url: Url = None,
    limit: Limit = None,
    order: Order = None,
    output: Output = None,
    results: Annotated[
        Path | None, typer.Option(help="Directory that gets the result line. Default: none.")
    ] = None,
    seed: Seed = 0,
    check_references: Check = False,
    as_json: AsJson = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_served: AsServed = False,
    heal: Heal = True,
    trim: Trim = True,
    adapter: Adapter = None,
) -> None:
    """Score a model on your own repositories: spans of them, mined by kind.

    The rows are kept under runs/eval and made again only for another commit or other options.
    """
    from fimserve.cli.eval_model import Serving
    from fimserve.cli.eval_repository import RepositoryOptions, run_repository
    from fimserve.cli.evaluation import EvalOptions

    asked = RepositoryOptions(
        repositories=tuple(repository or ()),
        revision=revision,
        languages=languages,
        kinds=kinds,
        per_kind=per_kind,
        sample_seed=sample_seed,
        exclude=tuple(exclude or ()),
        skip_generated=skip_generated,
        snippet_tokens=snippet_tokens,
    )
    options = EvalOptions(
        data=data or Path(),
        model=model,
        url=url,
        limit=limit,
        order=order,
        output=output,
        results=results,
        seed=seed,
        execute=False,
        as_json=as_json,
        device=device,
        dtype=dtype,
        serving=Serving("served" if as_served else "own", heal, trim),
        publishes=False,
        adapter=adapter,
    )
    run_repository(data, asked, options, check_references)


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="generations.jsonl of a finished run.")],
    data: Annotated[
        Path | None, typer.Option(help="Benchmark file. Default: where generation found it.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Directory that gets the result line. Default: none.")
    ] = None,
    seed: Seed = 0,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Score a generations file again, without a model."""
    from fimserve.cli.evaluation import run_scoring

    run_scoring(file, data, results, seed, execute, as_json)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="generations.jsonl of the run to compare with.")],
    second: Annotated[Path, typer.Argument(help="generations.jsonl of the run in question.")],
    data: Annotated[
        Path | None, typer.Option(help="Benchmark file. Default: where generation found it.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with the rows that differ.")
    ] = None,
    max_rows: Annotated[int, typer.Option(min=0, help="Rows on that page.")] = 100,
    seed: Seed = 0,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Compare two runs over the same rows: paired differences with intervals, side by side."""
    from fimserve.cli.eval_compare import run_compare

    run_compare(first, second, data, html, max_rows, seed, execute, as_json)


@app.command("build-swebench")
def build_swebench(
    instances: Annotated[
        Path, typer.Argument(help="SWE-bench instances: .json, .jsonl or .jsonl.gz.")
    ],
    clones: Annotated[
        Path,
        typer.Option(
            help="Directory of git clones, bare or not: OWNER/NAME or OWNER__NAME, also with .git."
        ),
    ],
    output: Annotated[Path, typer.Option(help="File to write, .jsonl or .jsonl.gz.")],
    split: Annotated[str, typer.Option(help="Name of the SWE-bench set, kept in every row.")],
) -> None:
    """Make infilling rows of SWE-bench instances: one per block of lines that a fix adds."""
    from fimserve.cli.eval_swebench import run_build

    run_build(instances, clones, output, split)


@app.command("test-swebench")
def judge_swebench(
    file: Annotated[Path, typer.Argument(help="generations.jsonl of a run of swebench-infill.")],
    instances: Annotated[
        Path, typer.Option(help="SWE-bench instances that the rows were built from.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Benchmark file. Default: where generation found it.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Instances at a time.")] = 4,
    timeout_s: Annotated[int, typer.Option(min=1, help="Of the tests of one instance.")] = 1800,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Run the instances' own tests on the answers; needs Docker and the swebench package."""
    from fimserve.cli.eval_swebench import run_swebench_tests

    run_swebench_tests(file, instances, data, workers, timeout_s, seed, as_json)


@app.command()
def trim(
    file: Annotated[Path, typer.Argument(help="generations.jsonl of a run that was not trimmed.")],
    data: Annotated[
        Path | None, typer.Option(help="Benchmark file. Default: where generation found it.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Directory of the trimmed run. Default: beside the old one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trim the answers of a run as served and score both, without a model."""
    from fimserve.cli.evaluation import run_trimming

    run_trimming(file, data, output, as_json)
