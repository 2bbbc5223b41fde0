"""Parts of the UncertainReg module that are too long for one file."""
