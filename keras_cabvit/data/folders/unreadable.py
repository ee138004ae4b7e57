"""The number of image files that may be unreadable before something is wrong with all of them."""

FEW = 3
RULE = f"1%, or up to {FEW} of a small folder, but no more than a tenth"


def most_unreadable(count, few=FEW):
    """Returns how many of a number of images may be unreadable.

    Args:
        count: integer, the number of images.
        few: integer, how many may be if that is more than 1 %, but no more than a tenth. Defaults
            to 3.
    """
    return max(count // 100, min(few, count // 10))
