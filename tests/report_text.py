"""Reports without their pictures, for tests of everything else.

Matplotlib takes longer to draw them than a tiny model to train.
"""

PICTURES = ("curves", "confusion", "reliability", "mistakes", "suspects")


def leave_out_pictures(patch):
    """Makes reports leave out their pictures, until `patch` is undone.

    Args:
        patch: `pytest.MonkeyPatch`.
    """
    from training.report import page

    for name in PICTURES:
        patch.setattr(page, f"draw_{name}", lambda *_: None)
