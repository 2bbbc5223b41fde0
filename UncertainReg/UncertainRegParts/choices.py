"""Texts of the panel: what can be chosen, and the tutorial of the help section."""

from __future__ import annotations

from slicer.i18n import tr as _

PERTURBING = ("equivariance",)  # methods that always use a family of perturbations
TUTORIAL = _("""
<p><b>In three minutes</b>, with data that Slicer brings:</p>
<ol>
<li>Module <i>Sample Data</i>: load <i>MRBrainTumor1</i> and <i>MRBrainTumor2</i>.</li>
<li>Here: <i>Fixed volume</i> MRBrainTumor1, <i>Moving volume</i> MRBrainTumor2, <i>Apply</i>.
The map is there after two samples and becomes sharper with each one; <i>Cancel</i> keeps what is
finished.</li>
<li>Move the mouse over a slice: <i>At the mouse</i> reads out the disagreement in mm, its main
direction and the 95 % ellipsoid. <i>Shift+P</i> pins a reading.</li>
<li>Raise <i>Hide below</i> to the distance that matters to you: what stays coloured is not reliable
to that distance.</li>
<li><i>Samples</i>, <i>Play</i>: watch the moving volume jump where the registrations disagree.
<i>Shift+F</i> flickers between the fixed and the registered moving volume.</li>
<li>With a segmentation of the moving volume, click a row of <i>Structures</i> to see its most
uncertain place, and <i>5/50/95 % surfaces</i> for its safety margin.</li>
<li><i>Restore my view</i> gives the slice views back.</li>
</ol>""")


def choices() -> dict[str, list[tuple[str, str, str]]]:
    """For each choice of the panel: (name in the job, title, tooltip)."""
    from UncertainRegLib.backbones import listing as backbones
    from UncertainRegLib.samplers import listing as methods

    tips = {
        "equivariance": _(
            "Disturb the moving image a little, register again, undo the disturbance: a "
            "reliable registration gives the same answer each time."),
        "sir": _("Draw many alternatives, weigh them by how well they match the images, and "
                 "keep the samples the images support."),
    }

    def title(entry):
        return entry.title if entry.available else _("{title} (not installed)").format(
            title=entry.title)

    return {
        "backbone": [(e.name, title(e), e.remedy) for e in backbones()],
        "method": [(m.name, title(m), m.remedy or tips.get(m.name, ""))
                   for m in methods()],
        "perturbation": [
            ("deform", _("Smooth deformation"), _("A random smooth deformation")),
            ("translation", _("Shift"), _("A random shift")),
            ("rigid", _("Shift and rotation"), _("A random rigid movement")),
            ("scale", _("Scaling"), _("Random growth or shrinking along each axis")),
            ("shear", _("Shear"), _("A random shear")),
            ("affine", _("Affine"), _("A random affine map")),
            ("mixture", _("Mixture"), _("Shift, shear, scaling and deformation in turn")),
        ],
        "sirSource": [
            ("seeded", _("Disturbed registrations"),
             _("Around the scatter of registrations of the disturbed moving image")),
            ("optimised", _("A fit to this pair"), _("Fitted to the two images, no training")),
            ("trained", _("A trained network"), _("Needs the file of a trained model")),
        ],
        "device": [
            ("auto", _("Automatic"), ""),
            ("cpu", _("Processor (CPU)"), ""),
            ("cuda", _("Graphics card (CUDA)"), ""),
        ],
    }
