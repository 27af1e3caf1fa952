"""S4PRED: our batched networks give what its formula gives, one sequence at a time, from weights of any size."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from proteofold.formats.psipred import confidence_digits
from proteofold.science import s4pred
from proteofold.science.s4pred import load_network, predict
from proteofold.science.weights import WEIGHT_FILES
from proteofold.system import paths
from proteofold.system.errors import UserError

SEQUENCES = ["MKVLAAGIVGLCRDEQHFPSTWYN", "M", "X", "ACDEFGHIKLMNPQRSTVWY" * 12, "WW", "mkvBJOUXZ*é"]


def upstream_prediction(sequence, folder):
    """The formula of S4PRED with plain modules: embedding, GRU, linear layer, log-softmax; the mean of five."""
    tokens = torch.tensor([["ARNDCQEGHILKMFPSTWYV".index(x) if x in "ARNDCQEGHILKMFPSTWYV" else 20 for x in sequence]])
    total = torch.zeros(len(sequence), 3)
    for name in WEIGHT_FILES:
        state = {key: value.float() for key, value in torch.load(folder / name, weights_only=True).items()}
        embed = nn.Embedding.from_pretrained(state["embed.weight"])
        gru = nn.GRU(embed.embedding_dim, state["lstm.weight_hh_l0"].shape[1], 3, bidirectional=True, batch_first=True)
        gru.load_state_dict({key.removeprefix("lstm."): state[key] for key in state if key.startswith("lstm.")})
        with torch.no_grad():
            output = nn.functional.linear(gru(embed(tokens))[0][0], state["outlayer.weight"], state["outlayer.bias"])
        total = total + nn.functional.log_softmax(output, -1) * 0.2
    probabilities = total.exp() / total.exp().sum(-1, keepdim=True)
    return "".join("CHE"[state] for state in total.argmax(-1)), probabilities.numpy()


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_prediction_is_that_of_the_formula(tiny_networks, sequence):
    ((states, probabilities),) = predict([sequence], tiny_networks)
    expected_states, expected = upstream_prediction(sequence, tiny_networks)
    assert states == expected_states
    assert probabilities.shape == (len(sequence), 3)
    assert probabilities.dtype == np.float32
    # networks of such random weights make rounding errors of 1e-7 a hundred times larger
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-6)


def test_random_networks_distinguish_residues(tiny_networks):
    """Else the tests here would compare constants."""
    ((states, probabilities),) = predict([SEQUENCES[3]], tiny_networks)
    assert len(set(states)) == 3
    assert len(set(confidence_digits(probabilities))) > 2


@pytest.mark.parametrize("residues", [1, 25, 10_000])
def test_batches_of_any_width_give_what_single_sequences_give(tiny_networks, monkeypatch, residues):
    monkeypatch.setattr(s4pred, "batch_residues", lambda memory_mb: residues)
    together = predict(SEQUENCES, tiny_networks)
    for sequence, (states, probabilities) in zip(SEQUENCES, together, strict=True):
        ((alone, alone_probabilities),) = predict([sequence], tiny_networks)
        assert states == alone
        assert confidence_digits(probabilities) == confidence_digits(alone_probabilities)


def test_predictions_come_in_the_order_of_the_sequences(tiny_networks):
    forward = [states for states, _ in predict(SEQUENCES, tiny_networks)]
    assert [len(states) for states in forward] == [len(sequence) for sequence in SEQUENCES]
    backward = [states for states, _ in predict(SEQUENCES[::-1], tiny_networks)]
    assert backward == forward[::-1]


def test_prediction_leaves_nothing_in_the_temporary_folder(tiny_networks, tmp_path):
    command = "import sys; from proteofold.science.s4pred import predict; predict(['MKV'], sys.argv[1])"
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", command, tiny_networks], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []  # importing PyTorch's compiler makes a folder there


def test_nothing_is_predicted_for_nothing(tiny_networks):
    assert predict([], tiny_networks) == []


def test_tokens_follow_the_published_alphabet():
    assert s4pred.tokens("ARNDCQEGHILKMFPSTWYV").tolist() == list(range(20))
    assert s4pred.tokens("XBZUOJ*-arn日").tolist() == [20] * 12
    assert s4pred.tokens("").tolist() == []


@pytest.fixture
def weights(tmp_path, tiny_networks):
    """A copy of the networks that a test may damage; function that changes the first one's tensors."""
    for path in tiny_networks.iterdir():
        shutil.copy(path, tmp_path)

    def change(edit, **options):
        path = tmp_path / "weights_1.pt"
        state = torch.load(path, weights_only=True)
        edit(state)
        torch.save(state, path, **options)
        return path

    change.folder = tmp_path
    return change


def test_files_of_old_pytorch_load(weights):
    """The official weights may be of the time before PyTorch wrote zip files."""
    path = weights(lambda state: None, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:2] != b"PK"
    assert predict(["MKV"], weights.folder)[0][0] == predict(["MKV"], path.parent)[0][0]
    assert load_network(path).embed.weight.dtype == torch.float32


def test_half_precision_is_computed_in_single(weights, tiny_networks):
    half = predict(SEQUENCES, tiny_networks)
    for name in WEIGHT_FILES:
        state = torch.load(weights.folder / name, weights_only=True)
        assert {tensor.dtype for tensor in state.values()} == {torch.float16}
        torch.save({key: tensor.float() for key, tensor in state.items()}, weights.folder / name)
    for (states, probabilities), (half_states, half_probabilities) in zip(
        predict(SEQUENCES, weights.folder), half, strict=True
    ):
        assert states == half_states
        assert np.array_equal(probabilities, half_probabilities)


def test_bf16_computes_in_bf16_and_is_near_but_not_identical(tiny_networks):
    assert load_network(tiny_networks / WEIGHT_FILES[0], torch.bfloat16).lstm.weight_hh_l0.dtype == torch.bfloat16
    chain = next((paths.DEMO / "templates").glob("4HHB_A.a3m")).read_text().splitlines()[1]
    ((exact_states, exact),) = predict([chain], paths.DEMO / "s4pred")
    ((states, rounded),) = predict([chain], paths.DEMO / "s4pred", precision="bf16")
    assert rounded.dtype == np.float32
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=0.1)
    np.testing.assert_allclose(rounded.sum(-1), 1, rtol=1e-6)
    assert sum(a == b for a, b in zip(states, exact_states, strict=True)) > 0.95 * len(chain)


@pytest.mark.parametrize("precision", s4pred.PRECISIONS)
def test_batches_of_a_gpu_are_wide_and_give_the_same(tiny_networks, monkeypatch, precision):
    """PyTorch takes cpu:0 for the CPU, and predict for a device that is no CPU."""
    widths, forward = [], s4pred.Network.forward
    monkeypatch.setattr(s4pred.Network, "forward", lambda self, of: widths.append(len(of)) or forward(self, of))
    many = ["ACDEFGHIKLMNPQRSTVWY" * 20] * 45
    wide = predict(many, tiny_networks, device="cpu:0", precision=precision)
    assert widths == [45] * 5
    assert not torch.backends.cudnn.allow_tf32  # else cuDNN rounds what fp32 is asked for
    widths.clear()
    monkeypatch.setattr(s4pred, "batch_residues", lambda memory_mb: 16_000)
    narrow = predict(many, tiny_networks, precision=precision)
    assert widths == [40, 5] * 5
    assert [states for states, _ in wide] == [states for states, _ in narrow]


@pytest.mark.parametrize(
    "sizes", [{"embedding": 2, "hidden": 3, "layers": 1}, {"embedding": 9, "hidden": 4, "layers": 5}]
)
def test_sizes_are_those_of_the_tensors(tmp_path, sizes):
    for name in WEIGHT_FILES:
        torch.save(s4pred.Network(**sizes).state_dict(), tmp_path / name)
    network = load_network(tmp_path / "weights_1.pt")
    assert (network.lstm.hidden_size, network.lstm.num_layers) == (sizes["hidden"], sizes["layers"])
    assert len(predict(["MKV"], tmp_path)[0][0]) == 3


def refusal(path):
    with pytest.raises(UserError) as caught:
        load_network(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda state: state.pop("embed.weight"), "lacks the tensors of an S4PRED network"),
        (lambda state: state.pop("lstm.weight_hh_l0"), "lacks the tensors"),
        (lambda state: state.pop("outlayer.bias"), "outlayer.bias is None, not (3,)"),
        (lambda state: state.pop("lstm.bias_ih_l1_reverse"), "lstm.bias_ih_l1_reverse is None, not (15,)"),
        (lambda state: state.update(extra=torch.zeros(2)), "extra is (2,), not None"),
        (lambda state: state.update({"embed.weight": torch.zeros(21, 6)}), "embed.weight is (21, 6), not (22, 6)"),
        (lambda state: state.update({"embed.weight": torch.zeros(6)}), "lacks the tensors"),
        (
            lambda state: state.update({"outlayer.weight": torch.zeros(8, 10)}),
            "outlayer.weight is (8, 10), not (3, 10)",
        ),
        (lambda state: state.update({"lstm.weight_hh_l0": torch.zeros(())}), "lacks the tensors"),
        (lambda state: state.update({"lstm.weight_hh_l0": torch.zeros(15, 0)}), "lacks the tensors"),
        (lambda state: state.update(epoch=3), "does not hold a state_dict"),
        (lambda state: state.clear(), "lacks the tensors"),
    ],
)
def test_tensors_that_do_not_fit_are_named(weights, edit, what):
    assert what in refusal(weights(edit))


def test_file_that_holds_something_else_is_reported(weights):
    path = weights.folder / "weights_1.pt"
    torch.save([1, 2], path)
    assert "does not hold a state_dict" in refusal(path)
    path.write_text("<html>404 Not Found</html>")
    assert "cannot read" in refusal(path)
    path.write_bytes(b"")
    assert "cannot read" in refusal(path)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old format"])
def test_truncated_file_is_reported_wherever_it_ends(weights, new_format):
    path = weights(lambda state: None, _use_new_zipfile_serialization=new_format)
    whole = path.read_bytes()
    for kept in (1, 2, 10, len(whole) // 3, len(whole) // 2, len(whole) - 200, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert "Is the file whole?" in refusal(path)


def test_code_in_a_weights_file_is_not_run(weights, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trap"), "w"))

    path = weights.folder / "weights_1.pt"
    torch.save({"embed.weight": Trap()}, path)
    assert "cannot read" in refusal(path)
    assert not (tmp_path / "trap").exists()


def test_damaged_numbers_are_reported(weights):
    weights(lambda state: state["outlayer.bias"].fill_(float("nan")))
    with pytest.raises(UserError, match=r"weights_1\.pt gives no probabilities"):
        predict(["MKV"], weights.folder)


def test_missing_file_is_reported(weights):
    (weights.folder / "weights_4.pt").unlink()
    with pytest.raises(UserError, match="lacks weights_4.pt"):
        predict(["MKV"], weights.folder)


def test_device_is_chosen_as_asked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [s4pred.device_for(choice) for choice in ("cpu", "auto")] == ["cpu", "cpu"]
    with pytest.raises(UserError, match="device: gpu, but PyTorch finds no GPU here"):
        s4pred.device_for("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [s4pred.device_for(choice) for choice in ("cpu", "auto", "gpu")] == ["cpu", "cuda", "cuda"]
