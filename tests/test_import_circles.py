"""No file or subpackage imports another that imports it in turn, even inside a function."""

import ast
import graphlib

import pytest
from backend_process import REPOSITORY

FILES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("keras_cabvit", "training", "benchmarks")
    for path in (REPOSITORY / package).rglob("*.py")
}


def imports(name):
    """Returns the files of the repository that a file imports, but for those of types alone."""
    tree = ast.parse(FILES[name].read_text())
    for_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A module of a package, or a name in a module.
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(module if module in FILES else node.module for module in modules)
    return found & FILES.keys()


def subpackage(name):
    """Returns the folder below a package's top, or the file that is there."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("part", [str, subpackage])
def test_no_circle_of_imports(part):
    graph = {}
    for name in FILES:
        others = {part(other) for other in imports(name)}
        graph.setdefault(part(name), set()).update(others - {part(name)})
    graphlib.TopologicalSorter(graph).prepare()  # raises a CycleError that lists the circle
