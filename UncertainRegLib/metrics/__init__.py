"""How good a registration and its uncertainty are, against a known truth.

Every function takes numpy arrays of any one shape (CPU torch tensors are converted), computes in
float64 and returns plain floats; ``mask`` selects voxels and errors are mm unless said otherwise.

==================  ==============================================================================
correlation         Pearson, Spearman, AUROC
sparsification      risk-coverage and sparsification curves, AURC, nAURC, AUSE
calibration         reliability of label probabilities (ECE, MCE), conformal factor, coverage curve
gaussian            Mahalanobis distance, ellipsoids and likelihood of displacements
predicted           likelihood and coverage of predicted scales of intensities and labels
overlap             Dice, Hausdorff (95 %) and average surface distance
landmarks           distances of landmarks
folding             fraction of folded voxels, SD of log Jacobian
consistency         there and back again: distance from the start
similarity          MSE, mutual information, local NCC
boundaries          how far the boundary of a structure is from its true place, mm
rings               boundary shells and rings of labels, where label uncertainty is judged
protocols           one frozen preset per paper
voxels              the voxels that a metric looks at
==================  ==============================================================================
"""
