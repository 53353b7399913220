"""Everything in an image, asked for by a grid of points: `SAM2AutomaticMaskGenerator` and what it is made of.

Crops of the image and points in each (`crops`); one click a point (the image predictor); candidates that are sure and
stable (`judging`), of which the mask alone is kept, packed; the best of those that overlap (`suppression`); what a
program reads (`run_lengths`). The room knows no cells and no scale: that is `finding`'s business. It keeps nothing from
one image to the next.
"""
