# SPDX-License-Identifier: Apache-2.0
"""The error answers of the gateway's family, by name: one for every row of the contract's error table."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True)
class ErrorAnswer:
    """
    An error as it goes over the wire.

    :param status: HTTP status.
    :param body: a JSON value, or text that is sent as HTML.
    :param accepted: a submit answered so was accepted, and billed, all the same.
    """

    status: int
    body: Any
    accepted: bool = False


def relay(message: str, kind: str = "new_api_error", code: str = "") -> dict[str, Any]:
    """
    Return the body of the OpenAI form.

    :param message: what went wrong.
    :param kind: ``error.type``.
    :param code: ``error.code``.
    """
    return {"error": {"message": message, "type": kind, "param": "", "code": code}}


def task(code: str, message: str) -> dict[str, Any]:
    """
    Return the body of the task form.

    :param code: the slug.
    :param message: what went wrong.
    """
    return {"code": code, "message": message, "data": None}


def page(status: int, title: str) -> str:
    """
    Return the page of a proxy in between.

    :param status: HTTP status.
    :param title: its name.
    """
    heading = f"{status} {title}"
    return (
        f"<html>\r\n<head><title>{heading}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )


def _upstream(status: int, inner: dict[str, Any]) -> ErrorAnswer:
    return ErrorAnswer(status, task("fail_to_fetch_task", json.dumps(inner, ensure_ascii=False)))


_NESTED = {
    "error": {"code": 400, "message": json.dumps({"error": {"message": "Prompt blocked. Support codes: 58061214"}})}
}

ERRORS = {
    "invalid_request": ErrorAnswer(400, task("invalid_request", "field prompt is required")),
    "invalid_json": ErrorAnswer(400, task("invalid_json", "invalid character 'x' looking for beginning of value")),
    "model_price_error": ErrorAnswer(400, task("model_price_error", "模型 veo 倍率或价格未配置")),
    "other_400": ErrorAnswer(400, relay("bad request", "invalid_request_error")),
    "task_not_exist": ErrorAnswer(400, task("task_not_exist", "task_not_exist")),
    "filtered_prompt": _upstream(400, {"error": {"message": "The prompt could not be submitted: usage guidelines."}}),
    "filtered_prompt_nested": _upstream(400, _NESTED),
    "bad_key": ErrorAnswer(401, relay("无效的令牌 (Invalid token)")),
    "key_exhausted": ErrorAnswer(401, relay("该令牌额度已用尽 (token quota exhausted)")),
    "upstream_key": _upstream(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}),
    "upstream_model": _upstream(404, {"error": {"message": "Publisher model not found"}}),
    "payment_required": ErrorAnswer(402, relay("Insufficient Balance")),
    "quota_not_enough": ErrorAnswer(403, task("quota_not_enough", "user quota is not enough")),
    "insufficient_user_quota": ErrorAnswer(
        403, relay("用户额度不足, 剩余额度: $0.000000", code="insufficient_user_quota")
    ),
    "pre_consume_token_quota_failed": ErrorAnswer(
        403, relay("token quota is not enough", code="pre_consume_token_quota_failed")
    ),
    "forbidden": ErrorAnswer(403, relay("This token has no access to model veo-3.1-generate-preview")),
    "saturated": _upstream(403, {"error": {"code": "upstream_load_saturated", "message": "上游负载已饱和"}}),
    "invalid_url": ErrorAnswer(404, relay("Invalid URL (POST /v1/video/generations)", "invalid_request_error")),
    "html_404": ErrorAnswer(404, page(404, "Not Found")),
    "method_not_allowed": ErrorAnswer(405, page(405, "Not Allowed")),
    "length_required": ErrorAnswer(411, page(411, "Length Required")),
    "too_large": ErrorAnswer(413, page(413, "Request Entity Too Large")),
    "uri_too_long": ErrorAnswer(414, page(414, "Request-URI Too Large")),
    "unsupported_media": ErrorAnswer(415, relay("unsupported content type")),
    "unprocessable": ErrorAnswer(422, {"detail": [{"loc": ["body", "image"], "msg": "bad image"}]}),
    "not_implemented": ErrorAnswer(501, task("not_implemented", "not implemented")),
    "request_timeout": ErrorAnswer(408, page(408, "Request Time-out")),
    "too_early": ErrorAnswer(425, page(425, "Too Early")),
    "rate_limited": ErrorAnswer(429, relay("当前请求过多，请稍后再试", code="rate_limit_exceeded")),
    "rate_limited_html": ErrorAnswer(429, page(429, "Too Many Requests")),
    "build_request_failed": ErrorAnswer(500, task("build_request_failed", "failed to build request")),
    "get_channel_failed": ErrorAnswer(500, task("get_channel_failed", "获取渠道信息失败")),
    "database": ErrorAnswer(500, task("get_task_failed", "Error 1040: Too many connections")),
    "insert_task_failed": ErrorAnswer(500, task("insert_task_failed", "database is locked"), accepted=True),
    "internal": ErrorAnswer(500, relay("bad response status code 500", code="bad_response_status_code")),
    "upstream_5xx": _upstream(500, {"error": {"message": "An internal error has occurred"}}),
    "bad_gateway": ErrorAnswer(502, page(502, "Bad Gateway")),
    "gateway_timeout": ErrorAnswer(504, page(504, "Gateway Time-out")),
    "proxy_timeout": ErrorAnswer(524, page(524, "A timeout occurred")),
    "unavailable": ErrorAnswer(503, page(503, "Service Temporarily Unavailable")),
    "model_not_found": ErrorAnswer(
        503, relay("No available channel for model veo under group default", code="model_not_found")
    ),
    "no_channel": ErrorAnswer(503, relay("分组 default 下无可用渠道 (no available channel)")),
    "overloaded": ErrorAnswer(503, relay("system cpu overloaded", code="system_cpu_overloaded")),
    "success_false": ErrorAnswer(200, {"success": False, "message": "用户额度不足"}),
    "code_in_200": ErrorAnswer(200, task("insufficient_user_quota", "user quota is not enough")),
    "no_id": ErrorAnswer(200, {"status": "pending", "created_at": 1709459123}, accepted=True),
    "silent": ErrorAnswer(500, None),
}
