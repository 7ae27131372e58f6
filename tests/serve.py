"""`transformers serve` for a tiny model: python -m tests.serve FOLDER PORT"""

import sys

from agent.torch_setup import set_up_torch

if __name__ == "__main__":
    set_up_torch()
    import transformers.image_processing_backends as backends
    from torchvision.transforms.v2.functional import pil_to_tensor
    from transformers.cli.transformers import main
    from transformers.image_utils import load_image

    # the decoder that it would use is in the half of torchvision that does not load beside a CPU build of torch
    backends.load_image_as_tensor = lambda url: pil_to_tensor(load_image(url))
    folder, port = sys.argv[1:]
    sys.argv = ["transformers", "serve", folder, "--port", port, "--host", "127.0.0.1", "--device", "cpu"]
    main()
