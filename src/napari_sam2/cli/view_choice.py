"""The view of a run on the command line: what `session.view` decides, under the names of the options."""

from __future__ import annotations

from napari_sam2.session.view import ChosenView, ViewChoice, ViewRequest, choose_view, view_request

__all__ = ["ChosenView", "ViewChoice", "ViewRequest", "choose_view", "view_request"]
