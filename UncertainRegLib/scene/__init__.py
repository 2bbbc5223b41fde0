"""Result folders as nodes of a MRML scene, in Slicer and with the slicer-core wheel.

=========================  ===================================================================
result                     load_result, update_result, find_results: the way in
collect, copies, removal   the runs in a scene found again; a run taken out with all it has
result_nodes               the nodes of one run, which all others are given
display                    what the views show of a result; nothing happens unasked
probe, surfaces, sweep     on demand: numbers at a point, safety margins, the main movement
worst, outlines, growth    on demand: where to look first, outlines of all samples, 0 to 100 %
suppressed, mixed          on demand: grey where unsure; fixed and registered image in one
axes, bound                on demand: ellipsoids in the slices; the bound on the legend
ellipsoid, strays          the ellipsoid at a point; a run without its stray samples
inputs, nodes              the registered images, which node belongs to which run
transform, samples, maps   displacement fields, the sample sequence, scalar maps
film                       slices of the samples that the views show again without computing them
tables, landmarks          rows with units, points and ellipsoids
colors, log_colors         colour tables, also by the logarithm
legend, slices, unknown    the one legend, the slice views, lines where nothing is known
arrows, steps              the displacement as arrows; a result filled in small steps
sample_pair                the example of the first minute as nodes
acceptance                 the verdict, and what was decided
dose                       a dose seen through the samples: table and histograms
plots                      numbers and curves of a validation
segments, parents          segmentations as arrays, transforms above the moving nodes
foreground, frames         where maps mean something; the one LPS to RAS flip
headless, bundle           a scene outside Slicer, and its .mrb file
rounding                   lengths to 0.01 mm, so that the .mrb file is small
views, pictures            Slicer's own views drawn offscreen, as PNG and GIF
=========================  ===================================================================

Slicer itself needs no part of the last three rows. Nothing here imports torch or Qt.
"""
