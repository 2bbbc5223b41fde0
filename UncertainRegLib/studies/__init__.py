"""Studies of whether the millimetres can be believed, on real images.

A study takes images, a backbone and perturbation families, and gives numbers a paper can print. One
a file, see `contracts.Study`; the command ``evaluate`` finds it.

==================  ==============================================================================
study, rows         what studies on one image share; CSV rows, summary tables
simulate            real images with a known deformation between them; regions of interest
disagreement        one pair, one sampler: the uncertainty map and its repeatability
known_warp          does the map rank the true error? (Tian et al., 5.2 and App. C.3)
anatomy             does it see a resection, or a truncated field of view? (Tian et al., 5.3)
labels              does label entropy find mislabelled voxels? scores and baselines
label_study         the same for a real pair
calibration         the factor that turns one pair's map into a 95 % bound, or a refusal
truth               do the stated bounds hold on real pairs with known structures or landmarks?
known_errors, twin  the known errors of one pair; a simulated pair that is as hard as a real one
engines             which registration method suits a pair? each on known deformations of it
engine_trial        one method on one of them, in a process of its own
learned             trained models on a list of test pairs
learned_scores      what one of them makes of one pair
learned_tables      their tables in the layouts of the papers
paired              means and differences over the same subjects, with intervals
judged              known errors against what was stated about them
validation          validation numbers and curves of a result folder
acceptance          the rows of a verdict: what is measured, and where it comes from
dose, dose_samples  a dose seen through the samples of a result: its files; what is found
variant             smoothed maps, and those about the registration: their names
figures             pictures of a known-warp study
==================  ==============================================================================
"""
