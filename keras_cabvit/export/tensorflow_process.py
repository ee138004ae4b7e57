"""Exporting with TensorFlow, regardless of the model's backend.

A SavedModel exported on the JAX backend holds a compiled JAX program, which neither TF Serving nor
the TFLite converter accepts. A model on another backend is therefore saved, and a second Python
process loads and exports it on the TensorFlow backend. It imports the modules in which the model's
own layers are registered.
"""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import json
import os
import site
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec

import keras

from keras_cabvit.gpu import hide_gpus_from_tensorflow
from keras_cabvit.layers.not_compiled import not_compiled
from keras_cabvit.runtimes.reading import is_refused_lambda, unknown_class
from keras_cabvit.signals import orderly_shutdown

P = ParamSpec("P")

# Errors whose message tells the user what to do, the specific before the general.
_REFUSALS = {kind.__name__: kind for kind in (FileNotFoundError, OSError, ImportError, ValueError)}


def exports_with_tensorflow(export: Callable[P, Path]) -> Callable[P, Path]:
    """Decorates an exporter `export(model, path, **options)` to run on the TensorFlow backend.

    Args:
        export: a function at the top level of a module; its options are JSON values, arrays or
            paths, and it returns a path.
    """

    @functools.wraps(export)
    def wrapper(*arguments: P.args, **options: P.kwargs) -> Path:
        if importlib.util.find_spec("tensorflow") is None:
            raise ImportError(
                'Exporting needs TensorFlow: pip install "keras-cabvit[export]". It can be '
                "installed beside your training backend."
            )
        if keras.backend.backend() == "tensorflow":
            return export(*arguments, **options)
        given: dict[str, Any] = inspect.signature(export).bind(*arguments, **options).arguments
        model, path = given.pop("model"), given.pop("path")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            with not_compiled(model):
                model.save(file)
            request = {
                "module": export.__module__,
                "export": export.__name__,
                "model": str(file),
                "path": str(path),
                "options": given,
                "import_path": sys.path,
            }
            return Path(_answer_of_second_process(request, folder))

    return wrapper


def _answer_of_second_process(request: dict[str, Any], folder: str) -> str:
    """Runs the second process, whose temporary files lie in a folder, and returns the path."""
    status, output, printed = _second_process(json.dumps(request, default=_as_json), folder)
    answers = [line for line in output.splitlines() if line.startswith("{")]
    if not answers:
        raise RuntimeError(
            f"The process that exports with TensorFlow ended with status {status} and without a "
            f"result. It printed:\n{printed}"
        )
    answer = json.loads(answers[-1])
    if "refused" in answer:
        raise _REFUSALS[answer["error"]](answer["refused"])
    return answer["path"]


def _own_path() -> list[str]:
    """Returns the folder of this package, unless every Python of this environment has it."""
    folder = str(Path(__file__).parents[2])
    return [] if folder in (*site.getsitepackages(), site.getusersitepackages()) else [folder]


def _second_process(request: str, folder: str) -> tuple[int, str, str]:
    """Returns the status of the process, and what it prints to standard output and error."""
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONIOENCODING": "utf-8",
            "TMPDIR": folder,
            # This package may have been found on a path that the process does not have yet.
            "PYTHONPATH": os.pathsep.join(
                filter(None, [os.environ.get("PYTHONPATH"), *_own_path()])
            ),
        },
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C in a terminal reaches it once: from this process
    )
    try:
        output, printed = process.communicate(request)
    except BaseException:
        process.terminate()
        process.communicate()  # it removes what it has half written
        raise
    return process.returncode, output, printed


def _as_json(option: Any) -> Any:
    """Returns a path as a string, and an array or another sequence as a list."""
    if isinstance(option, os.PathLike):
        return os.fspath(option)
    return option.tolist() if hasattr(option, "tolist") else list(option)


def _loaded(file: str, import_path: list[str]) -> keras.Model:
    """Returns the model of a file, after importing the modules that its configuration names."""
    sys.path += [entry for entry in import_path if entry not in sys.path]
    with zipfile.ZipFile(file) as archive:
        named = set(_modules(json.loads(archive.read("config.json"))))
    for module in sorted(named):
        if module.partition(".")[0] not in ("keras", "keras_cabvit", "builtins", "__main__"):
            with contextlib.suppress(Exception):  # Keras then does not find the class
                importlib.import_module(module)
    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras raises errors of several classes
        unknown = unknown_class(error)
        if is_refused_lambda(error):
            raise ValueError(
                "The model has a Lambda layer, whose Python function cannot be handed to the "
                "process that exports with TensorFlow. Use operations of `keras.ops` on its input "
                "instead, or a registered layer of your own; or export in a process with "
                "KERAS_BACKEND=tensorflow."
            ) from error
        if unknown is None:
            raise
        raise ValueError(
            f"The model has '{unknown}', a class or function of your own that the process that "
            "exports with TensorFlow does not find. Decorate it with "
            "`@keras.saving.register_keras_serializable()` in a module that can be imported, not "
            "in a script or notebook; or, if it is a class, export in a process with "
            "KERAS_BACKEND=tensorflow that defines it."
        ) from error


def _modules(config: Any) -> Iterator[str]:
    """Yields the names of all modules in a configuration."""
    if isinstance(config, dict):
        if isinstance(config.get("module"), str):
            yield config["module"]
        config = list(config.values())
    if isinstance(config, list):
        for each in config:
            yield from _modules(each)


def main() -> None:
    """Reads one request from standard input, and prints one line of JSON in response."""
    hide_gpus_from_tensorflow()  # the calling process may hold their memory
    request = json.load(sys.stdin)
    export = getattr(importlib.import_module(request["module"]), request["export"])
    try:
        model = _loaded(request["model"], request["import_path"])
        answer = {"path": str(export(model, request["path"], **request["options"]))}
    except tuple(_REFUSALS.values()) as error:
        kind = next(name for name, kind in _REFUSALS.items() if isinstance(error, kind))
        answer = {"error": kind, "refused": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    with orderly_shutdown():
        main()
