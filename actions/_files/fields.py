"""Parameters that several actions have."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import Field, File

from .writing import CHOICES, Choice

__all__ = ["LARGEST", "Cap", "Connection", "Of", "OnExisting", "To"]

LARGEST = "50GB"
"""Most bytes that are passed on without being asked for more."""

To = Annotated[
    str,
    Field(
        "Address to write: s3://bucket/key, or file:folder/name below the folder the operator "
        "allows (HOOKLINE_FILES_DIR). One that ends with / is a folder: the file's name is appended.",
        min_length=3,
        max_length=2048,
        examples=["s3://processed/cat.webp", "file:reports/may.pdf"],
    ),
]
Of = Annotated[
    File | str,
    Field(
        "The file: a reference, such as {{ trigger.file }}, or an address: s3://bucket/key or "
        "file:folder/name.",
        examples=["s3://uploads/cat.png"],
    ),
]
OnExisting = Annotated[Choice, Field("What to do when there is a file already.", options=CHOICES)]
Connection = Annotated[
    str, Field("Connection that is used; the address says which when left out.", advanced=True)
]
Cap = Annotated[str | int, Field("Largest file accepted.", format="size", advanced=True, examples=["100MB"])]
