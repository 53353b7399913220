"""What the processor at hand multiplies fast, and which kernels are chosen for it: by this rule, never by the clock.

- **oneDNN's float32 products** on x86-64. torch gives them to MKL, which reaches 0.5 of oneDNN's speed on processors of
  AMD with 512-bit units and 0.85 on those with 256-bit units (Zen 4: 80 and 95 GFLOP/s a core; measured, torch 2.13).
- **bfloat16 products** where the processor multiplies them itself (AVX512-BF16, AMX): twice the speed of float32 on
  Zen 4 (190 GFLOP/s a core). Other processors imitate them and gain nothing; Arm's have not been measured.
- **Attention in tiles** (`narrow_values`): for values as wide as keys in float32 only where oneDNN is much faster than
  MKL, which torch's fused kernel multiplies with: on processors of AMD with 512-bit units.

bfloat16 has to be asked for, by ``precision="auto"`` or for the whole process: masks differ in single pixels from those
of float32, and from one size of a batch to another.

``NAPARI_SAM2_KERNELS`` overrules it: ``plain`` takes torch's ordinary ways everywhere, ``float32`` leaves out bfloat16,
``bfloat16`` asks for it wherever no precision was named.
"""

from __future__ import annotations

import logging
import os
import platform
from dataclasses import dataclass
from functools import lru_cache

import torch

VARIABLE = "NAPARI_SAM2_KERNELS"
CHOICES = ("", "plain", "float32", "bfloat16")
SHOWN = {
    "avx2": "AVX2",
    "avx512_f": "AVX-512",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX",
    "bf16": "Arm BF16",
    "sve": "SVE",
}
"""Units that matter here, by torch's name for them."""
OF_WIDE_UNITS = "avx512_vp2intersect"
"""Instructions that AMD's processors have since their units are 512 bits wide (Zen 5)."""
WIDE = "512 bits at once"
"""How an AMD with such units is told from one that does AVX-512 in halves of 256 bits."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor and what is chosen for it.

    Attributes
    ----------
    name, units
        Its name, and those of its units that matter here.
    has_onednn
        torch brings oneDNN's products for it.
    overruled
        What the user chose instead of the rule, ``""`` for nothing.
    """

    name: str
    units: tuple[str, ...]
    has_onednn: bool
    overruled: str = ""

    @property
    def has_wide_units(self) -> bool:
        """Whether it is AMD's and multiplies 512 bits at once."""
        return WIDE in self.units

    @property
    def takes_onednn(self) -> bool:
        """Whether float32 products are oneDNN's."""
        return self.has_onednn and self.overruled != "plain"

    @property
    def takes_bfloat16(self) -> bool:
        """Whether products in bfloat16 are faster than in float32."""
        allowed = self.has_onednn and self.overruled in ("", "bfloat16")
        return allowed and not {"AVX512-BF16", "AMX"}.isdisjoint(self.units)

    @property
    def prefers_bfloat16(self) -> bool:
        """Whether products are in bfloat16 where no precision was named."""
        return self.takes_bfloat16 and self.overruled == "bfloat16"

    @property
    def chosen(self) -> str:
        """What is chosen, in words."""
        products = "products by oneDNN" if self.takes_onednn else "products by torch"
        if self.overruled:
            narrow = "bfloat16 for tracking" if self.prefers_bfloat16 else "float32"
            return f"{products}, {narrow} ({VARIABLE}={self.overruled})"
        return f"{products}, float32" + (f"; {VARIABLE}=bfloat16 tracks faster" if self.takes_bfloat16 else "")

    @property
    def has_amx(self) -> bool:
        """Whether torch's fused attention uses tiles of the processor's own in half precision."""
        return "AMX" in self.units


@lru_cache(1)
def processor() -> Processor:
    """Return the processor of this machine."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    units = tuple(shown for name, shown in SHOWN.items() if capabilities.get(name))
    overruled = os.environ.get(VARIABLE, "")
    if overruled not in CHOICES:
        logger.warning("%s is %r and is ignored; it may be plain, float32, bfloat16 or empty", VARIABLE, overruled)
        overruled = ""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    has_onednn = x86 and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    name = str(capabilities.get("cpu_name") or platform.processor())
    if "AMD" in name and capabilities.get(OF_WIDE_UNITS):
        units += (WIDE,)
    return Processor(name, units, has_onednn, overruled)
