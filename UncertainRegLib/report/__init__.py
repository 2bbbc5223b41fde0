"""Reports: one self-contained HTML page per result folder, and a summary picture."""
