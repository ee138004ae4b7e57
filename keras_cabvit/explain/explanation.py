"""Everything that can be seen of a model and one image, computed at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import numpy.typing as npt

from keras_cabvit.explain.attention import over_digests, over_places, query_rows
from keras_cabvit.explain.blocks import Block, blocks_of, chosen_blocks
from keras_cabvit.explain.class_activation import grad_cam
from keras_cabvit.explain.recording import recorded_maps
from keras_cabvit.explain.rollout import as_map, default_query, rollout_path

_BLOCKS = 4


@dataclass(frozen=True, eq=False)
class Explanation:
    """Attention and Grad-CAM of a model for one image.

    Attributes:
        image: array (height, width, channels), as the model took it.
        places: dict from the names of the chosen blocks to arrays (height, width) in tokens: the
            shares of the block's attention that go to the places of its own map, from the class
            token if the model has one, else the mean over all tokens.
        digests: dict from the names of all blocks to dicts from earlier blocks' names to arrays
            (rows, columns): the shares that go to their digest tokens, the mean over all tokens.
        rollout: array (height, width) in tokens of the first stage, see `rollout_map`.
        grad_cam: array (height, width) in tokens of the last stage.
        class_token: whether the model has a class token.
    """

    image: np.ndarray
    places: dict[str, np.ndarray]
    digests: dict[str, dict[str, np.ndarray]]
    rollout: np.ndarray
    grad_cam: np.ndarray
    class_token: bool


def explain_image(
    model: keras.Model,
    image: npt.ArrayLike,
    class_number: int | None = None,
    blocks: str | Sequence[str] | None = None,
) -> Explanation:
    """Returns attention, rollout and Grad-CAM of one image; the attention is computed only once.

    Args:
        model: Keras classifier with one or more CabViT stages.
        image: array (height, width, channels), as the model takes it.
        class_number: integer, the class of the Grad-CAM. None, the default, is the predicted one.
        blocks: names from `block_names` of the blocks in `places`, or one name. None, the default,
            is four of them, evenly spaced.

    Returns:
        `Explanation`.

    Raises:
        NotAClassifier: a ValueError; see `grad_cam`.
        ValueError: see `attention_maps` and `grad_cam`.

    Example:
        >>> model = keras_cabvit.CabViTP(
        ...     embed_dim=24, depth=2, num_heads=3, patch_size=8, input_shape=(64, 96, 3))
        >>> found = keras_cabvit.explain.explain_image(model, np.full((64, 96, 3), 99.0, "float32"))
        >>> found.rollout.shape, found.grad_cam.shape
        ((8, 12), (8, 12))
    """
    every = blocks_of(model)
    chosen = chosen_blocks(model, blocks) if blocks is not None else _some(every)
    images = np.asarray(image)[None]  # `grad_cam` checks them
    heat = grad_cam(model, images, class_number)[0]
    path = rollout_path(model)
    (maps,) = recorded_maps(model, images, every, batch_size=1)
    first, last = next(iter(every.values())), list(every.values())[-1]
    rows = list(path.rows(maps).values())[-1]
    return Explanation(
        image=images[0],
        places={
            name: over_places(maps[name], block, query_rows(block, default_query(block, None)))[0]
            for name, block in chosen.items()
        },
        digests={
            name: {
                source: shares[0]
                for source, shares in over_digests(maps[name], block, slice(None)).items()
            }
            for name, block in every.items()
        },
        rollout=as_map(rows, [first, last], None)[0],
        grad_cam=heat,
        class_token=last.prefix > 0,
    )


def _some(blocks: dict[str, Block]) -> dict[str, Block]:
    names = list(blocks)
    places = np.linspace(0, len(names) - 1, min(_BLOCKS, len(names)))
    return {names[place]: blocks[names[place]] for place in np.rint(places).astype(int)}
