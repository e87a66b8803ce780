"""What a controller has made out of the robot, in its own terms: the latents that recordings keep."""

import numpy as np
import torch

from .context_sac import ContextPolicy, posterior
from .evaluation import AnyController
from .networks import History, Privileged
from .onnx_controller import OnnxController
from .policy import Policy
from .recurrent import RecurrentPolicy


def latent_of(controller: AnyController, observation: np.ndarray) -> np.ndarray:
    """What it went by when it last acted, on observations (N, O): latents (N, L) float32; L is 0 where it has none.

    Of a recurrent policy the last layer's hidden state, of a belief (PEARL) its mean and standard deviation, of an encoder
    (RMA, or a history) what stands beside the newest observation.
    """
    n = len(observation)
    if isinstance(controller, OnnxController):
        return np.zeros((n, 0), np.float32)
    policy, memory = controller.policy, controller.memory
    if isinstance(policy, RecurrentPolicy):
        found = policy.initial_memory(n).numpy() if memory is None else memory[0]
        return np.asarray(found[policy.layers - 1])
    if isinstance(policy, ContextPolicy):
        evidence = np.zeros((n, 2 * policy.latent), np.float32) if memory is None else memory[0][0]
        return torch.cat(posterior(torch.as_tensor(evidence[:, : 2 * policy.latent])), dim=1).numpy()
    encoder = getattr(getattr(policy, "mlp_extractor", None), "encoder", None)
    if not isinstance(policy, Policy) or not isinstance(encoder, History | Privileged):
        return np.zeros((n, 0), np.float32)
    own = encoder.size if isinstance(encoder, History) else observation.shape[1] - encoder.known
    with torch.no_grad():
        seen, _ = policy.obs_to_tensor(observation)
        assert isinstance(seen, torch.Tensor)
        return encoder(policy.features_extractor(seen))[:, own:].numpy()
