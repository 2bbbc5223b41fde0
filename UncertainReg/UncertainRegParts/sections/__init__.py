"""The sections of the panel, one a file: each binds its widgets to what is in the scene."""
