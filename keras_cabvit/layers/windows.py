"""Windows of a feature map: a stage's blocks attend within each window separately."""

from typing import NamedTuple

from keras import ops


class Windows(NamedTuple):
    """Windows of a feature map, from its height and width and the side of a window, in tokens.

    A map whose sides are not multiples of the window's is padded with zeros: on the left and top
    for even blocks, on the right and bottom for odd ones, so that the windows of two successive
    blocks overlap.
    (The authors' code for dense prediction.)
    """

    height: int
    width: int
    side: int

    @property
    def _missing(self):
        """The numbers of rows and columns that padding adds."""
        return -self.height % self.side, -self.width % self.side

    @property
    def _counts(self):
        """The numbers of windows from top to bottom and from left to right."""
        return -(-self.height // self.side), -(-self.width // self.side)

    def partition(self, feature_map, block_index):
        """(batch, height, width, channels) -> (batch * windows, side, side, channels)."""
        pads = [(each, 0) if block_index % 2 == 0 else (0, each) for each in self._missing]
        if any(self._missing):
            feature_map = ops.pad(feature_map, [(0, 0), *pads, (0, 0)])
        rows, columns = self._counts
        channels = feature_map.shape[-1]
        x = ops.reshape(feature_map, (-1, rows, self.side, columns, self.side, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, self.side, self.side, channels))

    def join(self, windows, block_index):
        """Undoes `partition(feature_map, block_index)`, without the padding."""
        rows, columns = self._counts
        channels = windows.shape[-1]
        x = ops.reshape(windows, (-1, rows, columns, self.side, self.side, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        x = ops.reshape(x, (-1, rows * self.side, columns * self.side, channels))
        top, left = self._missing if block_index % 2 == 0 else (0, 0)
        return x[:, top : top + self.height, left : left + self.width]
