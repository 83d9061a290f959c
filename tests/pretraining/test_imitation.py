"""A student guesses what its teacher sees, at the places of its own cells."""

import numpy as np
import pytest
import torch

from flipbatch.frames.fitting import InputSize
from flipbatch.models.architectures import architecture
from flipbatch.models.network import Network
from flipbatch.models.network_options import CnnOptions, MobileNetOptions
from flipbatch.models.preprocessing import Window
from flipbatch.pretraining.imitation import Imitation, resampled
from flipbatch.pretraining.imitation_frames import ImitationFrames
from flipbatch.pretraining.pool import Batch
from flipbatch.pretraining.recipe import PretrainRecipe
from flipbatch.pretraining.step import Pretraining
from flipbatch.pretraining.teacher import Teacher
from flipbatch.training.rendered_places import LabelledFrames

SIZE = InputSize(96, 54)
CPU = torch.device("cpu")
OPTIONS = CnnOptions((4, 4, 4, 8), maps=True)


def networks() -> tuple[Network, Network]:
    torch.manual_seed(0)
    student = architecture("cnn_model").build(OPTIONS)
    teacher = architecture("mobilenet_v2").build(MobileNetOptions(taps=(3, 6), maps=True))
    return student, teacher.eval()


def places() -> list[LabelledFrames]:
    """Return three places of seven frames of noise."""
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 255, (7, 96, 54, 3), np.uint8) for _ in range(3)]
    return [LabelledFrames(one, np.zeros((7, 96, 54), np.uint8), np.zeros(7, bool)) for one in pixels]


def as_they_are(batch: Batch, _: int) -> Batch:
    return batch._replace(pixels=batch.pixels.float())


def test_cells_of_one_window_are_taken_at_the_places_of_another():
    columns = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 6, 8)  # cell k has its middle at 10 k + 5
    at = resampled(columns, Window(0, 0, 60, 80), Window(10, 20, 50, 60), (2, 4))
    assert torch.allclose(at, torch.arange(2.0, 6.0).expand(1, 1, 2, 4))


def test_outside_of_a_window_its_edge_goes_on():
    columns = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 6, 8)
    at = resampled(columns, Window(0, 20, 60, 60), Window(0, 0, 60, 80), (1, 8))
    assert at[0, 0, 0, 0] == 0
    assert at[0, 0, 0, -1] == 7


def test_a_student_comes_nearer_to_its_teacher_and_needs_no_labels():
    student, network = networks()
    teacher = Teacher(network, CPU)
    imitation = Imitation(student, teacher.network, SIZE)
    run = Pretraining(student, PretrainRecipe(OPTIONS, warmup_steps=1), 40, imitation)
    frames = ImitationFrames(teacher, iter(places()), 16, 8, as_they_are)
    losses = []
    for seed in range(30):
        torch.manual_seed(seed)
        pixels, outputs = frames.draw(8, torch.Generator().manual_seed(seed))
        losses.append(run.imitate(pixels.float(), outputs.to(CPU, torch.float32)))
    assert losses[-1].features < 0.9 * losses[0].features
    assert losses[-1].maps < losses[0].maps


@pytest.mark.parametrize("number", [0, 1])
def test_a_teacher_gives_the_outputs_of_its_network_and_leaves_it_as_it_is(number: int):
    network = networks()[number].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pixels = torch.randint(0, 255, (2, 3, 96, 54), generator=torch.Generator()).float()
    outputs = Teacher(network, CPU).outputs(pixels)
    with torch.inference_mode():
        seen = network.look(pixels)
        expected = [network.logits(seen), seen.features, seen.maps, *seen.levels]
    for one, other in zip(outputs.tensors, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_frames_come_in_whole_batches_with_the_outputs_for_them():
    _, network = networks()
    teacher = Teacher(network, CPU)
    frames = ImitationFrames(teacher, iter(places()), 9, 8, as_they_are)
    assert len(frames) == 16
    pixels, outputs = frames.draw(8, torch.Generator().manual_seed(0))
    expected = teacher.outputs(pixels.float().permute(0, 3, 1, 2))
    for one, other in zip(outputs.tensors, expected.tensors, strict=True):
        assert torch.allclose(one.float(), other, atol=0.02, rtol=0.01)
