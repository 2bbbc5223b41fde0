"""Streaming label probabilities: the moving segmentation seen through every sample.

The one-hot segmentation is warped linearly, so each sample gives each voxel at most eight labels
with weights that sum to 1, whatever the number of labels: the cost does not depend on it. Most
voxels lie between eight corners of one label and take the short way.
"""

import math

import numpy as np

from ..geometry.arrays import Array, labels_in, namespace, to_numpy
from ..geometry.field import DisplacementField
from ..geometry.grid import Grid
from ..geometry.image import Image
from ..geometry.interpolate import inside_index
from .bricks import EDGE, Bricks
from .reach import reach
from .weights import normalised

MIXED = -1  # marks a cell whose eight corners differ
ROUNDING_NATS = 1e-4  # entropies of float32 sums are right to that
SOFT, HARD = 0, 1  # sums kept: of linear memberships, and of the label that wins a voxel


class LabelProbabilities:
    """Label probabilities on the fixed grid, and volume and centroid of every sample.

    p_l(y) is the weighted mean of the linear one-hot warps of label l; points that leave the moving
    field of view count as background (0), as in `geometry.warp.warp_one_hot`.

    Args:
        segmentation: integers on the moving grid, 0 = background.
        grid: fixed grid of the probabilities; fields on another grid are resampled to it.

    Attributes:
        labels: the label values, ascending, without 0.
        log_weights: one for each sample so far.

    Raises:
        ValueError: the segmentation has no label.
    """

    def __init__(self, segmentation: Image, grid: Grid) -> None:
        array = to_numpy(segmentation.array)
        values = labels_in(array)
        self.labels = [int(v) for v in values if v != 0]
        if not self.labels:
            raise ValueError("the moving segmentation has no label: every voxel is background (0)")
        # Label l is known inside as its place 1 … L in ``labels``.
        place = np.zeros(values.size, np.int16)
        place[values != 0] = np.arange(1, len(self.labels) + 1)
        compact = np.pad(place[np.searchsorted(values, array)], (0, 1), mode="edge")
        self.grid = grid
        labelled = np.argwhere(compact > 0)[:, ::-1]
        self._seen_within = labelled.min(axis=0) - 1, labelled.max(axis=0) + 1  # (i, j, k)
        self.log_weights: list[float] = []
        self._moving_grid = segmentation.grid
        self._corner_labels: Array = compact
        self._cells: Array = _cells(compact)
        self._bricks: Bricks | None = None
        self._own_place = len(self.labels) + 1  # of the sum of the samples' own entropies
        self._total_place = 0  # of the sum of weights at every voxel, when they have their own
        self._reference = -math.inf  # sums hold exp(log_weight - reference)
        self._soft_sizes: list[np.ndarray] = []
        self._hard_sizes: list[np.ndarray] = []
        self._centroids: list[np.ndarray] = []

    def add(
        self,
        field: DisplacementField,
        log_weight: float = 0.0,
        voxel_log_weight: Image | None = None,
    ) -> None:
        """Take in one sample.

        Args:
            field: displacement, fixed to moving; every sample from the same library and device.
            log_weight: logarithm of its weight.
            voxel_log_weight: logarithm of a further factor of its weight at every voxel, on any
                grid; it counts in the probabilities alone, not in volumes, centroids and pairwise
                Dice, which are of whole samples. Every sample has one, or none.
        """
        like = field.vectors
        xp = namespace(like)
        if self._bricks is None:
            if voxel_log_weight is not None:
                self._total_place = self._own_place + 1
            count = self._total_place or self._own_place
            self._bricks = Bricks(self.grid.shape, count, channels=2, like=like)
            self._corner_labels = xp.asarray(self._corner_labels.ravel(), device=like.device)
            self._cells = xp.asarray(self._cells.ravel(), device=like.device)
        if log_weight > self._reference:
            self._bricks.scale(math.exp(self._reference - log_weight))
            self._reference = log_weight
        weight = math.exp(log_weight - self._reference) if log_weight > -math.inf else 0.0
        local = None
        if voxel_log_weight is not None:
            local = np.exp(voxel_log_weight.to_numpy().resample(self.grid).array)
            local = xp.asarray(local, dtype=xp.float32, device=like.device)
        # Sums over the sample, for each label: membership, hard voxels, membership × (i, j, k).
        sums = np.zeros((5, len(self.labels) + 1))
        nz, ny, nx = self.grid.shape
        zs, ys, xs = slice(0, nz), slice(0, ny), slice(0, nx)
        if local is None:
            zs, ys, xs = reach(field, self._moving_grid, *self._seen_within, self.grid)
        rows, columns = np.arange(ny)[ys, None] * nx, np.arange(nx)[xs]
        planes = np.arange(EDGE)[:, None, None] * (ny * nx)
        raster = xp.asarray(planes + rows + columns, device=like.device)  # positions in a layer
        for layer in range(zs.start // EDGE, -(-zs.stop // EDGE)):
            first = layer * EDGE
            voxels = raster[: nz - first]
            there = None if local is None else local[first : first + len(voxels)].reshape(-1)
            part = self.grid.part((xs.start, ys.start, first), voxels.shape)
            index = field.resample(part).mapped_index(self._moving_grid)
            sums += self._add_layer(layer, voxels.reshape(-1), index.reshape(-1, 3), weight, there)
        self.log_weights.append(float(log_weight))
        size, hard, *moment = sums[:, 1:]
        self._soft_sizes.append(size)
        self._hard_sizes.append(hard)
        with np.errstate(invalid="ignore"):
            self._centroids.append(self.grid.to_world((np.stack(moment) / size).T))

    def _add_layer(
        self, layer: int, voxels: Array, index: Array, weight: float, local: Array | None
    ) -> np.ndarray:
        """Voxels of one layer, by their raster position in it (n,), and their moving index positions
        (n, 3); returns the sums of `add`."""
        xp = namespace(index)

        def soft(position):
            return weight if local is None else weight * local[position]

        if local is not None:  # the sum of weights, as one label more that is everywhere
            address = self._bricks.address(xp.full_like(voxels, self._total_place), layer, voxels)
            self._bricks.add(SOFT, address, soft(voxels))
        base, fraction = self._locate(index)
        code = xp.where(inside_index(self._moving_grid.shape, index), self._cells[base], 0)

        chosen = xp.where(code > 0)[0]
        label, pure = xp.asarray(code[chosen], dtype=xp.int64), voxels[chosen]
        address = self._bricks.address(label, layer, pure)
        self._bricks.add(SOFT, address, soft(pure))
        self._bricks.add(HARD, address, weight)
        sums = self._sums(layer, label, pure)
        sums = np.stack([sums[0], sums[0], *sums[1:]])

        chosen = xp.where(code == MIXED)[0]
        if len(chosen) == 0:
            return sums
        labels, shares = self._corners(base[chosen], [f[chosen] for f in fraction])
        mixed = voxels[chosen]
        addresses = [self._bricks.address(corner, layer, mixed) for corner in labels]
        for corner, (label, share) in enumerate(zip(labels, shares)):
            self._bricks.add(SOFT, addresses[corner], soft(mixed) * share)
            sums[[0, 2, 3, 4]] += self._sums(layer, label, mixed, share)
        totals = _totals(labels, shares)
        winner = totals.argmax(0)
        own = self._bricks.address(xp.full_like(mixed, self._own_place), layer, mixed)
        self._bricks.add(SOFT, own, soft(mixed) * _entropy(shares, totals))
        each = xp.arange(len(mixed), device=mixed.device)
        self._bricks.add(HARD, xp.stack(addresses)[winner, each], weight)
        sums[1] += self._count(xp.stack(labels)[winner, each])
        return sums

    def _locate(self, index: Array) -> tuple[Array, list[Array]]:
        """Flat number of the cell of each position (clamped to the grid), and i, j, k in it."""
        xp = namespace(index)
        base, stride, fraction = 0, 1, []
        for axis, n in enumerate(self._moving_grid.size.tolist()):
            position = index[:, axis].clip(0, n - 1)
            low = xp.floor(position)
            fraction.append(position - low)
            base = base + stride * xp.asarray(low, dtype=xp.int64)
            stride *= n + 1
        return base, fraction

    def _corners(self, base: Array, fraction: list[Array]) -> tuple[list[Array], list[Array]]:
        """Label and linear weight of the eight corners of each cell, lists of 8 × (m,)."""
        xp = namespace(base)
        nx, ny = self._moving_grid.size[0] + 1, self._moving_grid.size[1] + 1
        labels, shares = [], []
        for dk, along_k in enumerate((1.0 - fraction[2], fraction[2])):
            for dj, along_j in enumerate((1.0 - fraction[1], fraction[1])):
                plane = along_k * along_j
                for di, along_i in enumerate((1.0 - fraction[0], fraction[0])):
                    corner = self._corner_labels[base + int((dk * ny + dj) * nx + di)]
                    labels.append(xp.asarray(corner, dtype=xp.int64))
                    shares.append(plane * along_i)
        return labels, shares

    def _count(self, labels: Array, weights: Array | None = None) -> np.ndarray:
        counts = namespace(labels).bincount(labels, weights, len(self.labels) + 1)
        return np.asarray(counts.tolist(), dtype=np.float64)

    def _sums(self, layer: int, labels: Array, position: Array, share: Array | None = None):
        """Sum of 1 and of the voxel index i, j, k over the voxels of each label, (4, L + 1)."""
        xp = namespace(labels)
        _, ny, nx = self.grid.shape
        share = xp.ones_like(labels) if share is None else share
        share = xp.asarray(share, dtype=xp.float64)
        ijk = (position % nx, position // nx % ny, position // (nx * ny) + layer * EDGE)
        moments = [self._count(labels, share * along) for along in ijk]
        return np.stack([self._count(labels, share), *moments])

    @property
    def weights(self) -> np.ndarray:
        """(N,) weights of the samples, sum 1."""
        return normalised(self.log_weights)

    @property
    def volumes_ml(self) -> np.ndarray:
        """(N, L) volume of every sample and label in ml, from linear memberships."""
        return np.stack(self._soft_sizes) * self.grid.voxel_volume_ml

    @property
    def centroids(self) -> np.ndarray:
        """(N, L, 3) centroid of every sample and label, LPS mm; NaN where a label vanished."""
        return np.stack(self._centroids)

    def probability(self, label: int) -> Image:
        """p_l in [0, 1] on the part of the fixed grid where the label was ever met.

        Raises:
            ValueError: the label is not in the segmentation, or no sample met it.
        """
        if label not in self.labels:
            raise ValueError(f"the moving segmentation has no label {label}")
        box, sums = self._filled().dense(self.labels.index(label) + 1, SOFT)
        if sums.size == 0:
            raise ValueError(f"label {label} lies outside the fixed image in every sample")
        total = self._total()
        if self._total_place:
            total = self._filled().dense(self._total_place, SOFT)[1][box]
        return Image(sums / total, self.grid.part([s.start for s in box[::-1]], sums.shape))

    def top_label(self) -> tuple[np.ndarray, np.ndarray]:
        """The most probable label of every fixed voxel, background included, and its probability.

        Returns:
            Label values (Z, Y, X) int32 and probabilities (Z, Y, X) float32.
        """
        bricks, total = self._filled(), self._totals()
        left = np.ones((math.prod(bricks.blocks), EDGE**3), np.float32)  # of background
        best, top = np.zeros_like(left), np.zeros(left.shape, np.int32)
        for place, label in enumerate(self.labels, start=1):
            blocks, p = bricks.blockwise(place, SOFT)
            p /= total[blocks]
            left[blocks] -= p
            top[blocks] = np.where(p > best[blocks], label, top[blocks])
            best[blocks] = np.maximum(p, best[blocks])
        top[left >= best] = 0
        return bricks.volume(top), bricks.volume(np.maximum(left, best).clip(0.0, 1.0))

    def entropy(self, normalised: bool = False) -> np.ndarray:
        """Label entropy H = -Σ p log p of every fixed voxel, background included.

        Args:
            normalised: divide by log(L + 1), the largest possible, to get [0, 1].

        Returns:
            (Z, Y, X) float32, nats (or a fraction).
        """
        bricks, total = self._filled(), self._totals()
        left = np.ones((math.prod(bricks.blocks), EDGE**3), np.float32)
        entropy = np.zeros_like(left)
        for place in range(1, len(self.labels) + 1):
            blocks, p = bricks.blockwise(place, SOFT)
            p /= total[blocks]
            left[blocks] -= p
            entropy[blocks] += _surprise(p)
        # What rounding leaves of the background is not a background.
        left[left < 1e-6] = 0.0
        entropy += _surprise(left)
        if normalised:
            entropy /= math.log(len(self.labels) + 1)
        return bricks.volume(entropy)

    def information(self) -> np.ndarray:
        """Mutual information of the sample and the label: how much the samples disagree.

        The label entropy less the mean entropy of the single samples, which interpolation between
        voxels of different labels makes: 0 where all samples agree, at most the label entropy.

        Returns:
            (Z, Y, X) float32, nats.
        """
        bricks = self._filled()
        blocks, own = bricks.blockwise(self._own_place, SOFT)
        mean = np.zeros((math.prod(bricks.blocks), EDGE**3), np.float32)
        mean[blocks] = own / self._totals()[blocks]
        found = self.entropy() - bricks.volume(mean)
        found[found < ROUNDING_NATS] = 0.0  # nothing but rounding is below 0
        return found

    def pairwise_dice(self) -> np.ndarray:
        """Mean Dice of pairs of samples for each label, (L,); NaN for one sample or a lost label.

        Each sample's label map is the winner of its memberships. With h(y) the weighted count of
        samples that have the label at y, all pairs' intersections sum to Σ h² - Σ w² |A|, so

            Dice = Σ_{m≠n} w_m w_n 2 |A_m ∩ A_n| / Σ_{m≠n} w_m w_n (|A_m| + |A_n|)

        comes from one streamed volume. This mean weights pairs by their size |A_m| + |A_n|; it is
        the plain mean where the volumes agree, and differs from it by the order of their squared
        coefficient of variation.
        """
        bricks, total, weights = self._filled(), self._total(), self.weights
        sizes = np.stack(self._hard_sizes)
        pairs = (weights * (1.0 - weights)) @ sizes
        squares = np.array(
            [
                float(np.sum(np.square(bricks.blockwise(place, HARD)[1] / total, dtype=np.float64)))
                for place in range(1, len(self.labels) + 1)
            ]
        )
        shared = squares - np.square(weights) @ sizes
        return np.divide(shared, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 1e-9)

    def _filled(self) -> Bricks:
        if self._bricks is None:
            raise ValueError("no sample was added yet")
        return self._bricks

    def _totals(self) -> np.ndarray:
        """Sum of weights in every block, (number of blocks, 1 or EDGE**3)."""
        if self._total_place:
            totals = self._filled().blockwise(self._total_place, SOFT)[1]
            return np.maximum(totals, np.float32(1e-30))  # voxels of blocks beyond the grid have 0
        return np.full((math.prod(self._filled().blocks), 1), self._total(), np.float32)

    def _total(self) -> float:
        return float(np.exp(np.array(self.log_weights) - self._reference).sum())


def _cells(labels: np.ndarray) -> np.ndarray:
    """The common label of a voxel and its seven upper neighbours, or MIXED; same shape."""
    cells = labels.copy()
    core = cells[:-1, :-1, :-1]
    mixed = np.zeros(core.shape, dtype=bool)
    for dk in (0, 1):
        for dj in (0, 1):
            for di in (0, 1):
                z, y, x = (slice(d, n - 1 + d) for d, n in zip((dk, dj, di), labels.shape))
                mixed |= labels[z, y, x] != labels[:-1, :-1, :-1]
    core[mixed] = MIXED
    return cells


def _totals(labels: list[Array], shares: list[Array]) -> Array:
    """(8, m) for each of eight corners: the total share of the corners that have its label."""
    totals = [share + 0.0 for share in shares]
    for a in range(8):
        for b in range(a):
            same = labels[a] == labels[b]
            totals[a] += same * shares[b]
            totals[b] += same * shares[a]
    return namespace(shares[0]).stack(totals)


def _entropy(shares: list[Array], totals: Array) -> Array:
    """(m,) entropy in nats of one sample's label, between eight corners (`_totals`)."""
    xp = namespace(totals)
    return -(xp.stack(shares) * xp.log(totals.clip(1e-30, 1.0))).sum(0)


def _surprise(p: np.ndarray) -> np.ndarray:
    """-p log p, 0 at p = 0."""
    return -p * np.log(np.maximum(p, 1e-30))
