"""Reports: an HTML page, a summary picture, and the lines after a run, of a result folder."""
