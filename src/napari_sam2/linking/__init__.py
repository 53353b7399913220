"""Detections of a movie in, tracks with parents and events out: drift, links, gaps, divisions. numpy and scipy only."""

from napari_sam2.linking.detections import Detection as Detection
from napari_sam2.linking.detections import Node as Node
from napari_sam2.linking.detections import detections_of as detections_of
from napari_sam2.linking.linked import Alternative as Alternative
from napari_sam2.linking.linked import Begin as Begin
from napari_sam2.linking.linked import End as End
from napari_sam2.linking.linked import Link as Link
from napari_sam2.linking.linked import Linked as Linked
from napari_sam2.linking.linked import LinkedDivision as LinkedDivision
from napari_sam2.linking.linked import LinkedTrack as LinkedTrack
from napari_sam2.linking.linking import link as link
from napari_sam2.linking.linking import link_steps as link_steps
from napari_sam2.linking.options import Kept as Kept
from napari_sam2.linking.options import LinkingOptions as LinkingOptions
