"""What public programs import and do not need for their pair: stand-ins; and how a file of a checkout is loaded."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock, patch

FOLDER = Path(os.environ["PUBLIC_PROGRAMS"])
ABSENT = (
    *("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.utils", "visdom", "matplotlib"),
    *("matplotlib.pyplot", "pyro.contrib.examples", "pyro.contrib.examples.util", "utils", "utils.mnist_cached"),
    "utils.vae_plots",
)


def loaded(repository: str, path: str) -> ModuleType:
    """The file as it stands; a loader of data that it makes is empty."""
    for name in ABSENT:
        sys.modules.setdefault(name, MagicMock())
    place = FOLDER / repository.replace("/", "+") / path
    spec = importlib.util.spec_from_file_location(f"public_{place.parent.name}_{place.stem}", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with patch("torch.utils.data.DataLoader"), patch.object(sys, "argv", [str(place)]):
        spec.loader.exec_module(module)
    return module
