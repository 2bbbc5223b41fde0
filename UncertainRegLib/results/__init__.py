"""The contract of a result folder: what is in it, how it is read and written, what it is called.

Nothing else reads a key of ``result.json``; nothing here needs torch or Slicer.

==================  ==============================================================================
schema              the name of the schema, and a new record with every entry
record, views       the content as typed views; what a view takes of it
reader              a result folder, complete or partial, and the files it names
writer              a result folder that is never half-written
maps                the catalogue of maps: title, unit, meaning, colours, window
columns             the catalogue of table columns: title, unit, meaning
expectation         the expected error and its 95 % bounds, and their one sentence
calibration         the check of the bounds on known deformations, and its one sentence
validation          the comparison with a truth
acceptance          the verdict: rows, tolerances, states
decision            what a person decided, in a file of its own
given               a registration that was made elsewhere, among the samples
steadiness          would other samples make the same map? its one sentence
improvement         the numbers before and after the registration, and their one sentence
atomic              files that are whole or not there
==================  ==============================================================================
"""
