"""When memory runs out, a run takes a step down: a coarser working grid first, then the CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

FEWEST_VOXELS = 100_000  # of a working grid that can still be halved


@dataclass(frozen=True)
class Step:
    """Where and how finely a run registers.

    Attributes:
        device: "cpu" or "cuda".
        settings: of the backbone.
    """

    device: str
    settings: dict

    def down(self, voxels: int) -> tuple[Step, str]:
        """The next step, and a sentence that tells of it.

        Args:
            voxels: of the working grid that was too large; 0 where the backbone has no choice.

        Raises:
            MemoryError: there is none.
        """
        if voxels > FEWEST_VOXELS:
            return (
                replace(self, settings={**self.settings, "voxels": voxels // 2}),
                f"Out of memory on {self.device}: the working grid was halved to "
                f"{voxels // 2} voxels.",
            )
        if self.device != "cpu":
            return (
                replace(self, device="cpu"),
                "Out of memory on the GPU: the run goes on on the CPU.",
            )
        raise MemoryError("There is not enough memory for this pair; crop or resample the images.")
