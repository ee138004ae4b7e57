import re
import shlex
import tomllib
from pathlib import Path

import pytest

import keras_cabvit
from keras_cabvit.cli import _parser

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    *(str(path.relative_to(REPOSITORY)) for path in sorted((REPOSITORY / "docs").glob("*.md"))),
    *(str(path.relative_to(REPOSITORY)) for path in sorted(REPOSITORY.glob("deploy/*/README.md"))),
]
# Pages without commands of `cabvit`.
WITHOUT_COMMANDS = (
    "deploy/kserve/README.md",
    "docs/ablation.md",
    "docs/beam.md",
    "docs/dense.md",
    "docs/finetuning.md",
    "docs/images.md",
    "docs/keras-hub.md",
    "docs/openvino-bug.md",
    "docs/runtimes.md",
    "docs/speed.md",
    "docs/speed-log.md",
    "docs/training.md",
    "docs/tpu.md",
)
README = (REPOSITORY / "README.md").read_text()


@pytest.mark.slow
def test_code_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)

    assert (tmp_path / "saved_models" / "small" / "1" / "saved_model.pb").is_file()
    assert (tmp_path / "small.tflite").is_file()
    assert (tmp_path / "small.onnx").is_file()
    assert tuple(names["digests"].shape) == (2, 96, 320)
    assert len(names["tokens"]) == len(names["maps"]) == 7


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document):
    path = REPOSITORY / document
    targets = re.findall(r'\]\((?!http)([^)#]+)\)|src="(?!http)([^"]+)"', path.read_text())

    assert targets
    for target in targets:
        assert (path.parent / "".join(target)).exists()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_the_documents_are_commands(document):
    text = (REPOSITORY / document).read_text().replace("\\\n", " ")
    commands = re.findall(r"^cabvit (.+)$", text, re.MULTILINE)

    assert commands or document in WITHOUT_COMMANDS
    for command in commands:
        assert _parser().parse_args(shlex.split(command, comments=True)).run


def test_version_is_the_same_everywhere():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    assert project["version"] == keras_cabvit.__version__
