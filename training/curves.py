"""Draws how a training run went."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Colours that stay apart for colour-blind readers (Okabe and Ito).
_TRAINING, _VALIDATION = "#0072b2", "#d55e00"


def draw_curves(history, path):
    """Writes a PNG with loss and top-1 accuracy by epoch, training and validation.

    Args:
        history: dict of lists, as `model.fit(...).history`, with `loss`, `accuracy`, `val_loss`
            and `val_accuracy`.
        path: file to write.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    epochs = range(1, len(history["loss"]) + 1)
    for axes, key, factor, title in (
        (loss, "loss", 1, "Loss (cross-entropy, labels smoothed)"),
        (accuracy, "accuracy", 100, "Top-1 accuracy (%)"),
    ):
        for prefix, label, color in (
            ("", "training", _TRAINING),
            ("val_", "validation", _VALIDATION),
        ):
            values = [factor * value for value in history[prefix + key]]
            axes.plot(epochs, values, color=color, marker="o", markersize=4, label=label)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    last = 100 * history["val_accuracy"][-1]
    accuracy.annotate(
        f"{last:.1f} %",
        (epochs[-1], last),
        textcoords="offset points",
        xytext=(-4, -16),
        ha="right",
        color=_VALIDATION,
    )
    figure.savefig(path, dpi=120)
