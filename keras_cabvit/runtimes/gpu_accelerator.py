"""Running a .tflite file on LiteRT's GPU accelerator (WebGPU), in a process of its own."""

import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from keras_cabvit.paths import local_path
from keras_cabvit.runtimes.gpu_operations import counted, divided, operations_of

NAME = "LiteRT's GPU accelerator (WebGPU)"
# Chromium's driver that computes on the CPU, as Debian installs it.
_SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
_DRIVERS = ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")
_NO_DRIVER = (
    f"{NAME} finds no GPU. It needs ai-edge-litert 2.1 or later and a Vulkan driver: that of the "
    "GPU, or SwiftShader, which computes in software on the CPU. On Debian: apt-get install "
    f"chromium-common. Elsewhere set VK_ICD_FILENAMES to SwiftShader's {_SWIFTSHADER.name}."
)
_ADAPTER = re.compile(r"Selected adapter: (?P<name>.*?)(?:, arch=.*)?, adapterType=(?P<type>.*)")
_LEFT = re.compile(
    r"Following operations are not supported by GPU delegate:\n(?P<reasons>.*?)\n"
    r"(?P<taken>No|\d+) operations will run on the GPU, and (?:all|the remaining) (?P<left>\d+) ",
    re.DOTALL,
)
_ERROR = re.compile(r"^[EF]\d{4} .*?\] (.*)", re.MULTILINE)


class AcceleratorError(ValueError):
    """LiteRT's GPU accelerator cannot run a file, or there is none."""


@dataclass(frozen=True)
class Acceleration:
    """A file's run on LiteRT's GPU accelerator (WebGPU), next to one on the CPU.

    Attributes:
        adapter: string, the GPU, or the software that replaces it, as its driver names it.
        is_software: whether that computes on the CPU: times then say nothing about a GPU.
        taken: dict from a kind of operation to the number that the accelerator runs.
        left: the same for those that it leaves to the CPU.
        reasons: tuple of strings, kinds of operation and why the accelerator leaves some of them.
        errors: tuple of strings, errors that it reported without raising any.
        agreement: share of the images that both assign to the same class.
        signal_to_noise: float, in decibels, of its scores against those of the CPU.
    """

    adapter: str
    is_software: bool
    taken: dict[str, int]
    left: dict[str, int]
    reasons: tuple[str, ...]
    errors: tuple[str, ...]
    agreement: float
    signal_to_noise: float


class GpuAccelerator:
    """A .tflite file on LiteRT's GPU accelerator; operations that it does not take run on the CPU.

    The accelerator is the one in the wheel of ai-edge-litert, which uses WebGPU. It may crash: it
    runs in a process of its own, which ends with the `with` block. If the system has no Vulkan
    driver that the accelerator accepts, SwiftShader of Debian's chromium-common is taken.

    Args:
        path: path of the file.

    Attributes:
        adapter: string, the GPU, or the software that replaces it, as the driver names it.
        is_software: whether it computes on the CPU.
        reasons: tuple of strings, an operation and why the accelerator leaves it.
        taken: integer, number of operations that the accelerator runs; None for all.

    Raises:
        AcceleratorError: there is no driver, or the accelerator refuses the file or crashes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = local_path(path)
        self._folder = tempfile.TemporaryDirectory()
        try:
            self._start(_environment(self._folder.name))
            if self._adapter() is None and not _driver_is_chosen() and _SWIFTSHADER.is_file():
                self._stop()
                self._start(_environment(self._folder.name, _SWIFTSHADER))
            adapter = self._adapter()
            if adapter is None:
                raise AcceleratorError(f"{_NO_DRIVER}{self._said()}")
            if "error" in self._compiled:
                alone = operations_of(self.path, {"*"}, self._environment)
                _, refused = divided([each for each in alone if each["refused"]], 0)
                raise AcceleratorError(
                    f"{NAME} refuses {self.path}.{self._said()} Tried one by one, it refuses "
                    f"{counted(refused) or 'none of the operations'}."
                )
        except BaseException:
            self._close()
            raise
        self.adapter, self.is_software = adapter["name"], "Software" in adapter["type"]
        left = _LEFT.search(self._log())
        self.reasons = tuple(left["reasons"].splitlines()) if left else ()
        self.taken = None if left is None else int(left["taken"].replace("No", "0"))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns the raw scores (count, classes) of images in the file's own type.

        Raises:
            AcceleratorError: the accelerator crashes, or the scores are not finite.
        """
        np.save(Path(self._folder.name) / "images.npy", images)
        self._ask("run")
        scores: np.ndarray = np.load(Path(self._folder.name) / "scores.npy")
        if not np.isfinite(scores).all():
            raise AcceleratorError(f"{NAME} returns NaN or infinite scores for {self.path}.")
        return scores

    def operations(self) -> tuple[dict[str, int], dict[str, int]]:
        """Counts the operations of each kind that the accelerator takes, and those that it leaves.

        LiteRT names the kinds that it leaves, and not all operations of a kind need be among them:
        those are tried one by one.
        """
        kinds = {reason.partition(":")[0] for reason in self.reasons}
        return divided(operations_of(self.path, kinds, self._environment), self.taken)

    def errors(self) -> tuple[str, ...]:
        """Returns what the accelerator has reported as errors until now, without raising any."""
        return tuple(dict.fromkeys(_ERROR.findall(self._log())))

    def __enter__(self) -> "GpuAccelerator":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _start(self, environment: dict[str, str]) -> None:
        folder, self._environment = Path(self._folder.name), environment
        program = Path(__file__).with_name("gpu_accelerator_process.py")
        with open(folder / "log.txt", "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(program), str(self.path), str(folder)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        self._compiled = self._answer()

    def _ask(self, request: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `_answer` says why
            print(request, file=self._process.stdin, flush=True)
        self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        ending = f"with {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        last = self._log().strip().splitlines()[-1:]
        said = self._said() or "".join(f" Its last line: {line}" for line in last)
        raise AcceleratorError(f"{NAME} ends {ending} on {self.path}.{said}")

    def _log(self) -> str:
        return (Path(self._folder.name) / "log.txt").read_text("utf-8", "replace")

    def _adapter(self) -> re.Match[str] | None:
        return _ADAPTER.search(self._log())

    def _said(self) -> str:
        """Returns a sentence with the accelerator's first error, or nothing."""
        errors = self.errors()
        return f" It says: {errors[0]}" if errors else ""

    def _stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _close(self) -> None:
        if hasattr(self, "_process"):
            self._stop()
        self._folder.cleanup()


def _driver_is_chosen() -> bool:
    return any(os.environ.get(name) for name in _DRIVERS)


def _environment(folder: str, driver: Path | None = None) -> dict[str, str]:
    """Returns the variables of a process that uses a Vulkan driver; None for the system's.

    Where the system has no libvulkan.so.1, it is taken from beside the driver, as Chromium has it.
    """
    environment = {"XDG_RUNTIME_DIR": folder} | dict(os.environ)
    if driver is not None:
        environment["VK_ICD_FILENAMES"] = str(driver)
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        chosen = (name for key in _DRIVERS for name in environment.get(key, "").split(os.pathsep))
        beside = (Path(name).parent / "libvulkan.so.1" for name in chosen if name)
        library, link = next(filter(Path.is_file, beside), None), Path(folder) / "libvulkan.so.1"
        if library is not None:
            if not link.exists():
                link.symlink_to(library)
            paths = (folder, environment.get("LD_LIBRARY_PATH"))
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, paths))
    return environment
