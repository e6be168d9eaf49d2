"""From masks to claims: metrics, measurements of a model, intervals, tables (chapter 08).

`metrics` holds the formulas, `truth` what they are held against, `evaluate` measures a model on every finding of a set,
`tuning` chooses thresholds on validation where a protocol has them, `detection` judges maps as boxes, `measurements`
keeps the result sample by sample, `bootstrap` gives the intervals, `tables` the comparison, and `controls` the rows
that every honest table has beside the methods, among them the `label_classifier`. `published` are the figures of papers
that may stand beneath. `class_maps` asks any classifier that saw labels like a model that read reports (chapter 04).
`retrieval` asks whether whole films and reports find each other (chapter 06).

What only known truth can tell: `presence_scores`, `calibration` and `abstention` ask whether a finding is there at all,
`minimal_pairs` what a model has read, `laterality` whether it knows left from right, and by what, `denials` what it
makes of what is absent, `sentence_links` whether sentences look at their own lesions; `strata` sorts any measurements
by what is known of the lesions.
"""
