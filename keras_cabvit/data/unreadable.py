"""The number of image files that may be unreadable before something is wrong with all of them."""

RULE = "1% of them, or 3 if that is more, but never more than a tenth"


def most_unreadable(count):
    """Returns how many of a number of images may be unreadable.

    One in a hundred may be, and three of a small folder, but never more than one in ten.

    Args:
        count: integer, the number of images.
    """
    return min(max(3, count // 100), count // 10)
