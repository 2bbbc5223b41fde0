"""Result folders as nodes of a MRML scene, in Slicer and with the slicer-core wheel."""
