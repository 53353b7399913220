"""Memories that are moved because another part of the frame is looked at."""

from __future__ import annotations

import pytest
import torch

from sam2_core.inference.network.frame_step import shifted


@pytest.fixture
def memory() -> torch.Tensor:
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(4))


def test_a_memory_is_moved_by_whole_cells_and_what_comes_in_is_its_mean(memory) -> None:
    moved = shifted(memory, 2 / 6, -3 / 8)
    torch.testing.assert_close(moved[:, 2:, :5], memory[:, :4, 3:], atol=0, rtol=0)
    mean = memory.mean(dim=(1, 2))
    for edge in (moved[:, :2].flatten(1), moved[:, :, 5:].flatten(1)):
        torch.testing.assert_close(edge, mean[:, None].expand_as(edge))


def test_there_and_back_is_what_it_was_where_it_was_not_lost(memory) -> None:
    back = shifted(shifted(memory, 2 / 6, 1 / 8), -2 / 6, -1 / 8)
    torch.testing.assert_close(back[:, :4, :7], memory[:, :4, :7], atol=0, rtol=0)


def test_less_than_half_a_cell_moves_nothing(memory) -> None:
    assert shifted(memory, 0.07, -0.05) is memory


@pytest.mark.parametrize("far", [(1.0, 0.0), (0.0, -1.5), (3.0, 3.0)])
def test_what_is_moved_out_is_forgotten(memory, far) -> None:
    mean = memory.mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(shifted(memory, *far), mean.expand_as(memory))
