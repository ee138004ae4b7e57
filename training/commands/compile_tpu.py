"""`python -m training compile-tpu`: the cost of a training step on a TPU slice."""

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from training.commands.parsing import parsed
from training.recipes import RECIPES
from training.recipes.imagenet import imagenet_recipe
from training.recipes.model import check_variant
from training.recipes.recipe import Recipe
from training.tpu.elapsed import elapsed_told
from training.tpu.process import can_compile, run_again
from training.tpu.slices import Chip, Slice, find_slice

if TYPE_CHECKING:
    from training.tpu.compiled_step import CompiledStep


@dataclasses.dataclass(frozen=True)
class CompileTpu:
    """Compiles the step that `train` runs for a TPU slice, with no TPU present.

    This takes minutes; the elapsed time is printed on standard error meanwhile.
    Prints the memory, operations and memory traffic per device, and their time at the chip's
    published rates. A batch that does not fit ends with status 1 and the largest one that does.

    Attributes:
        variant: the model, trained by its ImageNet recipe; or CabViTH or CabViTP with other sizes.
        topology: the slice, such as v5e:4x4.
        batch: images per step, on all devices together; the recipe's by default.
        image_size: height and width in pixels; the recipe's by default.
        classes: the number of classes.
        precision: precision of the computations; the recipe's by default.
        embed_dims: channels, of CabViTH or CabViTP.
        depths: blocks, of CabViTH or CabViTP.
        num_heads: attention heads, of CabViTH or CabViTP.
        patch_size: side of a patch in pixels, of CabViTP.
        json: print JSON instead of sentences.
    """

    variant: str
    topology: str
    batch: int | None = None
    image_size: tuple[int, int] | None = None
    classes: int = 1000
    precision: Literal["float32", "mixed_bfloat16"] | None = None
    embed_dims: tuple[int, ...] | None = None
    depths: tuple[int, ...] | None = None
    num_heads: tuple[int, ...] | None = None
    patch_size: int | None = None
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


_MODEL_OPTIONS = ("image_size", "embed_dims", "depths", "num_heads", "patch_size")


def run(arguments: list[str]) -> None:
    """Compiles the step and prints its cost.

    Keras chooses its backend at the first import, so this happens in a separate process.

    Args:
        arguments: list of strings, those after `compile-tpu`.

    Raises:
        DoesNotFit: the step needs more memory than a device has.
        ValueError: there is no such slice or model, or its devices cannot share the batch evenly.
        ImportError: the compiler is not installed.
    """
    options = parsed(CompileTpu, "compile-tpu", arguments)
    recipe = _recipe(options)
    tpu_slice = find_slice(options.topology)
    tpu_slice.check_batch(recipe.batch_size)
    check_variant(options.variant)
    if not can_compile():
        status = run_again(["compile-tpu", *arguments])
        if status:
            sys.exit(status)
        return
    _compile(recipe, options, tpu_slice)


def _recipe(options: CompileTpu) -> Recipe:
    """Returns the variant's ImageNet recipe, changed by the options."""
    recipe = RECIPES.get(f"imagenet_{options.variant.lower()}") or imagenet_recipe(
        options.variant, drop_path_rate=None
    )
    chosen = {
        name: getattr(options, name)
        for name in _MODEL_OPTIONS
        if getattr(options, name) is not None
    }
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, **chosen),
        batch_size=recipe.batch_size if options.batch is None else options.batch,
        precision=options.precision or recipe.precision,
    )


def _compile(recipe: Recipe, options: CompileTpu, tpu_slice: Slice) -> None:
    # Here, because they import Keras and its backend.
    from training.tpu.compiled_step import DoesNotFit, compile_step
    from training.tpu.largest_batch import find_largest_batch

    def compile_batch(batch: int) -> "CompiledStep":
        _say(f"Compiling for {batch:,} images on {tpu_slice.devices} devices. This takes minutes.")
        smaller = dataclasses.replace(recipe, batch_size=batch)
        with elapsed_told("Still compiling"):
            return compile_step(smaller, options.classes, tpu_slice)

    try:
        step = compile_batch(recipe.batch_size)
    except DoesNotFit as refusal:
        _say(f"{refusal} Looking for the largest batch that fits.")
        largest = find_largest_batch(compile_batch, recipe.batch_size, tpu_slice.devices, refusal)
        needed, usable = refusal.needed_memory, refusal.usable_memory
        if options.json:
            memory = {"needed_memory": needed, "usable_memory": usable}
            _print_json({"fits": False} | memory | dataclasses.asdict(largest))
        raise DoesNotFit(f"{refusal} {largest}", needed, usable) from None
    if options.json:
        _print_json({"fits": True} | dataclasses.asdict(step))
    else:
        print(_sentences(step, tpu_slice.chip))


def _sentences(step: "CompiledStep", chip: Chip) -> str:
    height, width = step.image_size
    versions = ", ".join(f"{name} {version}" for name, version in step.versions.items())
    return "\n".join(
        [
            f"{step.variant}, {height}x{width}, {step.precision}: {step.batch:,} images per step "
            f"on the {step.devices} devices of {step.topology}",
            "",
            "Per device and step:",
            f"  peak memory     {step.peak_memory / 2**30:,.2f} GiB "
            f"of {step.usable_memory / 2**30:,.2f} GiB",
            f"  arithmetic      {step.flops / 1e9:,.1f} GFLOP: "
            f"{step.arithmetic_seconds * 1e3:,.2f} ms at {chip.peak_flops / 1e12:,.1f} TFLOP/s",
            f"  memory traffic  {step.memory_traffic / 1e9:,.2f} GB: "
            f"{step.memory_seconds * 1e3:,.2f} ms at {chip.memory_bandwidth / 1e9:,.0f} GB/s",
            f"  of it in HBM    {step.main_memory_traffic / 1e9:,.2f} GB: "
            f"{step.main_memory_traffic / chip.memory_bandwidth * 1e3:,.2f} ms",
            "",
            f"By these figures the step is bound by {step.bound_by} and takes "
            f"{step.step_seconds * 1e3:,.2f} ms: {step.images_per_second:,.0f} images/s on the "
            "slice.",
            f"The figures are the compiler's ({versions}) and the chip's published rates. The "
            "compiler's traffic includes transfers within the chip, but no communication between "
            "devices.",
        ]
    )


def _print_json(record: dict) -> None:
    print(json.dumps(record, indent=2))


def _say(sentence: str) -> None:
    # Standard output has only the result.
    print(sentence, file=sys.stderr, flush=True)
