"""One folder of this machine that workflows may write to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hookline.sdk import BadInput, ConnectionContext, Connector, Field

from .client import LocalFiles

__all__ = ["connect", "local_files"]

local_files = Connector("local_files", title="Local folder")


# A file reference may come out of somebody else's JSON, and must not be able to name what lies in the
# folder: only an address that a workflow gives to a files.* action is looked at.
@local_files.connection(schemes=("file",), references=False)
def connect(
    ctx: ConnectionContext,
    directory: Annotated[
        str,
        Field(
            "Folder that addresses like file:reports/may.pdf are below. It must exist.",
            env="HOOKLINE_FILES_DIR",
            examples=["/srv/hookline/files"],
        ),
    ],
) -> LocalFiles:
    """Let workflows write files below one folder."""
    folder = Path(directory)
    if not folder.is_absolute() or not folder.is_dir():
        raise BadInput(
            f"{directory!r} is not the absolute path of a folder",
            code="C020",
            hint="create the folder, and set HOOKLINE_FILES_DIR to its absolute path",
        )
    return LocalFiles(folder.resolve())
