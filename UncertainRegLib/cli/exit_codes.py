"""What a command returns to the shell; 2, wrong usage, comes from argparse as well."""

COMPLETE = 0
FAILED = 1
USAGE = 2
REFUSED = 3  # a calibration was refused
CANCELLED = 130  # by the user; the partial result is kept
