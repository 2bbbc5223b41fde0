"""From samples of a registration to what is shown: samples in, summaries out.

A sample is a displacement field in mm (LPS, fixed to moving) with a log-weight. Arrays are numpy
or torch through one code; a covariance is its six numbers (…, 6) = xx, xy, xz, yy, yz, zz in mm².

==================  ==============================================================================
stream              the sums over samples that arrive one by one: all of what follows at once
moments             streaming mean and covariance; spread and jitter of nested samples
maps                uncertainty, per-axis and largest-axis maps in mm, displacement entropy
labels              streaming label probabilities and their information, volumes, centroids
label_map           label entropy and top label, of samples and registration together
label_table         one row a label
reach               which part of the fixed image can see a part of the moving one
bricks              sparse volumes, one a label, in which the label sums are kept
weights             weights from their logarithms, and the effective number of samples
combination         the members of an ensemble as one prediction
region              radius of the ellipsoid that holds a further sample, for few samples; its axes
points              landmarks: mean position, ellipsoid of the samples, TRE, Mahalanobis distance
standing            where a registration made elsewhere stands among the samples
dose                maps of a dose seen through the samples, what structures receive
modes               principal components of the samples, modes, component sweep
coarse              copies of all samples, small enough to compare: modes, best one, strays
agreement           would as many other samples make the same map?
strays              single samples far from what the others agree on
surfaces            where 5 / 50 / 95 % of the samples put a label
margins             between which surfaces 95 % of its true boundary is expected
==================  ==============================================================================
"""
