"""The work in its own process: nodes to files, the process, its events, its result."""
