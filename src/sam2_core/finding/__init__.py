"""Every object of a frame without a prompt: tiles, seeds of the dense head, an answer a seed, conflicts, a score."""

from sam2_core.finding.diameter import find_diameter as find_diameter
from sam2_core.finding.finding import FindingOptions as FindingOptions
from sam2_core.finding.finding import find_objects as find_objects
from sam2_core.finding.finding import find_steps as find_steps
from sam2_core.finding.found import FoundObject as FoundObject
from sam2_core.finding.found import FoundObjects as FoundObjects
