"""S3 as a store of files, against a real server."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.testing.file_store_contract import FileStoreContract, Place


class TestS3(FileStoreContract):
    """Against a real server, which knows no conditional writes."""

    @pytest.fixture
    def place(self, store: Any, bucket: str) -> Place:
        return Place(store, f"s3://{bucket}/contract/")

    def test_two_at_once_are_not_both_the_first(self, place: Place) -> None:
        pytest.skip("rclone ignores If-None-Match")
