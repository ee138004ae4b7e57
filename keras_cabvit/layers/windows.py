"""Windows of a feature map: a stage's blocks attend within each window separately."""

from typing import NamedTuple

from keras import ops


class Windows(NamedTuple):
    """Windows of a feature map, from its height and width and the side of a window, in tokens.

    A map whose sides are not multiples of the window's is padded with zeros: on the left and top
    for even blocks, on the right and bottom for odd ones, so that the windows of two successive
    blocks overlap.
    (The authors' code for dense prediction.)

    Height and width are integers, or in the graph of a model for any size what `keras.ops.shape`
    gives for them.
    """

    height: int
    width: int
    side: int

    @classmethod
    def of(cls, feature_map, side):
        """Returns the windows of a map (batch, height, width, channels)."""
        _, height, width, _ = ops.shape(feature_map)
        return cls(height, width, side)

    @property
    def _counts(self):
        """The numbers of windows from top to bottom and from left to right."""
        return tuple((each + self.side - 1) // self.side for each in (self.height, self.width))

    @property
    def _missing(self):
        """The numbers of rows and columns that padding adds."""
        rows, columns = self._counts
        return rows * self.side - self.height, columns * self.side - self.width

    @property
    def _is_padded(self):
        """Whether padding is needed, or may be because the size is unknown."""
        known = isinstance(self.height, int) and isinstance(self.width, int)
        return not known or any(self._missing)

    # Two axes change places with those around them merged: TFLite's kernels and those of phones
    # transpose four axes faster than six, if they transpose six at all.

    def partition(self, feature_map, block_index):
        """(batch, height, width, channels) -> (batch * windows, side, side, channels)."""
        if self._is_padded:
            pads = [(each, 0) if block_index % 2 == 0 else (0, each) for each in self._missing]
            feature_map = ops.pad(feature_map, [(0, 0), *pads, (0, 0)])
        _, columns = self._counts
        channels = feature_map.shape[-1]
        x = ops.reshape(feature_map, (-1, self.side, columns, self.side * channels))
        x = ops.transpose(x, (0, 2, 1, 3))  # (batch * rows, columns, side, side * channels)
        return ops.reshape(x, (-1, self.side, self.side, channels))

    def join(self, windows, block_index):
        """Undoes `partition(feature_map, block_index)`, without the padding."""
        rows, columns = self._counts
        channels = windows.shape[-1]
        x = ops.reshape(windows, (-1, columns, self.side, self.side * channels))
        x = ops.transpose(x, (0, 2, 1, 3))  # (batch * rows, side, columns, side * channels)
        x = ops.reshape(x, (-1, rows * self.side, columns * self.side, channels))
        if not self._is_padded:
            return x
        top, left = self._missing if block_index % 2 == 0 else (0, 0)
        return x[:, top : top + self.height, left : left + self.width]
