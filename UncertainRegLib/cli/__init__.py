"""The command line: one file a command, the options they share in ``options``."""
