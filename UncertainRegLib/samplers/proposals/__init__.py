"""Where the proposals of structured SIR come from: one source a file, see
`contracts.ProposalSource`. Two need no trained network."""

import sys

from ...contracts import ProposalSource
from ...plugins import classes_in

SOURCES = {cls.name: cls for cls in classes_in(sys.modules[__name__], ProposalSource)}
