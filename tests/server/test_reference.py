"""The reference page and the codes say what the server does."""

from __future__ import annotations

import re
from pathlib import Path

from hookline.core.codes import join_codes
from hookline.engine.codes import ENGINE_CODES
from hookline.server.app import ROUTES
from hookline.server.codes import SERVER_CODES
from hookline.server.reference import reference_text

ROOT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/http-api.md").read_text()
    assert page == reference_text(ROUTES), "python -m hookline.server.reference > docs/reference/http-api.md"


def test_every_code_of_the_server_is_explained() -> None:
    known = join_codes(ENGINE_CODES, SERVER_CODES)
    used: set[str] = set()
    for path in (ROOT / "src/hookline/server").glob("*.py"):
        if path.name != "codes.py":
            used |= set(re.findall(r'"(S\d{3})"', path.read_text()))
    assert used
    assert used <= known.keys()
    own = {code.code for code in SERVER_CODES}
    # Statuses that frameworks answer with have no place in our code.
    assert own - used <= {"S405", "S413", "S404"}
