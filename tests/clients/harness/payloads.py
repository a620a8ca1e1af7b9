"""Payloads that have to arrive as they were sent, whatever the serializers on both sides are."""

from .client import Payload

PAYLOADS = {
    "nothing": Payload([], {}),
    "constants": Payload([None, True, False, "", [], {}], {}),
    "integers": Payload(
        [0, 1, -1, 23, 24, -24, -25, 127, 128, -128, -129, 255, 256, 65535, 65536, 2**31, -(2**31) - 1, 2**32], {}
    ),
    "big integers": Payload([2**53 - 1, -(2**53) + 1, 2**40 + 1, 2**32 - 1], {}),
    "floats": Payload([0.5, -1.25, 3.141592653589793, 0.1, 1e-7, 1e21, 5e-324, 1.7976931348623157e308], {}),
    "text": Payload(
        [
            "plain",
            "Grüße, Žižek, 日本語, 🦀",
            'quote " slash / backslash \\',
            "line\nbreak\ttab\r",
            "a\u0000b\u001f\u007f\u2028",
        ],
        {},
    ),
    "kwargs": Payload([], {"one": 1, "ключ": "ключ", "with space": None, "nested": {"deep": [1, {"er": True}]}}),
    "nested": Payload([[1, [2, [3, [[], {}, {"a": {"b": {"c": [None]}}}]]]]], {"list": [[], [[]], [[[]]]]}),
    "binary": Payload(
        [b"\x00\x01\xfe\xff", b"", bytes(range(256))], {"raw": b"\xde\xad", "in": [{"side": b"\x00"}]}
    ),
    "large": Payload(["text " * 14_000, b"\x00\xff" * 2_000], {"many": list(range(100))}),
}


def difference(sent: Payload, got: Payload, result: bool = False) -> str | None:
    """None if both are the same value; `result`: a result of nothing may show as one null, as client libraries do."""
    if result and not sent.args and got.args == [None]:
        got = Payload([], got.kwargs)
    return _differ(sent.args, got.args, "args") or _differ(sent.kwargs, got.kwargs, "kwargs")


def _differ(sent, got, path):
    if isinstance(sent, list) and isinstance(got, list) and len(sent) == len(got):
        keys = range(len(sent))
    elif isinstance(sent, dict) and isinstance(got, dict) and sent.keys() == got.keys():
        keys = sent
    else:
        return None if _same(sent, got) else f"{path}: sent {sent!r:.80}, got {got!r:.80}"
    differences = (_differ(sent[key], got[key], f"{path}[{key!r}]") for key in keys)
    return next(filter(None, differences), None)


def _same(sent, got):
    # JavaScript has one type of numbers, so 1 and 1.0 are the same value; True is not 1.
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (sent, got))
    return sent == got and (numbers or type(sent) is type(got))
