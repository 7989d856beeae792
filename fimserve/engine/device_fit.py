"""Settings that depend on where the model is: what 0 and "auto" mean there."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import torch

from fimserve.engine.settings import MIB, EngineSettings

CPU_KV_MEMORY_MIB = 1024
CPU_STEP_TOKENS = 256
GPU_KV_SHARE = 0.7
"""Part of what the weights left free; steps, recordings and adapters want the rest."""
GPU_STEP_TOKENS = 2048


def fit_settings(settings: EngineSettings, device: torch.device) -> EngineSettings:
    """Return settings with everything decided that was left to the device.

    Args:
        settings: What was asked for.
        device: Where the model is, loaded.

    Returns:
        The same settings without 0 and "auto".
    """
    is_gpu = device.type == "cuda"
    kv_memory_mib, step_tokens = CPU_KV_MEMORY_MIB, CPU_STEP_TOKENS
    if is_gpu:
        free_bytes, _ = torch.cuda.mem_get_info(device)
        kv_memory_mib, step_tokens = int(free_bytes * GPU_KV_SHARE) // MIB, GPU_STEP_TOKENS
    gpu_path = settings.gpu_path
    if gpu_path == "auto":
        has_kernels = is_gpu and importlib.util.find_spec("triton") is not None
        gpu_path = "graphs" if has_kernels else "eager"
    return replace(
        settings,
        kv_memory_mib=settings.kv_memory_mib or kv_memory_mib,
        max_step_tokens=settings.max_step_tokens or step_tokens,
        gpu_path=gpu_path,
    )
