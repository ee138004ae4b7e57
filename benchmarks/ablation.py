"""The effect of digest tokens and enhancement on the plain model: the paper's claim, scaled down.

usage: python -m benchmarks.ablation --out DIR [--seeds 0 1 2]
       python -m benchmarks.ablation --images tiny-imagenet-200 --out DIR [--seeds 0 1 2]

Trains CabViT-P of width 96 whole, and without one or both of the parts that distinguish it from
DeiT. All have the same recipe, data and seeds.

- By default on a fixed draw of 10,000 images of Fashion-MNIST, at 32x32 in patches of 4, so that
  the grid is 8x8.
- With `--images`, the unpacked folder of Tiny ImageNet, on a fixed draw of 100 images of each of
  its 200 classes, at 64x64 in patches of 4: a grid of 16x16. On CPUs TensorFlow
  or PyTorch trains this one fastest, depending on the processor, and JAX by far the slowest.
  DIR/images.csv lists the draw.

Each run is one of `python -m training train`: when restarted, the command resumes where it stopped.
At the end it prints the mean and the spread of the top-1 on the 10,000 test images (Tiny ImageNet's
validation images, on which no choice depends), and writes DIR/ablation.json and DIR/ablation.png.
"""

import argparse
import csv
import dataclasses
import io
import json
import random
import shlex
import statistics
import sys

from keras_cabvit.atomic_files import write_text_atomically
from keras_cabvit.commands.arguments import path_argument
from keras_cabvit.figures.style import epoch_axis, figure_style, new_figure
from keras_cabvit.runtimes.run_record import read_run
from keras_cabvit.terminal import output_that_never_fails
from training.recipes.fashion_mnist import FASHION_MNIST
from training.recipes.recipe import ModelOptions, Optimization
from training.recipes.tiny_imagenet import TINY_IMAGENET
from training.report.markdown import table
from training.run.interrupted import Interrupted
from training.run.metrics_csv import read_metrics_csv
from training.train import TrainOptions, train

_MODEL = ModelOptions(
    "CabViTP",
    embed_dims=(96,),
    depths=(12,),
    num_heads=(3,),
    patch_size=4,
)
# The recipe of each data set, adapted to a smaller model and fewer images.
ON_FASHION_MNIST = dataclasses.replace(
    FASHION_MNIST,
    model=dataclasses.replace(_MODEL, image_size=(32, 32), drop_path_rate=0.1),
    optimization=Optimization(
        learning_rate=1e-3, warmup_epochs=3, average_momentum=0.995, average_warmup=True
    ),
    augmentation=dataclasses.replace(FASHION_MNIST.augmentation, crop_scale=(0.7, 1.0)),
    epochs=20,
)
ON_TINY_IMAGENET = dataclasses.replace(
    TINY_IMAGENET,
    model=dataclasses.replace(_MODEL, image_size=(64, 64)),
    optimization=Optimization(
        learning_rate=1e-3,
        warmup_epochs=1,
        clip_norm=1.0,
        average_momentum=0.995,
        average_warmup=True,
    ),
    # Too few epochs for mixtures of images.
    augmentation=dataclasses.replace(
        TINY_IMAGENET.augmentation, crop_scale=(0.5, 1.0), mixup_alpha=0.0, cutmix_alpha=0.0
    ),
    # Small batches: as many images per second on CPUs, and more steps.
    epochs=3,
    batch_size=16,
)
# The omitted parts, and the options of the model that omit them.
MODELS = {
    "CabViT-P": {},
    "without digest tokens": {"max_digests": 0},
    "without enhancement": {"enhance": False},
    "without scale factors": {"scale_digests": False},
    "without both (DeiT)": {"max_digests": 0, "enhance": False},
}
# Of each class of Tiny ImageNet's training images.
TRAINING_IMAGES, VALIDATION_IMAGES = 100, 5
# Two of the curves coincide: one of them is dashed.
_LINES = dict(
    zip(
        MODELS,
        (("#0072b2", "-"), ("#009e73", "-"), ("#e69f00", "-"), ("#f0b5d6", "--"), ("#d55e00", "-")),
        strict=True,
    )
)


def run_folder(folder, name, seed):
    """Returns the path of a model's run with a seed."""
    return folder / f"{name.replace(' ', '_')}_{seed}".replace("(", "").replace(")", "")


def draw_images(images, path):
    """Writes a table of labels with a fixed draw of the images of Tiny ImageNet.

    Args:
        images: path of the unpacked folder tiny-imagenet-200.
        path: path of the table, as `--data.labels` takes it. Its test images are the validation
            images of Tiny ImageNet, whose own test images have no published labels.

    Raises:
        FileNotFoundError: the folder is not that of Tiny ImageNet.
    """
    rows = []
    generator = random.Random(0)
    for class_name in sorted((images / "wnids.txt").read_text().split()):
        files = sorted((images / "train" / class_name / "images").iterdir())
        drawn = generator.sample(files, TRAINING_IMAGES + VALIDATION_IMAGES)
        for index, file in enumerate(drawn):
            split = "train" if index < TRAINING_IMAGES else "val"
            rows.append([file.relative_to(images).as_posix(), class_name, split])
    for line in (images / "val" / "val_annotations.txt").read_text().splitlines():
        file, class_name, *_ = line.split()
        rows.append([f"val/images/{file}", class_name, "test"])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["file", "class", "split"], *rows])
    write_text_atomically(path, text.getvalue())


def run_all(folder, seeds, names=tuple(MODELS), images=None):
    """Trains the unfinished runs.

    Args:
        folder: path, the folder of the runs.
        seeds: list of integers.
        names: names of the models to train.
        images: path of the unpacked folder tiny-imagenet-200; None trains on Fashion-MNIST.
    """
    if images is None:
        recipe, data, labels = ON_FASHION_MNIST, "fashion_mnist:10000", None
    else:
        recipe, data, labels = ON_TINY_IMAGENET, f"folder:{images}", folder / "images.csv"
        folder.mkdir(parents=True, exist_ok=True)
        draw_images(images, labels)
    # Seed by seed, so that early results compare all models.
    for seed in seeds:
        for name in names:
            model = dataclasses.replace(recipe.model, **MODELS[name])
            run = run_folder(folder, name, seed)
            print(f"\n{name}, seed {seed}", flush=True)
            options = TrainOptions(data, run, seed=seed, log=(), labels=labels)
            command = shlex.join(["python", "-m", "benchmarks.ablation", *sys.argv[1:]])
            train(dataclasses.replace(recipe, model=model), options, command=command)


def finished_runs(folder, seeds):
    """Returns the finished runs, including those of other processes.

    Returns:
        Dict from a model's name to a list of (top-1 on the test images, history), one per seed.
    """
    results = {}
    for name in MODELS:
        for seed in seeds:
            run = run_folder(folder, name, seed)
            record = read_run(run)
            if record is not None and record.get("finished"):
                history = read_metrics_csv(run / "metrics.csv")
                results.setdefault(name, []).append((record["scores"]["top1"], history))
    return results


def summary(results):
    """Returns the mean, spread and all scores of every model, as a dict that JSON can represent."""
    return {
        name: {
            "mean": statistics.mean(top1 for top1, _ in runs),
            "standard deviation": (
                statistics.stdev(top1 for top1, _ in runs) if len(runs) > 1 else None
            ),
            "top-1": [top1 for top1, _ in runs],
        }
        for name, runs in results.items()
    }


def draw(results, path):
    """Writes a PNG of the top-1 on the validation images by epoch: the mean and each seed."""
    with figure_style():
        figure = new_figure(8, 4.5)
        axes = figure.subplots()
        for name, runs in results.items():
            color, line = _LINES[name]
            curves = [[100 * row["val_top1"] for row in history] for _, history in runs]
            epochs = range(1, len(curves[0]) + 1)
            for curve in curves:
                axes.plot(epochs, curve, color=color, linewidth=0.6, alpha=0.4)
            mean = [statistics.mean(values) for values in zip(*curves, strict=True)]
            axes.plot(epochs, mean, color=color, linestyle=line, linewidth=2, label=name)
        # The first epochs, before anything is learned, would squeeze the others together.
        best = max(
            max(100 * row["val_top1"] for row in h) for runs in results.values() for _, h in runs
        )
        axes.set_ylim(best - 12, best + 1)
        axes.set_title("Top-1 on the validation images (%)")
        epoch_axis(axes)
        axes.grid(axis="y")
        axes.legend(loc="lower right")
        figure.savefig(path, format="png")


def main():
    """Trains, prints a table and writes it as JSON and as a picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images",
        type=path_argument,
        help="the unpacked folder tiny-imagenet-200; Fashion-MNIST without it",
    )
    parser.add_argument("--out", type=path_argument, required=True, help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--models",
        nargs="+",
        choices=MODELS,
        default=list(MODELS),
        metavar="MODEL",
        help="the models to train, so that several processes can share the work: "
        + ", ".join(map(repr, MODELS)),
    )
    options = parser.parse_args()
    try:
        run_all(options.out, options.seeds, options.models, options.images)
    except (Interrupted, ValueError, OSError) as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        return 1
    results = finished_runs(options.out, options.seeds)
    scores = summary(results)
    rows = [
        [
            name,
            f"{100 * score['mean']:.2f} %",
            f"{100 * (score['standard deviation'] or 0):.2f}",
            ", ".join(f"{100 * value:.2f}" for value in score["top-1"]),
        ]
        for name, score in scores.items()
    ]
    write_text_atomically(options.out / "ablation.json", json.dumps(scores, indent=2) + "\n")
    draw(results, options.out / "ablation.png")
    print("\n" + table(["model", "top-1", "± (standard deviation)", "per seed"], rows, 1))
    return 0


if __name__ == "__main__":
    with output_that_never_fails():
        sys.exit(main())
