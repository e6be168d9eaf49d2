"""From a prompt to a heat map to a mask, by named protocol (chapter 07).

`heatmap` holds the steps from a similarity map to a heat map, `threshold` the rules that cut it, `protocols` the named
compositions of both that papers measure by, `presence` how much a prompt is answered at all, `prompts` the ways to ask
for a finding, and `localize` the whole path for one image.
"""
