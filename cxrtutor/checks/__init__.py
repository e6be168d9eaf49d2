"""Self-checks for the exercises: `check.image_to_text(my_function)` says "Right." or gives one hint.

An exercise is a function that knows the right answer, some inputs, and the slips that people make:

    @exercise(right=lambda x: x.mean(), inputs=[(np.array([1.0, 2.0, 6.0]),)])
    def average(answer):
        x = np.array([1.0, 2.0, 6.0])
        yield same(answer(x), x.sum()), "Twice the numbers, twice the average? Divide by how many there are."

Each `yield` is a pair (was this slip made?, hint). The first slip that was made ends the check with its hint. Where
none was made, the answer is compared with `right` on all `inputs`, so that a wrong answer nobody foresaw is caught too.

Checks stand beside the rooms and import none of them: the right answer is written here, again and independently.
"""

# ruff: noqa: F401

from cxrtutor.checks.global_alignment import false_negatives, hardest_share, image_to_text, recall_at_k
from cxrtutor.checks.heat_maps_and_thresholds import fair_threshold, otsu_within, top_mask, unit_threshold
from cxrtutor.checks.how_to_use_this_book import agree, cosine_similarity, same_request
from cxrtutor.checks.image_encoder import grad_cam, map_side, receptive_field, standardized
from cxrtutor.checks.judging import EXERCISES, Exercise, Verdict, exercise
from cxrtutor.checks.limits_and_responsibility import alarm_worth, lost_by_update, patients_needed, reader_change
from cxrtutor.checks.masked_contrast import effective_studies, hidden_error, hidden_share, sample_weights
from cxrtutor.checks.measuring_localization import box_iou, macro_mean, mean_over, paired_interval, shifted_square_iou
from cxrtutor.checks.multi_level_alignment import paired_gain, report_logit, sentence_maps, six_terms
from cxrtutor.checks.pretraining_and_benchmark import cut_contrast, seed_interval, weight_gradient, winners_luck
from cxrtutor.checks.prototype_alignment import kinds_in_use, mistaken_push, sinkhorn_round, swapped_loss
from cxrtutor.checks.radiographs import box_back, size_in_mm, to_bytes, window_limits
from cxrtutor.checks.reports import is_denied, side_named, split_at_stops
from cxrtutor.checks.see_it_first import mask_above, share_on_left, stretched
from cxrtutor.checks.segmentation_and_detection import boxes_precision, dice_over_films, margin_iou, on_grid
from cxrtutor.checks.sentence_alignment import attention_ceiling, context_fit, masked_shares, mean_similarity
from cxrtutor.checks.stress_tests import answering_threshold, auroc, calibration_gap, side_parts, swap_sides
from cxrtutor.checks.tensors import (
    contexts,
    cosine_table,
    group_sums,
    log_sum_exp,
    map_to_regions,
    masked_mean,
    matching_loss,
)
from cxrtutor.checks.text_encoder import greedy_pieces, mean_of_pieces, word_means, word_spans
from cxrtutor.checks.token_alignment import stranger_share, token_choice, token_context, token_weights
from cxrtutor.checks.transport_alignment import plan_as_attention, row_potential, row_scaling, unplaced
from cxrtutor.checks.word_alignment import effective_regions, report_score, word_mask, word_shares
from cxrtutor.checks.zero_and_few_shot import at_prevalence, list_precision, probe_gradient, prompt_ensemble
