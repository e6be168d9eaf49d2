"""The ladders of hints, patient by patient: what to think of, what to try, and the test in words.

Hints talk of the promise and not of the code: whoever follows one has still to find what is wrong.
"""

from __future__ import annotations

HINTS = {
    "sharpness": (
        "The chart names two attentions whose sharpness you know without any code. Have you asked for both?",
        "Shares lie between 0 and 1. Which shares make the sharpest attention of all? Begin with the shares, not with "
        "an attention of your own making.",
        "Take shares that are 1 in one region and 0 in 360 others, make the attention as the chart says, and demand "
        "the sharpness 1.",
    ),
    "attention": (
        "The chart promises something for reports of *every* length. Which lengths have you tried?",
        "What is the shortest report that there is? Give it a region that fits far better than all others.",
        "One study, one unit, and one region that is the unit itself while the others are its opposite: demand the "
        "largest weight there, and nowhere else.",
    ),
    "word_batch": (
        "Two tables come out. Which promise ties them together?",
        "A batch whose reports are equally long has no padding to get wrong. Mix a report of one long word with one of "
        "many short words.",
        "The mask of each report has as many True as the report has words. Demand it for 'cardiomegaly' beside 'a "
        "heart of usual size'.",
    ),
    "report_vectors": (
        "Tests like batches of medium size, of reports of medium length. Does the chart?",
        "How few words can a report have? How few reports a batch?",
        "Either of two: a batch in which one row of the mask is False throughout wants zeros; a batch of one report "
        "wants the shape (1, dim).",
    ),
    "local_loss": (
        "What stands where the mask is False is no unit. What may you then do there?",
        "Say the same batch twice, once with more room than it needs. Small numbers hide less than large ones: use "
        "vectors of length about 1, and a handful of units.",
        "Pad the units with 40 columns of zeros, the mask with 40 of False, and demand the same loss.",
    ),
    "overlay": (
        "Is the picture *a* heat map, or the one that the chart describes? A test that only looks at shape and range "
        "cannot tell.",
        "Draw a map whose answer you know: one hot pixel. What colour does the chart give it?",
        "A heat map that is 1 in a single pixel and 0 elsewhere, opacity 1: that pixel is (255, 0, 0).",
    ),
    "codes": (
        "'In any floating-point type.' Which have you tried?",
        "What is the largest number that the type can hold, and what is the largest number on the way?",
        "Cosines of .9 in `torch.float16`: demand finite codes whose rows add up to 1.",
    ),
    "global_loss": (
        "The chart has a number that says how the work is shared out. Should it change the result?",
        "Ask for the same batch twice, with different settings of what must not matter.",
        "Eight random studies: the loss on 1 device, on 2 and on 4 is one number.",
    ),
    "choose_checkpoint": (
        "What is the choice allowed to depend on? And on what not?",
        "Make a history in which the validation and the test patients disagree.",
        "Change the test scores and nothing else: the step that is chosen must stay.",
    ),
    "report_scores": (
        "The chart says a mean. Which two reports must then score alike?",
        "If all you say is said twice, has anything changed?",
        "Repeat every unit of a report, with its mask, and demand the same scores.",
    ),
}
