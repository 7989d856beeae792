"""What a run minimises besides the next token: how far a hole reaches, what a teacher thinks.

Horizon-length prediction (HLP, arXiv 2410.03103): a linear head on the last hidden state tells
which share of the middle is still to come, so the model plans where to stop. Distillation (arXiv
1503.02531): the loss is mixed with the divergence from a larger model's next-token distribution.
Both are for training alone; the exported model has neither. Without them the model's own forward is
used.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fimtraining.model import TrainingLlama


@dataclass(frozen=True, slots=True)
class ObjectiveSettings:
    """What is added to the loss of the next token."""

    horizon_weight: float = 0.0
    """Weight of the horizon's mean absolute error; the paper takes 0.1."""
    teacher_share: float = 0.0
    """Share of the teacher's divergence in the loss; the rest is the text's cross-entropy."""
    teacher: str = ""
    """Name of the teacher, given by `--teacher`."""


class Objective(nn.Module):
    """Computes the loss of a model with a horizon head, a teacher, or both.

    Args:
        model: The model to train.
        settings: What is added to its loss.
        teacher: Larger model of the same vocabulary; never changed.
    """

    def __init__(
        self, model: TrainingLlama, settings: ObjectiveSettings, teacher: TrainingLlama | None
    ) -> None:
        super().__init__()
        self.model, self.settings = model, settings
        self.horizon_head: nn.Linear | None = None
        if settings.horizon_weight:
            self.horizon_head = nn.Linear(model.shape.hidden_size, 1)
            nn.init.zeros_(self.horizon_head.weight)
            nn.init.zeros_(self.horizon_head.bias)
        self.teacher = teacher.requires_grad_(False) if teacher else None

    def forward(
        self,
        token_ids: Tensor,
        targets: Tensor,
        positions: Tensor,
        cu_seqlens: Tensor,
        weights: Tensor,
        horizons: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the loss in nats and the mean squared log-normaliser.

        Shapes:
            token_ids, targets, positions: [T]  int64
            cu_seqlens:                    [C]  int32
            weights:                       [T]  float32
            horizons:                      [T]  float32, share of the middle that is to come; -1
                                                where the next token is of no middle

        Args:
            token_ids: Documents laid end to end.
            targets: Next tokens, -100 where there is none.
            positions: Place of each token in its document.
            cu_seqlens: Where documents begin and end.
            weights: Share of each target in the loss.
            horizons: What the horizon head shall say.

        Returns:
            Loss and z-loss.
        """
        hidden = self.model.hidden(token_ids, positions, cu_seqlens)
        logits = functional.linear(hidden, self.model.embed_tokens.weight).float()  # [T, V]
        normaliser = logits.logsumexp(-1)
        known = targets >= 0
        chosen = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        each = normaliser - chosen
        share = self.settings.teacher_share
        # Without gradients this is validation, which asks for the next token alone.
        learns = torch.is_grad_enabled()
        if self.teacher is not None and learns:
            each = (1 - share) * each + share * self._divergence(
                logits - normaliser[:, None], token_ids, positions, cu_seqlens
            )
        loss = (each * weights).sum() / weights.sum().clamp(min=1e-6)
        if self.horizon_head is not None and learns:
            said = torch.sigmoid(self.horizon_head(hidden).float())[:, 0]
            asked = horizons >= 0
            error = ((said - horizons).abs() * asked).sum() / asked.sum().clamp(min=1)
            loss = loss + self.settings.horizon_weight * error
        z = (normaliser.square() * known).sum() / known.sum().clamp(min=1)
        return loss, z

    def _divergence(
        self, log_probs: Tensor, token_ids: Tensor, positions: Tensor, cu_seqlens: Tensor
    ) -> Tensor:
        """Return KL(teacher || student) of each token, [T]."""
        teacher = self.teacher
        assert teacher is not None
        with torch.no_grad():
            hidden = teacher.hidden(token_ids, positions, cu_seqlens)
            wanted = functional.linear(hidden, teacher.embed_tokens.weight).float().log_softmax(-1)
        return (wanted.exp() * (wanted - log_probs)).sum(-1)


def make_horizons(is_answer: Tensor, lengths: Tensor) -> Tensor:
    """Return what the horizon head shall say at each place, -1 where it is not asked.

    At the place before the first token of a middle of M tokens, its end token among them, it is 1;
    at the place before its last token 1 / M.

    Shapes:
        is_answer: [T]  bool
        lengths:   [N]  int64, tokens of each example, adding up to T
        returns:   [T]  float32

    Args:
        is_answer: Whether a token is of a middle or the end token behind it.
        lengths: Length of each example.

    Returns:
        Shares, at the place one before the token they speak of.
    """
    example = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    counts = torch.zeros(len(lengths)).index_add_(0, example, is_answer.float())
    done = is_answer.float().cumsum(0)
    before = torch.zeros(len(lengths)).index_add_(0, example, is_answer.float()).cumsum(0) - counts
    nth = done - before[example]  # 1 for the first token of a middle
    left = (counts[example] - nth + 1) / counts[example].clamp(min=1)
    shifted = torch.where(is_answer, left, -1.0).roll(-1)
    shifted[lengths.cumsum(0) - 1] = -1.0  # behind an example's last token nothing is asked
    return shifted
