"""Sparse volumes, one a label: bricks of 8×8×8 voxels, allocated where the label is ever met.

A hundred dense volumes of a whole image would need gigabytes; a label is met in few bricks.
"""

import numpy as np

from ..geometry.arrays import Array, namespace, to_numpy

EDGE = 8
VOXELS = EDGE**3


class Bricks:
    """Float32 sums at (label, voxel) pairs.

    Labels are 1 … ``count``; label 0 may be added to and is thrown away. Voxels are addressed by
    their layer (``EDGE`` planes along z) and their position inside it, in raster order.

    Args:
        shape: (Z, Y, X) of the volumes.
        count: number of labels.
        channels: number of sums kept at each pair.
        like: an array of the library and device to use.
    """

    def __init__(self, shape: tuple[int, int, int], count: int, channels: int, like: Array) -> None:
        xp = namespace(like)
        self.shape = shape
        self.blocks = tuple(-(-n // EDGE) for n in shape)
        self.layers = self.blocks[0]
        z, y, x = np.meshgrid(*(np.arange(n) for n in (EDGE, *shape[1:])), indexing="ij")
        block = (y // EDGE) * self.blocks[2] + x // EDGE
        local = (z * EDGE + y % EDGE) * EDGE + x % EDGE
        self._block = xp.asarray(block.ravel(), device=like.device)
        self._local = xp.asarray(local.ravel(), device=like.device)
        # Brick of (label, layer, block): -1 not there yet; 0 the one thrown away.
        table = np.full((count + 1, self.layers, self.blocks[1] * self.blocks[2]), -1, np.int64)
        table[0] = 0
        self._table = xp.asarray(table, device=like.device)
        self._used = 1
        self._sums = xp.zeros((channels, VOXELS), dtype=xp.float32, device=like.device)

    @property
    def nbytes(self) -> int:
        """Memory of the sums and of the table in bytes."""
        return self._sums.nbytes + self._table.nbytes

    def address(self, labels: Array, layer: int, position: Array) -> Array:
        """Where the pairs (label, voxel) are stored; missing bricks are allocated.

        Args:
            labels: (n,) int64, 0 … count.
            layer: which ``EDGE`` planes.
            position: (n,) int64, raster position of the voxel inside the layer.

        Returns:
            (n,) int64 for `add`.
        """
        xp = namespace(labels)
        block = self._block[position]
        table = self._table[:, layer]
        brick = table[labels, block]
        missing = brick < 0
        if bool(missing.any()):
            pair = xp.unique(labels[missing] * table.shape[1] + block[missing])
            fresh = xp.asarray(np.arange(len(pair)), device=pair.device) + self._used
            table[pair // table.shape[1], pair % table.shape[1]] = fresh
            self._used += len(pair)
            self._grow(xp)
            brick = table[labels, block]
        return brick * VOXELS + self._local[position]

    def add(self, channel: int, address: Array, values: Array | float) -> None:
        """Add values at addresses; no address may appear twice (only the last would count)."""
        self._sums[channel][address] += values

    def scale(self, factor: float) -> None:
        """Multiply every sum."""
        self._sums *= factor

    def blockwise(self, label: int, channel: int) -> tuple[np.ndarray, np.ndarray]:
        """Blocks that hold a label, as (m,) flat block numbers, and its sums there, (m, VOXELS)."""
        table = to_numpy(self._table[label]).ravel()
        blocks = np.flatnonzero(table >= 0)
        sums = to_numpy(self._sums[channel]).reshape(-1, VOXELS)
        return blocks, sums[table[blocks]]

    def dense(self, label: int, channel: int) -> tuple[tuple[slice, slice, slice], np.ndarray]:
        """Smallest box of whole blocks around a label, as slices of the volume, and its sums."""
        blocks, sums = self.blockwise(label, channel)
        if not blocks.size:
            return (slice(0, 0),) * 3, np.zeros((0, 0, 0), np.float32)
        where = np.stack(np.unravel_index(blocks, self.blocks))
        first, last = where.min(axis=1), where.max(axis=1) + 1
        box = np.zeros((*(last - first), VOXELS), np.float32)
        box[tuple(where - first[:, None])] = sums
        ends = np.minimum(last * EDGE, self.shape)
        slices = tuple(slice(int(a), int(b)) for a, b in zip(first * EDGE, ends))
        return slices, self._raster(box)[tuple(slice(0, s.stop - s.start) for s in slices)]

    def volume(self, blockwise: np.ndarray) -> np.ndarray:
        """(Z, Y, X) volume from values of every block, (number of blocks, VOXELS)."""
        z, y, x = self.shape
        return np.ascontiguousarray(self._raster(blockwise.reshape(*self.blocks, -1))[:z, :y, :x])

    @staticmethod
    def _raster(box: np.ndarray) -> np.ndarray:
        shape = box.shape[:3]
        box = box.reshape(*shape, EDGE, EDGE, EDGE).transpose(0, 3, 1, 4, 2, 5)
        return box.reshape(*(n * EDGE for n in shape))

    def _grow(self, xp) -> None:
        have = self._sums.shape[1] // VOXELS
        if self._used <= have:
            return
        new = max(self._used, have + have // 2)
        more = xp.zeros_like(self._sums[:, :1])
        more = xp.tile(more, (1, (new - have) * VOXELS))
        self._sums = xp.concatenate([self._sums, more], 1)
