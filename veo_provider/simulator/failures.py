# SPDX-License-Identifier: Apache-2.0
"""What a generation says when it fails late, by name. Wordings are those of section 5 of the contract."""

from __future__ import annotations

import dataclasses

FILTERED_REASON = (
    "The video could not be generated because it contains content that might violate the usage "
    "guidelines. Try rephrasing the prompt. Support codes: {code}"
)
DEFAULT_SUPPORT_CODE = "42237218"


@dataclasses.dataclass(frozen=True)
class Failure:
    """
    A late failure.

    :param message: what the gateway says.
    :param code: ``error.code``; the family sends a constant 400.
    """

    message: str
    code: int | str = 400


FAILURES = {
    # content policy
    "policy": Failure(
        "The prompt could not be submitted. This prompt contains words that violate Google's Responsible AI "
        "practices. Support codes: 58061214"
    ),
    "guidelines": Failure("Veo could not generate videos because the input image violates usage guidelines."),
    "sensitive_words": Failure("sensitive words detected in prompt"),
    "policy_code": Failure("The request was rejected.", "content_policy_violation"),
    "policy_zh": Failure("生成失败：内容违规，请修改提示词后重试"),
    "sensitive_zh": Failure("提示词包含敏感内容"),
    "review_zh": Failure("内容未通过审核"),
    # invalid request
    "duration": Failure(
        "Unsupported output video duration 5 seconds, supported durations are [4,6,8] for feature text_to_video."
    ),
    "not_supported": Failure("lastFrame is not supported by this model."),
    "not_allowlisted": Failure("Your project is not allowlisted for this parameter value."),
    "invalid_argument": Failure('{"error":{"code":400,"message":"Bad input","status":"INVALID_ARGUMENT"}}'),
    # model unavailable
    "model_gone": Failure(
        "Publisher Model `veo-3.0-generate-preview` was not found or your project does not have access to it."
    ),
    "model_retired": Failure("This model is no longer available."),
    # transient
    "high_load": Failure(
        "Veo 3 is currently experiencing high load and is unable to process the request. Please try again later."
    ),
    "quota": Failure("Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model"),
    "resource_exhausted": Failure("RESOURCE_EXHAUSTED", 8),
    "too_many": Failure("upstream status 429"),
    "unavailable": Failure("UNAVAILABLE: the service is currently unavailable", 14),
    "internal": Failure("Internal error encountered.", 13),
    "saturated_zh": Failure("当前分组上游负载已饱和，请稍后再试"),
    # server
    "timeout_zh": Failure("任务超时（24小时）"),
    "channel": Failure("Failed to get channel info, channel ID: 12"),
    "channel_zh": Failure("获取渠道信息失败"),
    # nothing the contract knows
    "unknown": Failure("Something unexpected happened."),
    "silent": Failure(""),
}
