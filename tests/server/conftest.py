from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from server_lab import DEV_PORT, Lab, load_all, make_lab

from hookline.engine.registry import Registry
from hookline.server.access import Access

LabMaker = Callable[..., Lab]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return load_all(tmp_path_factory.mktemp("empty"))


@contextmanager
def labs_in(folder: Path, registry: Registry) -> Iterator[LabMaker]:
    made: list[Lab] = []

    def make(**arguments: Any) -> Lab:
        project = folder / str(len(made))
        project.mkdir()
        made.append(make_lab(project, registry, **arguments))
        return made[-1]

    yield make
    for lab in made:
        lab.store.resume()
        lab.engine.stop(grace=0)


@pytest.fixture
def labs(tmp_path: Path, registry: Registry) -> Iterator[LabMaker]:
    """``labs(access=…, max_backlog="1")``: engines that are stopped after the test."""
    with labs_in(tmp_path, registry) as make:
        yield make


@pytest.fixture
def lab(labs: LabMaker) -> Lab:
    """``hookline serve``, with the right token."""
    return labs()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Lab]:
    """``hookline serve`` for tests that only look, or whose traces do not matter."""
    with labs_in(tmp_path_factory.mktemp("shared"), registry) as make:
        yield make()


@pytest.fixture(scope="module")
def shared_dev(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Lab]:
    """``hookline dev``, likewise."""
    with labs_in(tmp_path_factory.mktemp("shared"), registry) as make:
        yield make(access=Access.dev(DEV_PORT))
