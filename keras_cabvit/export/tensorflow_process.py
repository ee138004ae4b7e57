"""Exports are made by TensorFlow, whatever backend trained the model.

A SavedModel that is exported from the JAX backend holds a compiled JAX program, which TF Serving
and the TFLite converter do not take. So a model on another backend is saved, and loaded and
exported by a second Python process on the TensorFlow backend.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras


def exports_with_tensorflow(export):
    """Makes an exporter `export(model, path, **options)` run on the TensorFlow backend.

    Args:
        export: a module's function of the module's own name; its options are JSON values or paths,
            and it returns a path.
    """

    @functools.wraps(export)
    def wrapper(model, path, **options):
        if importlib.util.find_spec("tensorflow") is None:
            raise ImportError(
                'Exporting needs TensorFlow: pip install "keras-cabvit[export]". It may stand '
                "beside the backend that you train with."
            )
        if keras.backend.backend() == "tensorflow":
            return export(model, path, **options)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            request = {
                "module": export.__module__,
                "export": export.__name__,
                "model": str(file),
                "path": str(path),
                "options": options,
            }
            return Path(_answer_of_second_process(request))

    return wrapper


def _answer_of_second_process(request):
    process = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(request, default=os.fspath),
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [line for line in process.stdout.splitlines() if line.startswith("{")]
    if not answers:
        raise RuntimeError(
            f"The process that exports with TensorFlow ended with status {process.returncode} and "
            f"no answer. It printed:\n{process.stderr}"
        )
    answer = json.loads(answers[-1])
    if "refused" in answer:
        raise ValueError(answer["refused"])
    return answer["path"]


def main():
    """Answers one request on standard input with one line of JSON on standard output."""
    request = json.load(sys.stdin)
    export = getattr(importlib.import_module(request["module"]), request["export"])
    try:
        model = keras.saving.load_model(request["model"], compile=False)
        answer = {"path": str(export(model, request["path"], **request["options"]))}
    except (ValueError, OSError) as error:
        answer = {"refused": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
