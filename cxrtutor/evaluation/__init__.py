"""From masks to claims: metrics, measurements of a model, intervals, tables (chapter 08).

`metrics` holds the formulas, `truth` what they are held against, `evaluate` measures a model on every finding of a set,
`measurements` keeps the result sample by sample, `bootstrap` gives the intervals, `tables` the comparison, and
`controls` the rows that every honest table has beside the methods. `class_maps` asks a classifier that saw labels like
a model that read reports (chapter 04). `retrieval` asks whether whole films and reports find each other (chapter 06).
"""
