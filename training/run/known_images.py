"""The images of a finished run, recognised in a data set that has changed since."""

from collections.abc import Iterable

from training.data.image_list import ImageList


class KnownImages:
    """The images of a finished run, recognised by their names, or by their contents.

    A name is that of the same image as long as the contents are the same. Others are looked up by
    their contents: files are renamed, with their class for example, and moved to other splits.
    Contents that are not known, under a known name, are taken for that image edited, such as
    rotated or saved anew: a model has learned nearly the same pixels.

    Args:
        before: `ImageList` of the finished run.
        digests: dict from a name to the digest of its contents now, as `image_digests` returns it.
    """

    def __init__(self, before: ImageList, digests: dict[str, str]):
        self._before, self._digests = before, digests
        self._contents = before.get("contents", {})
        self._names: dict[str, list[str]] = {}
        for name, digest in self._contents.items():
            self._names.setdefault(digest, []).append(name)

    def part(self, name: str) -> str | None:
        """Returns the part of the finished run that an image was in; None for a new one.

        "earlier" are those that only a run before it was trained on.
        """
        # Of copies in several parts, what the model has learned counts most.
        parts = ("training", "validation", "test")
        digest = self._digests.get(name)
        for part in parts:
            if name in self._before.get(part, {}) and self._is_unchanged(name):
                return part
        if {name, digest} & self._before.get("earlier", {}).keys():
            return "earlier"
        copies = set(self._names.get(digest or "", (name,)))
        return next((part for part in parts if self._before.get(part, {}).keys() & copies), None)

    def is_learned(self, name: str) -> bool:
        """Returns whether the model was trained on an image."""
        return self.part(name) in ("earlier", "training")

    def is_held(self, name: str) -> bool:
        """Returns whether an image was held out."""
        return self.part(name) == "validation"

    def has_contents_of(self, now: ImageList) -> bool:
        """Returns whether training and validation images have the contents that they had."""
        return all(map(self._is_unchanged, (*now["training"], *now["validation"])))

    def learned_without(self, training: Iterable[str]) -> dict[str, str]:
        """Returns the classes of learned images that are no longer training images.

        By their contents, or by their names if the contents are not known.

        Args:
            training: names of the training images now.
        """
        learned = dict(self._before.get("earlier", {}))
        for name, label in self._before["training"].items():
            learned[self._contents.get(name, name)] = label
        names = set(training)
        trained = {*names, *map(self._digests.get, names)}
        return {key: label for key, label in learned.items() if key not in trained}

    def _is_unchanged(self, name: str) -> bool:
        """Returns whether an image has the contents that it had, as far as they are known."""
        now, before = self._digests.get(name), self._contents.get(name)
        return now is None or before is None or now == before
