"""How far a registration may be off, in millimetres, judged by what the pair itself tells.

==========  =====================================================================================
cues        what a pair tells without any truth: one map a cue
model       from cues to the expected error, and the factors of its 95 % bounds
model.json  the model that was fitted to known errors of real pairs; it says which
fit         how a model is fitted
==========  =====================================================================================
"""
