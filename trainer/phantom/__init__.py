"""Phantoms: invented images, drawn with a few shapes, and invented reports that say what was drawn.

A phantom is to radiology what it is here: a thing of known content to try a machine on. These pictures look like
images of patients to nobody, and nothing that is measured on them says anything about patients. They exist so that the
whole way from reports to a trained model can be seen to work on a laptop in minutes: what a report states is in its
picture, so a model that looks can answer, and a model that does not look cannot. What may be in one, what is said of it
and how it is drawn is data of the pack (`phantom.toml`).
"""

from cxr.trainer.phantom.corpus import write_phantom
from cxr.trainer.phantom.drawing import draw
from cxr.trainer.phantom.scene import draw_lots

__all__ = ["draw", "draw_lots", "write_phantom"]
