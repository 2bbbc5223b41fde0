#!/bin/sh
# After torch.set_num_threads(2), torch on a CPU gives wrong determinants for a batch of matrices,
# without an error. Needs python3, a package index and two cores; leaves nothing behind.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys

import numpy as np
import torch

torch.manual_seed(0)
batch = torch.randn(2, 180, 180, dtype=torch.float64) + 540 * torch.eye(180, dtype=torch.float64)
found = {}
for threads in (1, 2):
    torch.set_num_threads(threads)
    found[threads] = torch.linalg.slogdet(batch)[1].tolist()
found["one by one"] = [float(torch.linalg.slogdet(one)[1]) for one in batch]
found["numpy"] = np.linalg.slogdet(batch.numpy())[1].tolist()
print("torch", torch.__version__, "numpy", np.__version__)
print(torch.__config__.parallel_info().splitlines()[5])
print("torch.linalg.slogdet of two 180 x 180 matrices is wrong after torch.set_num_threads(2), "
      "without an error (inv and solve of the batch raise one); one matrix at a time is right, "
      "and so is one thread.")
print("seen, log |determinant| by threads:", {k: np.round(v, 3).tolist() for k, v in found.items()})
right = np.array(found["numpy"])
off = {name: bool(np.abs(np.array(value) - right).max() > 1.0) or bool(np.isnan(value).any())
       for name, value in found.items()}
sys.exit(0 if off == {1: False, 2: True, "one by one": False, "numpy": False}
         else "This has changed.")
PY
