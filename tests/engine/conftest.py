from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_lab import Lab, LabMaker, labs_in


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[LabMaker]:
    with labs_in(tmp_path) as maker:
        yield maker


@pytest.fixture
def lab(labs: LabMaker) -> Lab:
    """A started engine without triggers."""
    return labs()
