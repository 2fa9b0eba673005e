"""Components that may break a rule: one table, each entry with its reason."""

from __future__ import annotations

from hookline.testing.conformance import Waiver

WAIVERS: tuple[Waiver, ...] = ()
