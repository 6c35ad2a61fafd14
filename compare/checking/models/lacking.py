"""What a program asks for that is not here: a GPU, a file of data, the network, a tokenizer; what to give instead."""

import re

LACKING = (
    (
        r"missing 1 required positional argument: '(labels?|targets?|ys?|cs?|cond\w*|class\w*)'",
        "labels were tried, as numbers and one-hot, and did not fit: say of how many classes, as in --set classes=10",
    ),
    (
        r"no NVIDIA driver|not compiled with CUDA|no CUDA-capable|CUDA is not available|on a CUDA device|CUDA error"
        r"|Cannot access accelerator device|Unknown backend: '(gpu|cuda|tpu)'|CUDA GPUs",
        "it asks for a GPU, and none is here: give it the CPU by its own argument, or move it with "
        ".to('cpu') where torch.cuda.is_available() says no",
    ),
    (
        r"urlopen error|Max retries|ConnectionError|Temporary failure in name|HTTPError|couldn't connect|offline mode"
        r"|Can't load tokenizer|Can't load the (configuration|model)|not a local folder|LocalEntryNotFound",
        "it fetches something that is not here: name a function without arguments that makes the model of what there "
        "is, or give rows with --data FILE.npy",
    ),
    (
        r"No such file or directory|Dataset not found|FileNotFoundError|unable to open file",
        "it reads its data, which are not here: run it where they are, or name a function without arguments that "
        "makes the model alone, and give rows with --data FILE.npy",
    ),
)


def lacks(error: str) -> str:
    """What an error says is not here, as ` (it asks for a GPU, ...)`; "" where it says nothing of the kind."""
    found = next((words for pattern, words in LACKING if re.search(pattern, error)), "")
    return f" ({found})" if found else ""
