"""The programs start without what they do not need, and show only their own messages."""

import ctypes
import json
import os
import subprocess
import sys

import pytest
from backend_process import WITHOUT_BACKEND

from keras_cabvit import tensorflow_log
from keras_cabvit.tensorflow_log import quiet_tensorflow

ENVIRONMENT = {name: text for name, text in WITHOUT_BACKEND.items() if "TF_CPP" not in name}

CLIENT = """
import json, sys
import cabvit_program
found = {}
for kind in ("--rest", "--grpc"):
    address = "http://127.0.0.1:9" if kind == "--rest" else "127.0.0.1:9"
    sys.argv = ["cabvit", "client", "--status", kind, address, "--retries", "0"]
    assert cabvit_program.main() == 1
    found[kind] = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps(found))
"""

CONVERT_IMAGES = """
import json, sys
import cabvit_program
sys.argv = ["cabvit", "convert-images", *sys.argv[1:]]
assert cabvit_program.main() == 0
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
    )


def test_client_starts_without_keras_and_tensorflow():
    process = run("-c", CLIENT)
    found = json.loads(process.stdout)

    heavy = {"keras", "tensorflow", "tensorflow_serving", "jax", "torch", "numpy", "h5py"}
    assert not heavy & {*found["--rest"], *found["--grpc"]}
    assert "grpc" not in found["--rest"]
    assert process.stderr.count("\n") == 2
    assert process.stderr.count("cabvit client: No server answers at") == 2


def test_client_of_the_module_starts_without_keras():
    process = run("-X", "importtime", "-m", "keras_cabvit", "client", "a.jpg", "--rest", "http://a")
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}

    assert process.returncode == 1
    assert process.stderr.endswith("cabvit client: There is no image at a.jpg.\n")
    assert "keras_cabvit" in imported
    assert not {"keras", "tensorflow", "numpy"} & imported


def test_convert_images_starts_without_keras(tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.jpg").write_bytes(b"copied as it is")
    converted = tmp_path / "jpeg"
    process = run("-c", CONVERT_IMAGES, tmp_path / "photographs", converted)

    assert not {"keras", "tensorflow", "jax", "torch", "h5py"} & {*json.loads(process.stderr)}
    assert (converted / "a.jpg").read_bytes() == b"copied as it is"


PROGRAM = """
import json, sys
import cabvit_program, keras_cabvit
first = "keras" in sys.modules
names = [getattr(keras_cabvit, name) is not None for name in keras_cabvit.__all__]
print(json.dumps([first, "keras" in sys.modules, all(names), hasattr(keras_cabvit, "absent")]))
"""


@pytest.mark.slow
def test_program_imports_keras_when_it_is_needed():
    assert json.loads(run("-c", PROGRAM).stdout) == [False, True, True, False]


LIBRARY = """
import json, os, sys
before = sys.stderr
import keras_cabvit
import keras
unchanged = sys.stderr is before and "KERAS_CABVIT_CHOSE_LOG_LEVEL" not in os.environ
model = keras.saving.load_model(sys.argv[1])
print(json.dumps([unchanged, model.count_params()]))
"""


@pytest.mark.slow
def test_models_load_after_the_import_alone(tiny_hybrid, tmp_path):
    tiny_hybrid.save(tmp_path / "model.keras")
    process = run("-c", LIBRARY, tmp_path / "model.keras")
    assert json.loads(process.stdout) == [True, tiny_hybrid.count_params()], process.stderr


# A library that logs when it is loaded, as TensorFlow does, and aborts with an error.
ABORTING = """
import os
import sys
import cabvit_program
from keras_cabvit.tensorflow_log import quiet_tensorflow
with quiet_tensorflow():
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written\\n")
    os.write(2, b"I0000 00:00:1795814642.275456    9400 cudart_stub.cc:31] Could not find cuda\\n")
    os.write(2, b"2026-11-27 21:24:02.1: W tensorflow/core/util/util.cc:131] oneDNN supports\\n")
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n")
    print("INFO: of the program", file=sys.stderr)
    os.write(2, b"F0000 00:00:1795814642.275456    9400 check.cc:1] aborting\\n")
    sys.stderr.flush()
    os.abort()
"""


def test_last_words_of_an_aborting_library_arrive():
    process = run("-c", ABORTING)
    assert process.returncode < 0
    assert sorted(process.stderr.splitlines()) == [
        "F0000 00:00:1795814642.275456    9400 check.cc:1] aborting",
        "INFO: of the program",
    ]


def test_level_of_the_user_is_kept():
    quiet = "import cabvit_program, os\nfrom keras_cabvit.tensorflow_log import quiet_tensorflow\n"
    log = "with quiet_tensorflow():\n    os.write(2, b'I0000 00:00:1 1 a.cc:1] shown')\n"
    level = "    print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    process = run("-c", quiet + log + level, TF_CPP_MIN_LOG_LEVEL="0")
    assert (process.stdout, process.stderr) == ("0\n", "I0000 00:00:1 1 a.cc:1] shown")


@pytest.mark.parametrize(("has_driver", "level"), [(True, "2"), (False, "3")])
def test_errors_are_hidden_only_without_a_driver(monkeypatch, has_driver, level):
    def load(name):
        assert name == "libcuda.so.1"
        if not has_driver:
            raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    monkeypatch.delenv(tensorflow_log._CHOSEN, raising=False)
    monkeypatch.setattr(ctypes, "CDLL", load)
    with quiet_tensorflow():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
    # A program that this one starts is quiet too.
    monkeypatch.setattr(ctypes, "CDLL", lambda _: None)
    with quiet_tensorflow():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    monkeypatch.delenv(tensorflow_log._CHOSEN)
