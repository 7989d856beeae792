"""What the driver's tool says, and what is said where there is none."""

from pathlib import Path

import pytest

from fimeval.gpu import Gpu, find_gpu, parse_gpus


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("NVIDIA H100 80GB HBM3, 580.65.06\n", Gpu("NVIDIA H100 80GB HBM3", "580.65.06")),
        ("A, rev 2, 1.2\nB, 1.2\n", Gpu("A, rev 2 + B", "1.2")),
        ("No devices were found\n", Gpu(None, None)),
        ("", Gpu(None, None)),
    ],
)
def test_cards_are_read_from_their_listing(listing: str, expected: Gpu) -> None:
    assert parse_gpus(listing) == expected


def test_a_machine_without_the_tool_has_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpu() == Gpu(None, None)


def test_the_tool_is_asked_for_names_and_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\necho "a card for $1, 1.2"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpu() == Gpu("a card for --query-gpu=name,driver_version", "1.2")
