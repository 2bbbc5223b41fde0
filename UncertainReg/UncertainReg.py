"""3D Slicer module: where can a deformable registration be trusted, in millimetres."""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule
from UncertainRegParts.choices import TUTORIAL
from UncertainRegParts.imported import followScene
from UncertainRegParts.logic import UncertainRegLogic
from UncertainRegParts.parameters import UncertainRegParameterNode
from UncertainRegParts.sampledata import registerSampleData
from UncertainRegParts.selftest import UncertainRegTest
from UncertainRegParts.widget import UncertainRegWidget

# Slicer looks in this file for the classes of the module, by name.
__all__ = [
    "UncertainReg",
    "UncertainRegLogic",
    "UncertainRegParameterNode",
    "UncertainRegTest",
    "UncertainRegWidget",
]


class UncertainReg(ScriptedLoadableModule):
    """What Slicer's module list needs to know."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("UncertainReg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = ["Sequences", "Segmentations"]
        self.parent.contributors = ["The UncertainReg contributors"]
        self.parent.helpText = (
            _(
                "Registers a moving volume to a fixed one many times, each time slightly disturbed, "
                "and shows in millimetres how far off the registration is expected to be, with a 95 % "
                "bound where one may be stated, and where the answers disagree."
            )
            + TUTORIAL
        )
        self.parent.acknowledgementText = _("For research use only.")
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", followScene)
