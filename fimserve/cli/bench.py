"""`fimserve bench`: latency of one editor, goodput of many, a soak, and how fast events are taken.

Also what hostile clients and curious tenants achieve, and whether the statistics of experiments
keep what they promise. Only the options; what they do is in `fimserve.cli.benching`,
`fimserve.cli.bench_security` and `fimserve.cli.bench_ab`, imported when a command runs.
Longer than most files because a command line is a table of options.
"""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ab",
    "app",
    "context",
    "events",
    "goodput",
    "hostile",
    "latency",
    "metrics",
    "soak",
    "tenants",
]

app = typer.Typer(
    help="Measure a completion server: latency, goodput, a soak, events.",
    no_args_is_help=True,
    add_completion=False,
)

Url = Annotated[
    str | None,
    typer.Option(
        help="Server to measure; FIMSERVE_API_KEY is its key. Default: starts `fimserve serve`."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="The model's name at --url; without --url, the model to serve."),
]
Dialect = Annotated[
    str,
    typer.Option(
        help="openai: prompt and suffix; openai-ids: whole prompts as token ids; "
        "llama-infill: llama.cpp's /infill."
    ),
]
Tokenizer = Annotated[
    Path | None,
    typer.Option(
        help="tokenizer.json that measures and, with openai-ids, writes the prompts. "
        "Default: the embedded model's.",
        exists=True,
        dir_okay=False,
    ),
]
Family = Annotated[
    str | None,
    typer.Option(help="Prompt format for openai-ids. Default: told by the tokenizer's markers."),
]
Order = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="psm, spm, middle-increment; keystrokes are measured in all. "
        "Default: the server's choice.",
    ),
]
KeepAlive = Annotated[
    bool,
    typer.Option(help="Use connections again, as editors do. Some servers break them."),
]
Corpus = Annotated[
    Path | None,
    typer.Option(
        help="Directory of source files to type at. Default: this project's own.",
        exists=True,
        file_okay=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="File that gets the JSON line at its end. Default: none.", dir_okay=False),
]
Picture = Annotated[
    Path | None,
    typer.Option(help="Picture to write, .svg or .png; needs matplotlib.", dir_okay=False),
]
MaxTokens = Annotated[int, typer.Option(min=1, help="New tokens of an answer.")]
SuffixShare = Annotated[float, typer.Option(min=0.0, max=0.9, help="Part behind the cursor.")]
Tokens = Annotated[int, typer.Option(min=32, help="Length of the prompts, about.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides who types what and when.")]
TtftMs = Annotated[float, typer.Option(min=1, help="Longest wait for the first text.")]
E2eMs = Annotated[float, typer.Option(min=1, help="Longest wait for the last byte.")]
EditorRate = Annotated[
    float, typer.Option(min=0.01, help="Requests per second of one simulated editor.")
]

ColdShare = Annotated[
    float, typer.Option(min=0.0, max=0.9, help="Requests that open another file.")
]


@app.command()
def latency(
    url: Url = None,
    model: Model = None,
    dialect: Dialect = "openai",
    peer: Annotated[
        str | None,
        typer.Option(help="A second server, measured in turn with the first on equal prompts."),
    ] = None,
    peer_model: Annotated[str | None, typer.Option(help="The model's name at --peer.")] = None,
    peer_dialect: Dialect = "openai",
    adapter: Annotated[
        Path | None,
        typer.Option(
            help="LoRA adapter: serves the model alone, with it, and with it merged in; compares.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    adapter_rank: Annotated[
        int | None,
        typer.Option(min=1, max=512, help="The same with an adapter of random numbers."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Timed requests per scenario.")] = 20,
    tokens: Annotated[
        str, typer.Option(help="Lengths of prompts, prefix and suffix together.")
    ] = "1024,2048",
    suffix_share: SuffixShare = 0.25,
    max_tokens: MaxTokens = 32,
    scenarios: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: cold, keystroke, newline, jump, accept, after-cancel, repeat. "
            "Default: all."
        ),
    ] = None,
    corpus: Corpus = None,
    tokenizer: Tokenizer = None,
    family: Family = None,
    order: Order = None,
    keep_alive: KeepAlive = True,
    offset_chars: Annotated[
        int | None,
        typer.Option(min=0, help="Where in the sources prompts begin. Default: at random."),
    ] = None,
    output: Output = None,
) -> None:
    """Measure what one editor waits for: cold prompts, keystrokes, jumps, repeated prompts."""
    from fimserve.cli.benching import LatencyOptions, ServerOptions, run_latency

    servers = [ServerOptions(url, model, dialect, tokenizer, family, order, keep_alive)]
    if peer is not None:
        servers.append(
            ServerOptions(peer, peer_model, peer_dialect, tokenizer, family, order, keep_alive)
        )
    options = LatencyOptions(
        n=n,
        tokens=tokens,
        suffix_share=suffix_share,
        max_tokens=max_tokens,
        scenarios=scenarios,
        corpus=corpus,
        tokenizer=tokenizer,
        offset_chars=offset_chars,
    )
    if adapter is None and adapter_rank is None:
        run_latency(servers, options, output)
        return
    from fimserve.cli.bench_adapter import run_adapter_latency

    if peer is not None:
        raise typer.BadParameter("goes without --adapter and --adapter-rank", param_hint="--peer")
    run_adapter_latency(servers[0], adapter, adapter_rank, options, output)


@app.command()
def goodput(
    url: Url = None,
    model: Model = None,
    dialect: Dialect = "openai",
    ttft_ms: TtftMs = 500.0,
    e2e_ms: E2eMs = 1000.0,
    attainment: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of requests that must be in time.")
    ] = 0.9,
    editor_rate: EditorRate = 0.5,
    cold_share: ColdShare = 0.1,
    tokens: Tokens = 1024,
    suffix_share: SuffixShare = 0.25,
    max_tokens: MaxTokens = 32,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Length of one trial, its warm-up apart.")
    ] = 30.0,
    warmup_s: Annotated[
        float, typer.Option(min=0.0, help="Beginning of each trial that does not count.")
    ] = 5.0,
    min_requests: Annotated[
        int, typer.Option(min=1, help="A trial lasts until so many requests were sent.")
    ] = 40,
    first_rate: Annotated[
        float, typer.Option(min=0.05, help="Requests per second to begin with.")
    ] = 1.0,
    max_rate: Annotated[float, typer.Option(min=0.05, help="Never exceeded.")] = 256.0,
    precision: Annotated[
        float, typer.Option(min=1.01, help="Ends the search: lowest bad by best good rate.")
    ] = 1.1,
    seed: Seed = 0,
    corpus: Corpus = None,
    tokenizer: Tokenizer = None,
    family: Family = None,
    order: Order = None,
    keep_alive: KeepAlive = True,
    picture: Picture = None,
    output: Output = None,
) -> None:
    """Find the highest rate of many editors at which answers come in time."""
    from fimserve.cli.benching import EditorOptions, GoodputOptions, ServerOptions, run_goodput

    run_goodput(
        ServerOptions(url, model, dialect, tokenizer, family, order, keep_alive),
        EditorOptions(
            ttft_ms=ttft_ms,
            e2e_ms=e2e_ms,
            editor_rate=editor_rate,
            cold_share=cold_share,
            tokens=tokens,
            suffix_share=suffix_share,
            max_tokens=max_tokens,
            seed=seed,
            corpus=corpus,
            tokenizer=tokenizer,
        ),
        GoodputOptions(
            attainment=attainment,
            seconds=seconds,
            warmup_s=warmup_s,
            min_requests=min_requests,
            first_rate=first_rate,
            max_rate=max_rate,
            precision=precision,
        ),
        picture,
        output,
    )


@app.command()
def soak(
    rate: Annotated[
        float, typer.Option(min=0.01, help="Requests per second; times --load, if given.")
    ],
    load: Annotated[
        float, typer.Option(min=0.01, help="Share of --rate to put on: 0.8 of a goodput.")
    ] = 1.0,
    minutes: Annotated[float, typer.Option(min=0.01, help="Length.")] = 20.0,
    url: Url = None,
    model: Model = None,
    dialect: Dialect = "openai",
    pid: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Process of the server, to watch its memory. Default: who listens at --url, if "
            "that is this machine.",
        ),
    ] = None,
    leave_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Requests left at a random moment.")
    ] = 0.05,
    malformed_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Malformed requests per well-formed one.")
    ] = 0.02,
    ttft_ms: TtftMs = 500.0,
    e2e_ms: E2eMs = 1000.0,
    editor_rate: EditorRate = 0.5,
    cold_share: ColdShare = 0.1,
    tokens: Tokens = 1024,
    suffix_share: SuffixShare = 0.25,
    max_tokens: MaxTokens = 32,
    seed: Seed = 0,
    corpus: Corpus = None,
    tokenizer: Tokenizer = None,
    family: Family = None,
    order: Order = None,
    keep_alive: KeepAlive = True,
    picture: Picture = None,
    output: Output = None,
) -> None:
    """Keep a server under load and look for failures and leaks; exit code 1 where any is found."""
    from fimserve.cli.benching import EditorOptions, ServerOptions, SoakOptions, run_soak_bench

    run_soak_bench(
        ServerOptions(url, model, dialect, tokenizer, family, order, keep_alive),
        EditorOptions(
            ttft_ms=ttft_ms,
            e2e_ms=e2e_ms,
            editor_rate=editor_rate,
            cold_share=cold_share,
            tokens=tokens,
            suffix_share=suffix_share,
            max_tokens=max_tokens,
            seed=seed,
            corpus=corpus,
            tokenizer=tokenizer,
        ),
        SoakOptions(
            rate=rate * load,
            minutes=minutes,
            leave_share=leave_share,
            malformed_share=malformed_share,
            pid=pid,
        ),
        picture,
        output,
    )


@app.command()
def hostile(
    seconds: Annotated[float, typer.Option(min=1, help="Length of a stretch.")] = 4.0,
    rounds: Annotated[int, typer.Option(min=1, help="Stretches, quiet and attacked in turn.")] = 4,
    rate: Annotated[float, typer.Option(min=0.1, help="Bystander's requests per second.")] = 4.0,
    model: Annotated[str, typer.Option(help="Model to serve.")] = "embedded",
    output: Output = None,
) -> None:
    """Attack an own server in ten ways and measure what a bystander notices."""
    from fimeval.bench.hostile import HostileSettings
    from fimserve.cli.bench_security import run_hostile_bench

    run_hostile_bench(HostileSettings(seconds, rounds, rate), model, output)


@app.command()
def tenants(
    n: Annotated[int, typer.Option("--n", min=10, help="Guesses of the other tenant.")] = 600,
    model: Annotated[str, typer.Option(help="Model to serve.")] = "embedded",
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Let one tenant guess another's prompts by timing, and say how often it is right."""
    from fimeval.bench.tenant_timing import TimingSettings
    from fimserve.cli.bench_security import run_tenant_bench

    run_tenant_bench(TimingSettings(n=n, seed=seed), model, output)


@app.command()
def events(
    url: Url = None,
    model: Annotated[
        str, typer.Option(help="Without --url, the model to serve meanwhile.")
    ] = "embedded",
    database: Annotated[
        str,
        typer.Option(
            help="Without --url, where the server stores them: sqlite or postgresql (fresh ones), "
            "or a database's URL."
        ),
    ] = "sqlite",
    rate: Annotated[
        float, typer.Option(min=1.0, help="Events per second of the first phase.")
    ] = 2_000.0,
    batch: Annotated[int, typer.Option(min=1, help="Events in one request.")] = 50,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each phase.")] = 10.0,
    warmup_s: Annotated[
        float, typer.Option(min=0.0, help="Beginning of each phase that does not count.")
    ] = 2.0,
    connections: Annotated[
        int, typer.Option(min=1, help="Connections of the second phase, which goes flat out.")
    ] = 8,
    rounds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Then ask for completions, 4 a second, in so many pairs of --seconds without and "
            "with events at the rate; 0 asks for none.",
        ),
    ] = 5,
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Send events at a rate, then as fast as the server takes them, then beside completions."""
    from fimserve.cli.ingest_bench import IngestOptions, run_ingest_bench

    run_ingest_bench(
        IngestOptions(
            url=url,
            model=model,
            database=database,
            rate=rate,
            batch=batch,
            seconds=seconds,
            warmup_s=warmup_s,
            connections=connections,
            seed=seed,
            rounds=rounds,
        ),
        output,
    )


@app.command()
def ab(
    repetitions: Annotated[
        int, typer.Option(min=20, help="Simulated experiments of each check.")
    ] = 2_000,
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Simulate experiments and say how often their statistics are wrong; 1 where too often."""
    from fimeval.bench.ab_simulation import SimulationSettings
    from fimserve.cli.bench_ab import run_ab_bench

    run_ab_bench(SimulationSettings(repetitions=repetitions, seed=seed), output)


@app.command()
def metrics(
    num_events: Annotated[
        int, typer.Option("--events", min=1_000, help="Events to store, about.")
    ] = 1_000_000,
    users: Annotated[int, typer.Option(min=10, help="Users that they are of.")] = 5_000,
    runs: Annotated[int, typer.Option(min=1, help="Times that each question is asked.")] = 3,
    database: Annotated[
        str, typer.Option(help="sqlite or postgresql (fresh ones), or an empty database's URL.")
    ] = "sqlite",
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Store weeks of events, then time the reports on them."""
    from fimeval.bench.metrics_timing import TimingSettings
    from fimserve.cli.bench_ab import run_metrics_bench

    settings = TimingSettings(num_events=num_events, num_users=users, runs=runs, seed=seed)
    run_metrics_bench(settings, database, output)


@app.command()
def context(
    repository: Annotated[
        Path | None,
        typer.Argument(
            metavar="REPO",
            help="Folder to index. Default: one made up.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    files: Annotated[int, typer.Option(min=1, help="Files of the one made up.")] = 5_000,
    n: Annotated[int, typer.Option("--n", min=1, help="Changed files, and questions.")] = 300,
    max_tokens: Annotated[int, typer.Option(min=1, help="Budget of the snippets.")] = 512,
    seed: Seed = 0,
    output: Output = None,
) -> None:
    """Time the index that finds context in other files: making, changing and asking it."""
    from fimeval.bench.context import ContextSettings
    from fimserve.cli.context_bench import run_context_bench

    run_context_bench(ContextSettings(repository, files, n, max_tokens, seed), output)
