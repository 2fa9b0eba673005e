"""Directories of this machine that workflows may watch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from hookline.sdk import BadInput, ConnectionContext, Connector, Field

__all__ = ["WatchRoots", "connect", "folder"]

folder = Connector("folder", title="Folder")


@dataclass(frozen=True, slots=True)
class WatchRoots:
    """What may be watched: the operator's decision, not the workflow's author's.

    Attributes:
        project: The project's own folder.
        roots: Other folders.
    """

    project: Path
    roots: tuple[Path, ...] = ()

    def resolve(self, path: str) -> Path:
        """The directory that `path` means, free of symbolic links.

        Args:
            path: Absolute, or relative to the project.

        Raises:
            BadInput: It lies outside, or is no directory, or one with a name like ``.hookline``.
        """
        try:
            found = (self.project / path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise BadInput(
                f"{path[:200]!r} cannot be watched: there is no such directory",
                hint=f"make it: {self.project / path}",
            ) from error
        for root in (self.project, *self.roots):
            if found.is_relative_to(root):
                hidden = any(part.startswith(".") for part in found.relative_to(root).parts)
                if found.is_dir() and not hidden:
                    return found
                raise BadInput(f"{path[:200]!r} cannot be watched: it is hidden or no directory")
        raise BadInput(
            f"{path[:200]!r} cannot be watched: it is outside the project",
            hint="the operator can list its folder in HOOKLINE_WATCH_DIRS",
        )


@folder.connection
def connect(
    ctx: ConnectionContext,
    roots: Annotated[
        str,
        Field(
            "Folders outside the project that may be watched, separated by colons.",
            env="HOOKLINE_WATCH_DIRS",
            examples=["/srv/incoming:/home/scanner/out"],
        ),
    ] = "",
) -> WatchRoots:
    """Watch folders of this machine."""
    given = [each for each in roots.split(os.pathsep) if each.strip()]
    for each in given:
        if not Path(each).is_absolute():
            raise BadInput(f"{each[:200]!r} is not an absolute path", hint="write /srv/incoming")
    project = Path(ctx.setting("HOOKLINE_PROJECT_DIR") or ".").resolve()
    return WatchRoots(project, tuple(Path(each).resolve() for each in given))
