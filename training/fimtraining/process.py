"""A process's place among the others of a run on several GPUs, as torchrun starts them."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True, slots=True)
class Process:
    """This process's place in the run."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


@contextlib.contextmanager
def join_processes() -> Iterator[Process]:
    """Join the other processes of torchrun, if any, and leave them at the end."""
    count, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    use_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if use_gpu else torch.device("cpu")
    if use_gpu:
        torch.cuda.set_device(device)
    if count > 1:
        dist.init_process_group("nccl" if use_gpu else "gloo")
    try:
        yield Process(rank, count, device)
    finally:
        if count > 1:
            dist.destroy_process_group()


def agree(wish: int, process: Process) -> int:
    """Return the first process's number in every process, so that all stop at the same step."""
    if process.count == 1:
        return wish
    number = torch.tensor([wish], dtype=torch.int64, device=process.device)
    dist.broadcast(number, 0)
    return int(number.item())
