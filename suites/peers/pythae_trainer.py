"""Pythae's VAE under Pythae's BaseTrainer (Chadebec et al. 2022, arXiv 2206.08309), on networks of this comparison.

Only its public classes are used: VAE, VAEConfig, BaseEncoder, BaseDecoder, BaseTrainer, BaseTrainerConfig, by its
documentation. Its loss has the analytic KL and `binary_cross_entropy` on probabilities; a step is one of
`BaseTrainer.train_step`'s, which runs an epoch over its own shuffling DataLoader.
"""

from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor

from elbo_compare.suites.bridge.torch_arrays import TORCH_DTYPES, initial_weights, open_device, synchronise, to_array
from elbo_compare.suites.bridge.torch_counts import count_step
from elbo_compare.suites.contract import Device, DType
from elbo_compare.suites.forms import Trainer, Workload
from elbo_compare.suites.peers import pyro_tutorial
from elbo_compare.suites.peers.pyro_tutorial import canonical, load


def prepare(name: str, case: Workload) -> Trainer:
    """Pythae's trainer; one name only. Raises RuntimeError where pythae is not installed."""
    del name
    try:
        from pythae.data.datasets import BaseDataset  # pyright: ignore[reportMissingImports]
        from pythae.models import VAE, VAEConfig  # pyright: ignore[reportMissingImports]
        from pythae.models.base.base_utils import ModelOutput  # pyright: ignore[reportMissingImports]
        from pythae.models.nn import BaseDecoder, BaseEncoder  # pyright: ignore[reportMissingImports]
        from pythae.trainers import BaseTrainer, BaseTrainerConfig  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise RuntimeError(f"pythae can't be imported ({error}); pip install 'elbo-compare[peers]'") from error
    if case.dtype is not DType.FLOAT32:
        raise RuntimeError("pythae's data sets are float32")
    device, dtype = open_device(case.device), TORCH_DTYPES[case.dtype]
    networks = pyro_tutorial.VAE(case.problem).to(device, dtype)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            BaseEncoder.__init__(self)
            self.network, self.latent_dim = networks.encoder, case.problem.latent

        def forward(self, x: Tensor) -> Any:
            h = self.network.layers(x)
            return ModelOutput(embedding=self.network.mean(h), log_covariance=self.network.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            BaseDecoder.__init__(self)
            self.network = networks.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.network(z))

    load(networks, initial_weights(case, device))
    count, batch, observed = case.batches.shape
    config = VAEConfig(input_dim=(observed,), latent_dim=case.problem.latent, reconstruction_loss="bce")
    model = VAE(config, encoder=Encoder(), decoder=Decoder()).to(device, dtype)
    rows = torch.as_tensor(case.batches.reshape(-1, observed), dtype=dtype)
    trainer = BaseTrainer(
        model=model,
        train_dataset=BaseDataset(rows, torch.zeros(len(rows))),
        training_config=BaseTrainerConfig(
            output_dir=mkdtemp(prefix="pythae-"),
            per_device_train_batch_size=batch,
            learning_rate=case.learning_rate,
            no_cuda=case.device is not Device.CUDA,
            seed=case.seed,
        ),
    )
    trainer.prepare_training()
    trainer.callback_handler.callbacks = []  # progress bars and prints
    epoch = 0

    def step(k: int) -> float:
        nonlocal epoch
        loss: Any = 0.0
        for _ in range(k // count):
            epoch += 1
            loss = trainer.train_step(epoch)
        synchronise(device)
        return float(to_array(loss)) if isinstance(loss, Tensor) else float(loss)

    return Trainer(
        step=step,
        weights=lambda: canonical(networks),
        quantum=count,
        count=lambda: count_step(lambda: step(count), networks.parameters()),
    )
