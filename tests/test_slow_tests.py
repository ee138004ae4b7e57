"""The list of slow tests names tests."""

import ast

import pytest
from backend_process import REPOSITORY

LINES = (REPOSITORY / "tests" / "slow_tests.txt").read_text().splitlines()
FILES = sorted({line.partition("::")[0] for line in LINES})


@pytest.mark.parametrize("file", FILES)
def test_listed_tests_exist(file):
    tree = ast.parse((REPOSITORY / file).read_text())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {line.partition("::")[2] for line in LINES if line.startswith(f"{file}::")} <= functions


def test_list_is_sorted_and_has_no_line_twice():
    assert sorted(set(LINES)) == LINES
