"""Routing's and supervision's deciders are called from settle and nowhere else (design 4).

A decision that does not come through settle may depend on when and in what batches it was
computed; so the source is searched, not the running program.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = frozenset(("decide", "wake_at", "evolve"))
SETTLE = "shared/settle.py"
COMMAND_SIDE = frozenset(("services.intake.decider",))
"""Intake decides on commands, one at a time; its functions are called where acts arrive."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("shared", "services", "infra"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


class Finder(ast.NodeVisitor):
    """Calls of a decider's methods, but those within a decider itself."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._within: list[frozenset[str]] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        own = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
        self._within.append(frozenset(own & CALLS))
        self.generic_visit(node)
        self._within.pop()

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        decides = name in CALLS and not _is_module(node.func)
        if decides and not any(methods == CALLS for methods in self._within):
            self.found.append((node.lineno, name))
        self.generic_visit(node)


def _is_module(func: ast.expr) -> bool:
    """`settle.wake_at(...)`: the one function of settle that has a decider's name."""
    value = func.value if isinstance(func, ast.Attribute) else None
    return isinstance(value, ast.Name) and value.id == "settle"


def calls(text: str) -> list[tuple[int, str]]:
    finder = Finder()
    finder.visit(ast.parse(text))
    return finder.found


def test_no_decider_is_called_but_by_settle() -> None:
    found: dict[str, list[tuple[int, str]]] = {}
    for path, tree in sources():
        finder = Finder()
        finder.visit(tree)
        if finder.found and path != SETTLE:
            found[path] = finder.found
    assert found == {}


def test_settle_does_call_them() -> None:
    called = {name for _, name in calls((ROOT / SETTLE).read_text(encoding="utf-8"))}
    assert called == CALLS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("decider.decide(state, now, policy)", [(1, "decide")]),
        ("STREAMS['case'].wake_at(state, policy)", [(1, "wake_at")]),
        ("row.decider.evolve(state, event)", [(1, "evolve")]),
        ("settle.wake_at(decider, stream, book)", []),
        ("settle_to(decider, stream, until, books)", []),
    ],
)
def test_the_search_finds_calls_in_every_form(text: str, found: list[tuple[int, str]]) -> None:
    assert calls(text) == found


def test_deciders_are_imported_whole() -> None:
    """From outside its service a decider's parts are not imported, only `STREAMS` and types."""
    functions = frozenset(("decide", "wake_at", "evolve", "owed", "agenda", "due_now"))
    for path, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            service = ".".join(node.module.split(".")[:2])
            if ".decider" not in node.module or path.startswith(service.replace(".", "/")):
                continue
            if node.module not in COMMAND_SIDE:
                taken = functions & {alias.name for alias in node.names}
                assert not taken, f"{path}:{node.lineno} takes {taken} from {node.module}"
