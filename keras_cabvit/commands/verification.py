"""The result of `cabvit verify`, in a table and sentences."""

from keras_cabvit.commands.text_table import print_table
from keras_cabvit.data.listed import listed
from keras_cabvit.runtimes.gpu_accelerator import NAME
from keras_cabvit.runtimes.gpu_operations import counted

# Decibels of an accelerator's scores against those of the CPU: at 20 they differ by a tenth of a
# typical score. Activations in int8, which the CPU rounds and the accelerator does not, give 30.
_LEAST_OF_ACCELERATOR = 20


def failures(found, options, names):
    """Yields a sentence per fault, and per threshold that is not met; NaN meets none.

    Args:
        found: `Verification`.
        options: the options of the command, with its thresholds.
        names: names of the model's classes, or None.
    """
    ran = found.acceleration
    if ran is not None and not (ran.signal_to_noise >= _LEAST_OF_ACCELERATOR):
        yield (
            f"The scores of {NAME} are not those of the CPU: their signal-to-noise ratio is "
            f"{ran.signal_to_noise:.1f} dB; it should be at least {_LEAST_OF_ACCELERATOR} dB."
        )
    if found.moved_classes:
        moved = (
            f"of {_title(ours, names)} as {_title(theirs, names)}"
            for ours, theirs in found.moved_classes
        )
        yield f"The export gives scores under other classes than the model: {listed(moved)}."
    # Rounded: 100 * 0.952 is below 95.2, and the difference of 0.95 and 0.94 is above 0.01.
    if not (round(100 * found.agreement, 9) >= options.min_agreement):
        yield (
            f"{100 * found.agreement:.2f} % of the images are assigned to the same class; at least "
            f"{options.min_agreement:g} % should be."
        )
    if options.min_decibels is not None and not (found.signal_to_noise >= options.min_decibels):
        yield (
            f"The signal-to-noise ratio of the {found.scores} is {found.signal_to_noise:.1f} dB; "
            f"it should be at least {options.min_decibels:g} dB."
        )
    if options.max_drop is not None:
        drop = round(100 * (found.model_accuracy - found.accuracy), 9)
        if not (drop <= options.max_drop):
            yield (
                f"The export loses {drop:.2f} percentage points of accuracy; it should lose at "
                f"most {options.max_drop:g}."
            )
    if options.max_latency is not None:
        ratio = found.latency / found.model_latency
        if not (ratio <= options.max_latency):
            yield (
                f"The export takes {ratio:.2f} times as long as the model; it should take at most "
                f"{options.max_latency:g}."
            )


def _title(number, names):
    return f"class {number}" + ("" if names is None else f' ("{names[number]}")')


def print_verification(found):
    """Prints a `Verification` as a table and sentences."""
    rows = [
        ("latency of one image", _milliseconds(found.latency), _milliseconds(found.model_latency)),
        ("size", _megabytes(found.size), _megabytes(found.model_size)),
    ]
    if found.accuracy is not None:
        rows.insert(
            0, ("top-1", f"{100 * found.accuracy:.2f} %", f"{100 * found.model_accuracy:.2f} %")
        )
    print_table(("", "export", "model"), rows)
    print(
        f"\nOf {found.images:,} images, {100 * found.agreement:.2f} % are assigned to the same "
        f"class. Signal-to-noise ratio of the {found.scores}: {found.signal_to_noise:.1f} dB."
    )
    if found.delegation is not None:
        left = ", ".join(f"{count} {name}" for name, count in found.delegation.left_out.items())
        print(
            f"XNNPACK runs the model in {found.delegation.nodes} piece"
            f"{'' if found.delegation.nodes == 1 else 's'}; left to slower kernels: "
            f"{left or 'nothing'}."
        )
    if found.acceleration is not None:
        _print_acceleration(found.acceleration)
    for note in found.notes:
        print(note)


def _print_acceleration(ran):
    taken, left = sum(ran.taken.values()), sum(ran.left.values())
    print(f"{NAME} ran on {ran.adapter}.", end=" ")
    print("It computes on the CPU: its latency is no GPU's." if ran.is_software else "")
    print(f"It takes {taken} of {taken + left} operations: {counted(ran.taken) or 'none'}.")
    if left:
        print(f"It leaves {left} to the CPU: {counted(ran.left)}.")
    for reason in ran.reasons:
        print(f"  {reason}")
    print(
        f"It assigns {100 * ran.agreement:.2f} % of the images to the same class as the CPU. "
        f"Signal-to-noise ratio of its scores against the CPU's: {ran.signal_to_noise:.1f} dB."
    )
    for error in ran.errors:
        print(f"It reported an error: {error}")


def _milliseconds(seconds):
    return f"{1e3 * seconds:.2f} ms"


def _megabytes(size):
    return f"{size / 1e6:.2f} MB"
