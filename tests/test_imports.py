"""Rules for imports between the subpackages of the library, and of other packages."""

import ast
import sys
from pathlib import Path

import pytest

import keras_cabvit

LIBRARY = Path(keras_cabvit.__file__).parent
# What each subpackage may import besides the standard library, Keras and numpy.
ALLOWED = {
    "ops": {"ops", "jax", "tensorflow", "torch"},
    "layers": {"layers", "ops"},
    "inference": {"inference", "layers", "ops"},
    "finetuning": {"finetuning", "layers"},
    "weights": {
        *("weights", "layers", "atomic_files", "paths", "url_credentials"),
        *("h5py", "filelock"),
    },
    "models": {"models", "inference", "layers", "ops", "paths", "weights"},
    "explain": {
        *("explain", "data", "figures", "inference", "layers", "ops", "runtimes"),
        *("jax", "matplotlib", "tensorflow", "torch"),
    },
    "hub": {"hub", "models", "weights", "keras_hub"},
    "beam": {"beam", "data", "paths", "runtimes", "apache_beam"},
    "pytorch": {"pytorch", "data", "models", "layers", "paths", "weights", "torch", "safetensors"},
}
FILES = [path for part in ALLOWED for path in sorted((LIBRARY / part).rglob("*.py"))]


def imported(path):
    """Returns every package, of this library or another, that a file imports at any level."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            module = node.module
            if module == "keras_cabvit":
                modules += [f"{module}.{alias.name}" for alias in node.names]
            else:
                modules.append(module)
    return {module.removeprefix("keras_cabvit.").split(".")[0] for module in modules}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_subpackage_imports_only_what_it_may(path):
    subpackage = path.relative_to(LIBRARY).parts[0]
    others = imported(path) - {*sys.stdlib_module_names, "keras", "numpy"}
    assert others <= ALLOWED[subpackage]


def test_only_backend_operations_import_a_backend():
    for path in FILES:
        if path.parent.name == "pytorch":
            continue
        allowed = {
            "on_jax.py": {"jax"},
            "on_tensorflow.py": {"tensorflow"},
            "on_torch.py": {"torch"},
            "backends.py": {"jax", "tensorflow", "torch"},  # gradients
        }.get(path.name, set())
        assert imported(path) & {"jax", "tensorflow", "torch"} <= allowed


def test_only_commands_of_the_training_program_parse_arguments():
    training = LIBRARY.parent / "training"
    others = [path for path in training.rglob("*.py") if path.parent.name != "commands"]
    assert len(others) > 100
    assert [path for path in others if "tyro" in imported(path)] == []
