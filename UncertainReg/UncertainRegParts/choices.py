"""Texts of the panel: what can be chosen, and the tutorial of the help section."""

from __future__ import annotations

from slicer.i18n import tr as _

PERTURBING = ("equivariance",)  # methods that always use a family of perturbations
TUTORIAL = _("""
<p><b>In three minutes</b>:</p>
<ol>
<li>Module <i>Sample Data</i>, category <i>UncertainReg</i>: <i>UncertainRegPair</i>, a synthetic
organ with a lesion and a cyst (or <i>MRBrainTumor1</i> and <i>MRBrainTumor2</i>, volumes only).
</li>
<li>Here: <i>Fixed volume</i> UncertainRegFixed, <i>Moving volume</i> UncertainRegMoving, <i>Moving
segmentation</i> and <i>Moving landmarks</i> those of the pair, under <i>Advanced</i> the <i>True
landmarks</i>. Tick the check of a known shift. <i>Apply</i>. The map is there after two samples
and becomes sharper with each one; <i>Cancel</i> keeps what is finished.</li>
<li>Move the mouse over a slice: <i>At the mouse</i> reads out the disagreement in mm, its main
direction and the 95 % ellipsoid. <i>Shift+P</i> pins a reading. <i>Axes</i> draws the ellipsoids
all over the slices.</li>
<li>Raise <i>Hide below</i> to the distance that matters to you: what stays coloured is not reliable
to that distance.</li>
<li>Click a row of <i>Structures</i> to see its most uncertain place, and <i>5/50/95 % surfaces</i>
for its safety margin; a row of <i>Landmarks</i> to see whether the truth lies in its ellipsoid.
</li>
<li><i>Samples</i>, <i>Play</i>: watch the moving volume jump where the registrations disagree.
<i>A</i> and <i>B</i> are two groups of answers, <i>A ↔ B</i> shows in two colours where they
differ. <i>Shift+F</i> flickers between the fixed and the registered moving volume.</li>
<li><i>Validate</i>, <i>Calibrate</i> turns disagreement into a 95 % bound, or says why not.</li>
<li><i>Report</i> and <i>Summary picture</i> are for taking along; <i>Restore my view</i> gives the
slice views back.</li>
</ol>""")


def methodsOf(backbone: str) -> list[tuple[str, str, str]]:
    """The methods that a registration can be asked by: (name in the job, title, tooltip)."""
    from UncertainRegLib.backbones import BackboneError, entry
    from UncertainRegLib.samplers import listing as methods

    tips = {
        "equivariance": _(
            "Disturb the moving image a little, register again, undo the disturbance: a "
            "reliable registration gives the same answer each time."),
        "sir": _("Draw many alternatives, weigh them by how well they match the images, and "
                 "keep the samples the images support."),
        "mc-dropout": _("Register again and again with a network that draws each time: the map is "
                        "how much its answers differ."),
        "ensemble": _("Register with each network of an ensemble: the map is how much they "
                      "disagree."),
        "predictive": _("One registration; its map is the error of the structures' outlines that "
                        "the network itself expects."),
        "image-noise": _("One registration; its map is the noise that the network finds in the "
                         "images."),
        "correspondence-score": _("One registration; its map is low where nothing is found that "
                                  "corresponds."),
    }
    try:
        facts = entry(backbone).facts
    except (BackboneError, ValueError):
        facts = None
    return [(m.name, m.title, m.remedy or tips.get(m.name, "")) if m.available else
            (m.name, _("{title} (not installed)").format(title=m.title), m.remedy)
            for m in methods(facts)]


def choices() -> dict[str, list[tuple[str, str, str]]]:
    """For each choice of the panel: (name in the job, title, tooltip)."""
    from UncertainRegLib.backbones import listing as backbones

    def title(entry):
        return entry.title if entry.available else _("{title} (not installed)").format(
            title=entry.title)

    return {
        "backbone": [(e.name, title(e), e.remedy) for e in backbones()],
        "method": methodsOf(""),
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
            ("trained", _("A trained network"),
             _("Around the registration, for images of one modality: comes with UncertainReg, "
               "trained on synthetic images; or one of your own")),
            ("seeded", _("Disturbed registrations"),
             _("Around the scatter of registrations of the disturbed moving image: slower, for "
               "images of any modality")),
            ("optimised", _("A fit to this pair"), _("Fitted to the two images, no training")),
        ],
        "device": [
            ("auto", _("Automatic"), ""),
            ("cpu", _("Processor (CPU)"), ""),
            ("cuda", _("Graphics card (CUDA)"), ""),
        ],
    }
