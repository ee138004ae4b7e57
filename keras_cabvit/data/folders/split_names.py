"""Names by which folders of training, validation and test images are known."""

import re

_SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLIT_OF = {spelling: split for split, names in _SPELLINGS.items() for spelling in names}
_WORD = "|".join(sorted(_SPLIT_OF, key=len, reverse=True))
# test1, train_images, Validation-Set, trainA.
_EXTENDED = re.compile(
    rf"({_WORD})[ _.-]*(?:\d+|sets?|images?|imgs?|pictures?|pics?|photos?|data|folders?|splits?)"
    r"|(train|test)[ _.-]*[ab]"
)
# seg_train, my-test.
_PREFIXED = re.compile(rf".+[ _.-]({_WORD})(?:[ _.-]*(?:\d+|set|images?|data))?")


def split_of(name):
    """Returns the split of which a folder has the name.

    Args:
        name: string, the folder's name, in any case.

    Returns:
        "train", "val" or "test"; None for any other name.
    """
    return _SPLIT_OF.get(name.lower())


def nearly_splits(names):
    """Returns the splits that folders seem to be meant as, by names that are not understood.

    A word before the split, as in "seg_train", counts only if another folder is named like another
    split: "steam_train" alone is a class.

    Args:
        names: names of all folders beside each other.

    Returns:
        A dict from name to "train", "val" or "test", without the names that `split_of` knows.
    """
    others = [name for name in names if split_of(name) is None]
    extended, prefixed = {}, {}
    for name in others:
        if match := _EXTENDED.fullmatch(name.lower()):
            extended[name] = _SPLIT_OF[match[1] or match[2]]
        elif match := _PREFIXED.fullmatch(name.lower()):
            prefixed[name] = _SPLIT_OF[match[1]]
    splits = {*map(split_of, names), *extended.values(), *prefixed.values()} - {None}
    return extended | prefixed if len(splits) > 1 else extended
