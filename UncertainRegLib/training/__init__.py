"""Training of the learned methods: data, objectives, loops.

==============================  ==============================================================
gong                            one network or an ensemble, with predicted uncertainty
heteroscedastic, adacs          a displacement network beside one for noise, or correspondence
two_networks                    what those two share
sir, sir_objectives             the proposal network of structured SIR, and its losses
loop, losses                    steps, checkpoints and log; losses of image registration
validation                      how well pairs are registered that no step sees
folder, listed                  pairs drawn in a folder, and those of a list
pairs                           the list itself: files, subjects, splits
prepared                        image files as a network sees them
synthetic                       pairs that are made at random
published                       the sizes of networks as their authors have them
model_folder                    what a training leaves
==============================  ==============================================================

Nothing that `pairs` and `prepared` import needs torch.
"""
