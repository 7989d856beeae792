"""What a run writes about itself: metrics.jsonl and the same numbers for TensorBoard."""

import json
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


def log_metrics(path: Path, writer: SummaryWriter, step: int, values: dict[str, float]) -> None:
    """Append one JSON line and the same TensorBoard scalars."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, **values}) + "\n")
    for name, value in values.items():
        writer.add_scalar(name, value, step)


def report_validation(
    losses: dict[str, float], run_dir: Path, writer: SummaryWriter | None, step: int
) -> None:
    """Write and print validation losses, in the first process."""
    if writer:
        values = {f"validation/{name}": value for name, value in losses.items()}
        log_metrics(run_dir / "metrics.jsonl", writer, step, values)
        rounded = {name: round(value, 4) for name, value in losses.items()}
        print(f"step {step} validation {rounded}", flush=True)
