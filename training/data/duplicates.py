"""Images that are nearly the same: copies, and the pictures of a burst."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.data.image_hashes import BITS, content_numbers, perceptual_hashes

# The most bits, of the 256 of their perceptual hashes, in which near duplicates differ.
MOST_BITS = 40
# Comparing more takes minutes.
MOST_IMAGES = 30_000
_ROWS = 512
_EXAMPLES = 3


class Member(NamedTuple):
    """An image of a group of near duplicates.

    Attributes:
        name: its name.
        split: "training", "validation" or "test".
        class_name: its class.
        content: integer, the same for files with the same bytes.
    """

    name: str
    split: str
    class_name: str
    content: int


@dataclass(frozen=True)
class Alike:
    """Numbers of groups of near duplicates, by file.

    Attributes:
        groups: dict from a file to the number of its group; each other file has its own.
        contents: dict from a file to a number that files with the same bytes share.
        note: a sentence if near duplicates were not looked for, else "".
    """

    groups: Mapping[str, int] = field(default_factory=dict)
    contents: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def of(self, files: Sequence[str]) -> np.ndarray:
        """Returns the groups of files: integers (files,)."""
        return np.array([self.groups[file] for file in files], np.int64)


@dataclass(frozen=True)
class Duplicates:
    """Groups of near duplicates in a data set, and what they mean.

    Attributes:
        groups: tuple of groups, each a tuple of two or more `Member`s, in which images of several
            splits or classes come first.
        note: a sentence if near duplicates were not looked for, else "".
    """

    groups: tuple[tuple[Member, ...], ...] = ()
    note: str = ""

    @property
    def across_splits(self) -> tuple[tuple[Member, ...], ...]:
        """The groups with images in more than one split."""
        return tuple(group for group in self.groups if _several(group, "split"))

    @property
    def across_classes(self) -> tuple[tuple[Member, ...], ...]:
        """The groups with images of more than one class."""
        return tuple(group for group in self.groups if _several(group, "class_name"))

    def in_splits(self, splits: Mapping[str, str]) -> "Duplicates":
        """Returns the same groups, with other splits of the images that a dict names."""
        groups = (
            tuple(each._replace(split=splits.get(each.name, each.split)) for each in group)
            for group in self.groups
        )
        return Duplicates(_telling_first(groups), self.note)

    def sentences(self) -> tuple[str, ...]:
        """Returns what a reader should know, with names."""
        said = [self.note] if self.note else []
        for scored, learned in (
            ("test", "training"),
            ("validation", "training"),
            ("test", "validation"),
        ):
            said += self._leak(scored, learned)
        groups = self.across_classes
        if groups:
            count = "1 group" if len(groups) == 1 else f"{len(groups):,} groups"
            pairs = (_pair_of(group, "class_name") for group in groups)
            said.append(
                f"{count} of near duplicates "
                f"{'has' if len(groups) == 1 else 'have'} more than one class: {_listed(pairs)}."
            )
        return tuple(said)

    def _leak(self, scored: str, learned: str) -> list[str]:
        found = [
            (member, _nearest(member, others))
            for group in self.across_splits
            if (others := [each for each in group if each.split == learned])
            for member in group
            if member.split == scored
        ]
        if not found:
            return []
        copies = sum(member.content == other.content for member, other in found)
        count = len(found)
        images = "image is a near duplicate" if count == 1 else "images are near duplicates"
        copied = f" ({copies:,} identical)" if copies else ""
        pairs = (f"{member.name} and {other.name}" for member, other in found)
        return [f"{count:,} {scored} {images} of {learned} images{copied}: {_listed(pairs)}."]


def alike_images(root: Path, files: Sequence[str]) -> Alike:
    """Groups image files that are nearly the same.

    Two images are near duplicates if their files have the same bytes, or if their perceptual
    hashes differ in at most 40 of 256 bits: after saving again, resizing, or a slight movement of
    the camera. Duplicates of duplicates belong to one group.

    Args:
        root: folder.
        files: paths relative to `root`, each once.

    Returns:
        `Alike`. Of more than 30,000 images only those with the same bytes are grouped.

    Raises:
        ImportError: ImageHash is not installed.
    """
    contents = content_numbers(root, files)
    note = ""
    if len(files) > MOST_IMAGES:
        note = (
            f"Near duplicates were not looked for among {len(files):,} images, only identical "
            f"files: comparing more than {MOST_IMAGES:,} takes too long."
        )
        groups = contents
    else:
        groups = _components(contents, *perceptual_hashes(root, files))
    return Alike(
        dict(zip(files, groups.tolist(), strict=True)),
        dict(zip(files, contents.tolist(), strict=True)),
        note,
    )


def find_duplicates(alike: Alike, splits: Mapping[str, Iterable[tuple[str, str]]]) -> Duplicates:
    """Lists the groups of near duplicates of a data set.

    Args:
        alike: `Alike`.
        splits: dict from "training", "validation" and "test" to (file, name of its class) of every
            image.
    """
    members: dict[int, list[Member]] = {}
    for split, images in splits.items():
        for file, class_name in images:
            member = Member(file, split, class_name, alike.contents[file])
            members.setdefault(alike.groups[file], []).append(member)
    groups = (tuple(group) for group in members.values() if len(group) > 1)
    return Duplicates(_telling_first(groups), alike.note)


def _telling_first(groups: Iterable[tuple[Member, ...]]) -> tuple[tuple[Member, ...], ...]:
    """Returns groups, those with images of several splits or classes first."""

    def tells_nothing(group: tuple[Member, ...]) -> bool:
        return not (_several(group, "split") or _several(group, "class_name"))

    return tuple(sorted(groups, key=tells_nothing))


def _components(contents: np.ndarray, hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Returns the connected components of near duplicates: integers (images,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(contents)
    # Files with the same bytes are joined to the first of them.
    _, first, inverse = np.unique(contents, return_index=True, return_inverse=True)
    components = first[inverse]
    numbers = np.flatnonzero(known)
    # The product of two hashes of +1 and -1 is the number of equal bits minus that of others.
    signs = np.unpackbits(hashes[numbers], axis=1).astype("float32") * 2 - 1
    for start in range(0, len(numbers), _ROWS):
        products = signs[start : start + _ROWS] @ signs[start:].T
        rows, columns = np.nonzero(products >= BITS - 2 * MOST_BITS)
        one = np.concatenate([np.arange(count), numbers[start + rows]])
        other = np.concatenate([components, numbers[start + columns]])
        graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
        components = connected_components(graph, directed=False)[1]
        # Each image is joined to the first of its component.
        _, first, inverse = np.unique(components, return_index=True, return_inverse=True)
        components = first[inverse]
    return components


def _several(group: Sequence[Member], attribute: str) -> bool:
    return len({getattr(member, attribute) for member in group}) > 1


def _nearest(member: Member, others: Sequence[Member]) -> Member:
    """Returns one of other members, a copy of the same bytes if there is one."""
    copies = [other for other in others if other.content == member.content]
    return (copies or others)[0]


def _pair_of(group: Sequence[Member], attribute: str) -> str:
    first = group[0]
    other = next(each for each in group if getattr(each, attribute) != getattr(first, attribute))
    return f"{first.name} and {other.name}"


def _listed(pairs: Iterable[str]) -> str:
    pairs = list(pairs)
    return "; ".join(pairs[:_EXAMPLES]) + ("; ..." if len(pairs) > _EXAMPLES else "")
