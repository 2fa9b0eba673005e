"""Checking workflow definitions: every mistake that can be found before a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.core.catalogue import Catalogue
from hookline.core.diagnostics import Diagnostic
from hookline.core.document import Document, DocumentLimits
from hookline.core.lint.approvals import check_approvals
from hookline.core.lint.author_schemas import SchemaProblem, schema_problems
from hookline.core.lint.components import check_calls, check_components, check_webhooks
from hookline.core.lint.policies import check_policies, check_secrets, check_self_triggering
from hookline.core.lint.references import check_references
from hookline.core.lint.report import MAX_DIAGNOSTICS, Report
from hookline.core.lint.structure import check_structure
from hookline.core.lint.tree import build_tree
from hookline.core.lint.waiting import check_waiting_events

__all__ = ["MAX_DIAGNOSTICS", "SchemaProblem", "check", "check_value", "schema_problems"]


def check(
    document: Document, catalogue: Catalogue, *, others: Mapping[str, object] | None = None
) -> list[Diagnostic]:
    """Check a workflow.

    Args:
        document: The workflow.
        catalogue: What is installed and configured.
        others: The values of the project's other workflows by name, for `call` and webhook paths.

    Returns:
        The findings in document order, at most `MAX_DIAGNOSTICS` and a closing note. The workflow
        can be deployed when none of them is an error.
    """
    return _check(document.value, catalogue, others or {}, document)


def check_value(
    value: Any, catalogue: Catalogue, *, others: Mapping[str, object] | None = None
) -> list[Diagnostic]:
    """Check a workflow that has no text: as `check`, with lines and columns of 0."""
    return _check(value, catalogue, others or {}, None)


def _check(
    value: Any, catalogue: Catalogue, others: Mapping[str, object], document: Document | None
) -> list[Diagnostic]:
    report = Report(value, document)
    limit = DocumentLimits().max_depth
    if _is_deeper(value, limit):
        report.add("D103", f"nested more than {limit} levels deep", (), hint="move parts to other workflows")
        return report.diagnostics()
    check_structure(value, report)
    if isinstance(value, dict):
        shallow = {name: other for name, other in others.items() if not _is_deeper(other, limit)}
        tree = build_tree(value)
        check_references(tree, catalogue, report)
        check_components(tree, catalogue, report)
        check_calls(tree, catalogue, shallow, report)
        check_webhooks(tree, catalogue, shallow, report)
        check_policies(tree, report)
        check_waiting_events(tree, catalogue, report)
        check_approvals(tree, catalogue, report)
        check_self_triggering(tree, catalogue, report)
        check_secrets(value, report)
    return report.diagnostics()


def _is_deeper(value: Any, limit: int) -> bool:
    """Whether a value is nested deeper than the checks, which call themselves, may follow."""
    level = [value]
    for _ in range(limit + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        level = below
    return True
