"""The command line: a file a command, or several where one has many options.

===========================  =================================================================
main, exit_codes             the program: its commands, and what it returns
options, presets             options that several commands have; the settings of the papers
run, cohort                  one pair, and all pairs of a list
methods, backbones           what can be chosen; networks and weights put into the store
evaluate                     studies, and checks of a result folder
evaluate_acceptance          the verdict on a registration
evaluate_dose                a dose seen through the samples
train                        the proposal network of structured SIR
train_folder                 displacement networks, single or in ensembles
train_two_networks           a displacement network beside one that makes a map
train_data, train_network    what all of these learn from, and how networks are built
report, export               a page or a picture of a result; the registration as DICOM
===========================  =================================================================
"""
