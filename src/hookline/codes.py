"""Every stable code there is: what ``hookline explain`` and the error reference show."""

from __future__ import annotations

from collections.abc import Mapping

from hookline.core.code import Code
from hookline.core.codes import CODES as CORE_CODES
from hookline.core.codes import join_codes
from hookline.engine.codes import ENGINE_CODES
from hookline.engine.http.codes import HTTP_CODES
from hookline.server.codes import SERVER_CODES

__all__ = ["CODES"]

CODES: Mapping[str, Code] = join_codes(CORE_CODES.values(), ENGINE_CODES, HTTP_CODES, SERVER_CODES)
"""All codes, in alphabetical order."""
