"""The local folder, and the stand-in for tests, as stores of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookline.engine.loader import import_room
from hookline.testing import FakeObjectStore
from hookline.testing.file_store_contract import FileStoreContract, Place

LocalFiles = import_room("connectors.local_files.client").LocalFiles


class TestLocalFolder(FileStoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(LocalFiles(tmp_path), "file:contract/")


class TestFake(FileStoreContract):
    """The store in memory that tests of actions use."""

    @pytest.fixture
    def place(self) -> Place:
        return Place(FakeObjectStore(), "s3://bucket/contract/")

    def test_an_address_of_another_store_is_refused(self, place: Place) -> None:
        pytest.skip("any address will do in memory")
