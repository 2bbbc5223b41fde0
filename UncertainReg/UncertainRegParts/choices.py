"""What can be chosen in the panel, and the tutorial of its help.

The library names what it has in English, here and in maps and tables; `translated` where it is
shown.
"""

from __future__ import annotations

from slicer.i18n import tr as _

from .wording import translated

TUTORIAL = _("""
<p><b>In three minutes</b>:</p>
<ol>
<li>Module <i>Sample Data</i>, category <i>UncertainReg</i>: <i>UncertainRegPair</i>, a synthetic
organ with a lesion and a cyst (or <i>MRBrainTumor1</i> and <i>MRBrainTumor2</i>, volumes only).
</li>
<li>Here: <i>Fixed volume</i> UncertainRegFixed, <i>Moving volume</i> UncertainRegMoving, <i>Moving
segmentation</i> and <i>Moving landmarks</i> those of the pair, under <i>Advanced</i> the <i>True
landmarks</i>. Tick the check of a known shift. <i>Apply</i>. The disagreement is there after two
samples and becomes sharper with each one; at the end the expected error is shown, and the
disagreement is one choice away in <i>Map</i>. <i>Cancel</i> keeps what is finished.</li>
<li>Move the mouse over a slice: <i>At the mouse</i> reads out the expected error in mm and its 95 %
bound, by how much the samples differ and along which direction mostly, and the ellipsoid of the
samples. <i>Shift+P</i> pins a reading. <i>Axes</i> draws the ellipsoids all over the slices.</li>
<li>Raise <i>Hide below</i> to the distance that matters to you: what stays coloured is not reliable
to that distance.</li>
<li>Click a row of <i>Structures</i> to see its most uncertain place, and tick <i>5/50/95 % of the
samples</i> to see where so many of them put it; a row of <i>Landmarks</i> to see whether the truth
lies within its bound.
</li>
<li><i>Samples</i>, <i>Play</i>: watch the moving volume jump where the registrations disagree.
<i>A</i> and <i>B</i> are two groups of answers, <i>A ↔ B</i> shows in two colours where they
differ. <i>Shift+F</i> flickers between the fixed and the registered moving volume.</li>
<li><i>Validate</i> says what the 95 % bounds rest on, or why none is stated. <i>Check the bounds</i>
tries them on known deformations of the fixed volume and widens them if needed.</li>
<li><i>Report</i> and <i>Summary picture</i> are for taking along; <i>Restore my view</i> gives the
slice views back.</li>
</ol>""")


def methodsOf(backbone: str) -> list[tuple[str, str, str]]:
    """The methods that a registration can be asked by: (name in the job, title, tooltip)."""
    from UncertainRegLib.backbones import BackboneError, entry
    from UncertainRegLib.samplers import listing as methods

    try:
        facts = entry(backbone).facts
    except (BackboneError, ValueError):
        facts = None
    return [(m.name, _title(m), translated(m.to_install or m.tip)) for m in methods(facts)]


def perturbs(method: str, settings: dict) -> bool:
    """Whether the choice of a perturbation matters for a method with these settings."""
    from UncertainRegLib.samplers import sampler_class

    try:
        return sampler_class(method).perturbs(settings)
    except ValueError:  # from a computer with other methods
        return False


def _title(entry) -> str:
    title = translated(entry.title)
    return title if entry.available else _("{title} (not installed)").format(title=title)


def choices() -> dict[str, list[tuple[str, str, str]]]:
    """For each choice of the panel: (name in the job, title, tooltip)."""
    from UncertainRegLib.backbones import listing as backbones
    from UncertainRegLib.perturbations import FAMILIES
    from UncertainRegLib.results.acceptance import PRESETS
    from UncertainRegLib.samplers.proposals import SOURCES

    return {
        "backbone": [
            (e.name, _title(e), translated(e.to_install or e.facts.advice)) for e in backbones()
        ],
        "method": methodsOf(""),
        "perturbation": [
            (f.name, translated(f.title), translated(f.tip)) for f in FAMILIES.values()
        ],
        "sirSource": [(s.name, translated(s.title), translated(s.tip)) for s in SOURCES.values()],
        "tolerances": [(name, translated(one.name), "") for name, one in PRESETS.items()],
        "device": [
            ("auto", _("Automatic"), ""),
            ("cpu", _("Processor (CPU)"), ""),
            ("cuda", _("Graphics card (CUDA)"), ""),
        ],
    }
