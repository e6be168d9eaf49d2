"""The heads: what is standardised, what commutes with pooling, what stays zero, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrtutor.encoders.features import ImageFeatures, TextFeatures
from cxrtutor.encoders.projection import ImageProjection, Perceptron, Standardize, TextProjection, map_head
from cxrtutor.errors import InputError

CHANNELS = {"shallow": 5, "deep": 7, "final": 6}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def image_features(batch: int = 9, seed: int = 0) -> ImageFeatures:
    """Channels of very different scales and offsets, as a frozen encoder has them."""
    maps = {
        depth: random(batch, channels, side, side, seed=seed + side) * torch.logspace(-3, 3, channels)[:, None, None]
        + torch.arange(channels)[:, None, None]
        for (depth, channels), side in zip(CHANNELS.items(), (8, 4, 2), strict=True)
    }
    return ImageFeatures(**maps, pooled=maps["final"].mean((2, 3)))


def text_features(batch: int = 3) -> TextFeatures:
    """The last report is empty, and the others are padded."""
    word_mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    sentence_mask = torch.tensor([[1, 1], [1, 0], [0, 0]]).bool()
    sentences = random(batch, 2, 11) * sentence_mask[..., None]
    return TextFeatures(
        words=random(batch, 4, 11) * word_mask[..., None],
        word_mask=word_mask,
        word_sentence=torch.where(word_mask, torch.tensor([0, 0, 1, 1]), -1),
        word_span=torch.where(word_mask[..., None], torch.tensor([[0, 2], [3, 5], [0, 1], [2, 4]]), -1),
        sentences=sentences,
        sentence_mask=sentence_mask,
        report=sentences.sum(1) / sentence_mask.sum(1, keepdim=True).clamp(min=1),
    )


class TestStandardize:
    def test_measured_are_each_channels_mean_and_deviation(self) -> None:
        maps = image_features().deep
        standardize = Standardize(7)
        standardize.measure(maps)
        np.testing.assert_allclose(standardize.mean, maps.numpy().mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(standardize.deviation, maps.numpy().std((0, 2, 3)), rtol=1e-4)
        result = standardize(maps).numpy()
        np.testing.assert_allclose(result.mean((0, 2, 3)), 0, atol=1e-3)
        np.testing.assert_allclose(result.std((0, 2, 3)), 1, rtol=1e-3)

    def test_before_measuring_it_changes_nothing(self) -> None:
        maps = image_features().deep
        assert torch.equal(Standardize(7)(maps), maps)

    def test_it_commutes_with_averaging_over_regions(self) -> None:
        standardize = Standardize(7)
        standardize.measure(image_features().deep)
        maps = image_features(seed=1).deep
        pooled = standardize(maps.mean((2, 3), keepdim=True))
        torch.testing.assert_close(standardize(maps).mean((2, 3), keepdim=True), pooled, rtol=1e-4, atol=1e-3)

    def test_a_channel_that_is_dead_in_the_sample_does_not_explode_elsewhere(self) -> None:
        standardize = Standardize(2)
        standardize.measure(torch.tensor([0.0, 3.0])[:, None, None].expand(4, 2, 3, 3))
        found = standardize(torch.tensor([0.5, 3.25])[:, None, None].expand(1, 2, 3, 3))
        torch.testing.assert_close(found[0, :, 0, 0], torch.tensor([0.5, 0.25]))

    def test_a_single_region_can_be_measured(self) -> None:
        standardize = Standardize(6)
        standardize.measure(random(1, 6, 1, 1))
        assert standardize(random(1, 6, 1, 1)).isfinite().all()

    def test_what_was_measured_is_saved_and_not_trained(self) -> None:
        assert not list(Standardize(3).parameters())
        assert set(Standardize(3).state_dict()) == {"mean", "deviation"}


class TestImageProjection:
    def test_only_asked_for_depths_come_out(self) -> None:
        projected = ImageProjection(CHANNELS, 4, depths=("deep",))(image_features())
        assert projected.shallow is None
        assert projected.deep.shape == (9, 4, 4, 4)
        assert projected.final.shape == (9, 4, 2, 2)
        assert projected.pooled.shape == (9, 4)

    @pytest.mark.parametrize("head", ["linear", "convolution"])
    @pytest.mark.parametrize("training", [True, False])
    def test_the_projection_of_the_pooled_vector_is_the_pooled_projection(self, head: str, training: bool) -> None:
        features = image_features()
        projection = ImageProjection(CHANNELS, 4, ("shallow", "deep"), head).train(training)
        projection.measure(features)
        projected = projection(features)
        torch.testing.assert_close(projected.pooled, projected.final.mean((2, 3)))
        standardize, convolution = projection.heads["final"]
        scaled = (features.pooled - standardize.mean) / standardize.deviation
        torch.testing.assert_close(projected.pooled, scaled @ convolution.weight[:, :, 0, 0].T, rtol=1e-3, atol=1e-3)

    def test_every_head_is_measured_on_its_own_depth(self) -> None:
        features = image_features()
        projection = ImageProjection(CHANNELS, 4, ("shallow", "deep"))
        projection.measure(features)
        for depth in CHANNELS:
            expected = getattr(features, depth).mean((0, 2, 3))
            torch.testing.assert_close(projection.heads[depth][0].mean, expected)

    def test_a_linear_head_sees_one_region_and_a_convolution_its_neighbours(self) -> None:
        maps = torch.zeros(1, 3, 7, 7)
        maps[0, :, 3, 3] = 1
        for kind, reach in (("linear", 0), ("convolution", 1)):
            torch.manual_seed(0)
            head = map_head(3, 4, kind).eval()
            changed = (head(maps) - head(torch.zeros_like(maps))).abs().sum((0, 1)) > 0
            rows, columns = np.nonzero(changed.numpy())
            assert rows.min() == columns.min() == 3 - reach
            assert rows.max() == columns.max() == 3 + reach

    def test_the_papers_head_is_one_matrix_without_bias(self) -> None:
        _, convolution = map_head(3, 4, "linear")
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.weight.shape == (4, 3, 1, 1) and convolution.bias is None


class TestTextProjection:
    @pytest.mark.parametrize("shared", [True, False])
    def test_padding_and_empty_reports_stay_zero(self, shared: bool) -> None:
        features = text_features()
        projected = TextProjection(11, 4, ("words", "sentences"), shared)(features)
        for unit, mask in (("words", features.word_mask), ("sentences", features.sentence_mask)):
            vectors = getattr(projected, unit)
            assert torch.equal(vectors.abs().sum(2) > 0, mask)
            assert torch.equal(getattr(projected, unit.removesuffix("s") + "_mask"), mask)
        assert torch.equal(projected.report.abs().sum(1) > 0, torch.tensor([True, True, False]))
        assert torch.equal(projected.word_sentence, features.word_sentence)

    def test_only_asked_for_units_come_out(self) -> None:
        projected = TextProjection(11, 4, ("sentences",))(text_features())
        assert projected.words is None
        assert projected.sentences.shape == (3, 2, 4)
        assert projected.report.shape == (3, 4)

    def test_a_shared_head_reads_all_units_alike(self) -> None:
        features = text_features()
        projection = TextProjection(11, 4, ("sentences",), shared=True)
        assert [name for name, _ in projection.named_parameters()] == ["heads.shared.weight"]
        projected = projection(features)
        # The second report is its only sentence.
        torch.testing.assert_close(projected.report[1], projected.sentences[1, 0])

    def test_heads_of_their_own_do_not(self) -> None:
        projection = TextProjection(11, 4, ("sentences", "report"))
        assert set(projection.heads) == {"sentences", "report"}
        projected = projection(text_features())
        assert not torch.allclose(projected.report[1], projected.sentences[1, 0])

    def test_what_it_has_no_head_for_is_passed_on(self) -> None:
        features = replace(text_features(), word_attention=random(3, 4).abs())
        projected = TextProjection(11, 4)(features)
        for name in ("word_mask", "word_sentence", "word_span", "sentence_mask", "word_attention"):
            assert torch.equal(getattr(projected, name), getattr(features, name))


def as_mgca_writes_it(head: Perceptron) -> nn.Sequential:
    """MGCA's own module, on vectors one below the other, with the same weights."""
    module = nn.Sequential(
        nn.Linear(head.layers[0].in_features, 12),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.Linear(12, 4),
        nn.BatchNorm1d(4, affine=False),
    )
    module.load_state_dict(head.layers.state_dict())
    return module


def skewed(head: Perceptron) -> Perceptron:
    """With scales and running statistics that are not those of a fresh one."""
    torch.manual_seed(0)
    with torch.no_grad():
        for norm in (head.layers[1], head.layers[4]):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
        head.layers[1].weight.uniform_(0.5, 2)
        head.layers[1].bias.normal_()
    return head


@pytest.mark.parametrize("training", [True, False])
class TestPerceptron:
    def test_it_is_mgcas_module(self, training: bool) -> None:
        head = skewed(Perceptron(7, 12, 4)).train(training)
        vectors, mask = random(3, 5, 7), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0] * 5]).bool()
        for given, flat in ((None, vectors.flatten(0, 1)), (mask, vectors[mask])):
            module = as_mgca_writes_it(head).train(training)
            expected = module(flat)
            before = {key: value.clone() for key, value in head.state_dict().items()}
            found = head(vectors, given)
            torch.testing.assert_close(found[mask] if given is not None else found.flatten(0, 1), expected)
            torch.testing.assert_close(head.layers.state_dict(), module.state_dict())  # running statistics too
            head.load_state_dict(before)

    def test_padding_changes_nothing_and_stays_zero(self, training: bool) -> None:
        head = skewed(Perceptron(7, 12, 4)).train(training)
        mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]).bool()
        vectors = (random(2, 5, 7) * mask[..., None]).requires_grad_()
        short = head(vectors[:, :3], mask[:, :3])
        long = head(vectors + 9 * ~mask[..., None], mask)
        torch.testing.assert_close(long[:, :3], short)
        assert not long[~mask].any()
        long.square().sum().backward()
        assert torch.equal(vectors.grad.any(-1), mask)

    @pytest.mark.parametrize("count", [0, 1])
    def test_a_batch_of_one_vector_or_none_is_normalised_as_in_use(self, training: bool, count: int) -> None:
        head = skewed(Perceptron(7, 12, 4)).train(training)
        before = {key: value.clone() for key, value in head.state_dict().items()}
        vectors, mask = random(2, 3, 7), torch.zeros(2, 3, dtype=torch.bool)
        mask[1, :count] = True
        found = head(vectors, mask)
        torch.testing.assert_close(found[mask], as_mgca_writes_it(head).eval()(vectors[mask]))
        torch.testing.assert_close(head.state_dict(), before, rtol=0, atol=0)
        found.sum().backward()  # every parameter has a gradient, as data-parallel training needs it
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())

    def test_it_works_under_mixed_precision(self, training: bool) -> None:
        head = skewed(Perceptron(7, 12, 4)).train(training)
        mask = torch.tensor([[1, 1, 1], [1, 0, 0]]).bool()
        before = {key: value.clone() for key, value in head.state_dict().items()}
        exact = head(random(2, 3, 7), mask)
        head.load_state_dict(before)
        with torch.autocast("cpu", torch.bfloat16):
            found = head(random(2, 3, 7), mask)
        torch.testing.assert_close(found.float(), exact, atol=0.1, rtol=0.1)


class TestPerceptronProjections:
    def test_maps_and_pooled_vectors_have_heads_of_their_own_and_the_final_map_is_left_out(self) -> None:
        features = image_features()
        projection = ImageProjection(CHANNELS, 4, ("deep",), "perceptron", hidden=12)
        projection.measure(features)
        assert set(projection.heads) == {"deep", "pooled"}
        projected = projection(features)
        assert projected.shallow is projected.final is None
        standardize, perceptron = projection.heads["deep"]
        regions = standardize(features.deep).movedim(1, -1).flatten(0, 2)
        expected = as_mgca_writes_it(perceptron)(regions).unflatten(0, (9, 4, 4)).movedim(-1, 1)
        torch.testing.assert_close(projected.deep, expected)
        standardize, perceptron = projection.heads["pooled"]
        torch.testing.assert_close(standardize.mean, features.pooled.mean(0))
        scaled = (features.pooled - standardize.mean) / standardize.deviation
        torch.testing.assert_close(projected.pooled, perceptron(scaled))

    def test_hidden_regions_are_left_out(self) -> None:
        visible = random(9, 4, 4) > 0
        features = replace(image_features(), visible=visible, attention=random(9, 4, 4).abs())
        projection = ImageProjection(CHANNELS, 4, ("shallow", "deep"), "perceptron", hidden=12)
        projected = projection(features)
        covered = replace(features, deep=features.deep.where(visible[:, None], 1e6))
        torch.testing.assert_close(projection(covered).deep, projected.deep)
        assert torch.equal(projected.deep.any(1), visible)
        assert projected.shallow.any(1).all()
        assert torch.equal(projected.visible, visible)
        assert torch.equal(projected.attention, features.attention)

    def test_each_text_unit_is_normalised_over_what_is_there(self) -> None:
        features = text_features()
        projection = TextProjection(11, 4, ("words", "sentences"), head="perceptron", hidden=12)
        projected = projection(features)
        spoken = torch.tensor([True, True, False])
        for unit, mask in (("words", features.word_mask), ("sentences", features.sentence_mask), ("report", spoken)):
            vectors = getattr(projected, unit)
            assert torch.equal(vectors.any(-1), mask)
            expected = as_mgca_writes_it(projection.heads[unit])(getattr(features, unit)[mask])
            torch.testing.assert_close(vectors[mask], expected)

    def test_a_perceptron_cannot_be_shared(self) -> None:
        with pytest.raises(InputError, match="one head for all text units"):
            TextProjection(11, 4, ("words",), shared=True, head="perceptron")
