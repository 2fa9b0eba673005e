"""The steps of a definition as a tree that can be walked even when the definition is faulty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hookline.core.grammar import STEP_KINDS, Shape, child_blocks, step_kind
from hookline.core.lint.report import Path

__all__ = ["BlockNode", "StepNode", "Tree", "build_tree"]


@dataclass(slots=True)
class BlockNode:
    """A list of steps.

    Attributes:
        key: The key that holds it, for example ``then``.
        branch: The name of the case or branch, else None.
        path: Where the list stands.
        steps: The well-formed steps.
    """

    key: str
    branch: str | None
    path: Path
    steps: list[StepNode]


@dataclass(slots=True)
class StepNode:
    """A step that has exactly one kind.

    Attributes:
        path: Where it stands.
        value: The step as written.
        kind: Its kind.
        id: Its id, None when it has none or something that is no text.
        blocks: The blocks of steps inside it.
    """

    path: Path
    value: dict[str, Any]
    kind: str
    id: str | None
    blocks: list[BlockNode] = field(default_factory=list)

    @property
    def shape(self) -> Shape:
        """The keys of this kind of step."""
        return STEP_KINDS[self.kind]


@dataclass(slots=True)
class Tree:
    """All steps and triggers of a definition.

    Attributes:
        value: The definition.
        blocks: The lists of steps of the workflow by key: ``steps``, ``on_error``, ``finally``.
        steps: Every step, each before those inside it, in the order of the grammar.
        ids: The first step with each id.
        triggers: Every well-formed trigger and where it stands.
    """

    value: dict[str, Any]
    blocks: dict[str, BlockNode] = field(default_factory=dict)
    steps: list[StepNode] = field(default_factory=list)
    ids: dict[str, StepNode] = field(default_factory=dict)
    triggers: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)

    def of_kind(self, kind: str) -> Iterator[StepNode]:
        """The steps of one kind."""
        return (step for step in self.steps if step.kind == kind)


def build_tree(value: dict[str, Any]) -> Tree:
    """The tree of a definition at most as deep as a document may be; malformed parts are left out."""
    tree = Tree(value)
    for key in ("steps", "on_error", "finally"):
        steps = value.get(key)
        if isinstance(steps, list):
            tree.blocks[key] = _block(tree, key, None, (key,), steps)
    trigger = value.get("trigger")
    if isinstance(trigger, dict):
        tree.triggers.append((("trigger",), trigger))
    triggers = value.get("triggers")
    if isinstance(triggers, list):
        tree.triggers.extend(
            (("triggers", index), trigger)
            for index, trigger in enumerate(triggers)
            if isinstance(trigger, dict)
        )
    return tree


def _block(tree: Tree, key: str, branch: str | None, path: Path, steps: Any) -> BlockNode:
    nodes: list[StepNode] = []
    for index, step in enumerate(steps):
        kind = step_kind(step) if isinstance(step, dict) else None
        if kind is None:
            continue
        identifier = step.get("id")
        node = StepNode((*path, index), step, kind, identifier if isinstance(identifier, str) else None)
        nodes.append(node)
        tree.steps.append(node)
        if node.id is not None:
            tree.ids.setdefault(node.id, node)
        for block in child_blocks(step):
            place = (*node.path, *block.path)
            node.blocks.append(_block(tree, block.key, block.branch, place, block.steps))
    return BlockNode(key, branch, path, nodes)
