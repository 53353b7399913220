"""The sample movie, made once for all examples and pages."""

from __future__ import annotations

import functools

import pytest

from napari_sam2 import samples

sample_movie = functools.lru_cache(samples.sample_movie)


@pytest.fixture(autouse=True)
def made_once(monkeypatch) -> None:
    monkeypatch.setattr(samples, "sample_movie", sample_movie)
