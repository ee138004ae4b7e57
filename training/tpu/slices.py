"""The TPU chips and slices that Google rents out, by their published rates.

Peak rates and sizes of a chip are those of the "System architecture" tables of Google's pages
cloud.google.com/tpu/docs/v4, /v5e, /v5p, /v6e and /tpu7x (read in 2026; for v5e the older edition
of the table, because the newer one gives three contradictory bandwidths):

| chip  | bfloat16, TFLOP/s | HBM      | HBM, GB/s | TensorCores |
| v4    | 275               | 32 GiB   | 1,200     | 2           |
| v5e   | 197               | 16 GB    | 819       | 1           |
| v5p   | 459               | 95 GB    | 2,765     | 2           |
| v6e   | 918               | 32 GB    | 1,638     | 1           |
| tpu7x | 2,307             | 192 GiB  | 7,380     | 2           |

A JAX device is a chip, whose two TensorCores work as one on v4 and v5p ("megacore"); on tpu7x it
is half a chip, and half of each rate. The usable part of its HBM is the one that the compiler of
libtpu 0.0.42 names when it refuses a larger program.
"""

import math
from dataclasses import dataclass, field

_GIB = 2**30
_PLANE = ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
_CUBE = ("2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8")


@dataclass(frozen=True)
class Chip:
    """A kind of TPU chip. All rates are those of one JAX device.

    Attributes:
        name: name of the chip in topologies.
        peak_flops: bfloat16 operations per second; a multiplication and an addition are two.
        memory_bandwidth: bytes per second between the device and its HBM.
        usable_memory: bytes of HBM that a program may use.
        shapes: shapes of the slices that are rented out, in chips.
        devices_per_chip: integer.
        topology_options: further arguments of JAX's topology description.
    """

    name: str
    peak_flops: float
    memory_bandwidth: float
    usable_memory: int
    shapes: tuple[str, ...]
    devices_per_chip: int = 1
    topology_options: dict = field(default_factory=dict)


CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            "v4",
            275e12,
            1200e9,
            int(30.75 * _GIB),
            _CUBE,
            # Without it, the description has one device per TensorCore, which is not how a v4 runs.
            topology_options={"chip_config_name": "megacore"},
        ),
        Chip("v5e", 197e12, 819e9, int(15.75 * _GIB), ("1x1", *_PLANE)),
        Chip("v5p", 459e12, 2765e9, int(95.74 * _GIB), _CUBE),
        Chip("v6e", 918e12, 1638e9, int(31.25 * _GIB), ("1x1", *_PLANE)),
        Chip("tpu7x", 2307e12 / 2, 7380e9 / 2, int(94.75 * _GIB), _CUBE, devices_per_chip=2),
    )
}


@dataclass(frozen=True)
class Slice:
    """Chips that are rented out together.

    Attributes:
        topology: name of the slice, such as "v5e:4x4".
        chip: `Chip`.
        devices: integer, the number of its JAX devices.
    """

    topology: str
    chip: Chip
    devices: int

    def check_batch(self, batch: int) -> None:
        """Raises a ValueError if the devices cannot share a batch evenly."""
        if batch < 1 or batch % self.devices:
            raise ValueError(
                f"`batch` must be a positive multiple of the {self.devices} devices of "
                f"{self.topology}. Received: batch={batch}"
            )

    def describe(self) -> list:
        """Returns JAX's descriptions of these devices for its compiler."""
        from jax.experimental import topologies

        options = dict(self.chip.topology_options)
        if self.topology.endswith(":1x1"):
            options["chips_per_host_bounds"] = [1, 1, 1]  # four chips per host otherwise
        return topologies.get_topology_desc(self.topology, platform="tpu", **options).devices


def find_slice(topology: str) -> Slice:
    """Returns the slice with a topology's name.

    Args:
        topology: a chip's name, a colon, and the slice's shape in chips, such as "v5e:4x4".

    Raises:
        ValueError: there is no such slice; the message lists those that exist.
    """
    name, _, shape = topology.partition(":")
    chip = CHIPS.get(name)
    if chip is None or shape not in chip.shapes:
        known = "; ".join(
            ", ".join(f"{chip.name}:{shape}" for shape in chip.shapes) for chip in CHIPS.values()
        )
        raise ValueError(f"`topology` must be one of {known}. Received: topology={topology!r}")
    chips = math.prod(map(int, shape.split("x")))
    return Slice(topology, chip, chips * chip.devices_per_chip)
