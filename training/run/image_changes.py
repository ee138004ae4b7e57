"""The changes in a data set since a run was trained on it."""

import dataclasses
from collections import Counter

from training.data.image_list import ImageList
from training.report.markdown import table
from training.run.known_images import KnownImages


@dataclasses.dataclass(frozen=True)
class ImageChanges:
    """Numbers of images by class, of training and validation together.

    Attributes:
        added, removed, now: `Counter`s of names, by class.
        renamed: number of the added names whose images were known under another name.
        relabelled: number of names that have another class than then.
    """

    added: Counter
    removed: Counter
    now: Counter
    renamed: int
    relabelled: int

    @classmethod
    def between(cls, before: ImageList, now: ImageList, known: KnownImages) -> "ImageChanges":
        """Compares the images of a finished run with those there are now.

        Args:
            before: `ImageList` of the finished run.
            now: `ImageList` of the data set.
            known: `KnownImages` of the two.
        """
        old, new = (each["training"] | each["validation"] for each in (before, now))
        added = {name: label for name, label in new.items() if name not in old}
        return cls(
            Counter(added.values()),
            Counter(label for name, label in old.items() if name not in new),
            Counter(new.values()),
            sum(known.part(name) in ("training", "validation") for name in added),
            sum(old.get(name, label) != label for name, label in new.items()),
        )

    def text(self) -> str:
        """Returns the changes as text."""
        names = sorted(self.added.keys() | self.removed.keys())
        if names:
            rows = [
                [name, f"{self.added[name]:,}", f"{self.removed[name]:,}", f"{self.now[name]:,}"]
                for name in names
            ]
            header = ["class", "added", "removed", "now"]
            title = "Training and validation images since then, by their names:"
            text = f"{title}\n\n{table(header, rows)}\n"
        else:
            text = "The images have the same names as then, and other contents, classes or splits."
        if self.renamed:
            text += (
                f"\n{_were(self.renamed, 'added image')} known under another name, by the "
                "contents: what was learned or held out remains so."
            )
        if self.relabelled:
            text += f"\n{_were(self.relabelled, 'image')} given another class."
        return text


def _were(count: int, noun: str) -> str:
    return f"{count:,} {noun} was" if count == 1 else f"{count:,} {noun}s were"
